# SPDX-License-Identifier: Apache-2.0
"""Questions to a language model behind any endpoint that speaks OpenAI's chat protocol."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from m2r2_ros.annotation.findings import Findings
from m2r2_ros.annotation.prompt import (
    INSTRUCTIONS,
    InvalidAnswerError,
    messages,
    read_answer,
)
from m2r2_ros.annotation.secret import Secret, kept_out_of_logs
from m2r2_ros.annotation.selection import NoAnswer
from m2r2_ros.errors import M2R2Error

NO_VALID_ANSWER = "no valid answer from the language model"

# Questions that are under way at once.
IN_FLIGHT = 8

# No tokenizer is at hand for every model: English has about four characters a token, a chat
# a few tokens of its own, an answer about forty.
_CHARACTERS_PER_TOKEN = 4.0
_CHAT_TOKENS = 12
_ANSWER_TOKENS = 40


@dataclass(frozen=True)
class Endpoint:
    """Where and whom to ask, and how patiently.

    requests_per_minute  0: as many as the endpoint takes.
    attempts   for one text; the pause after the first is `pause_s` and doubles with each further.
    timeout_s  for one attempt.
    """

    model: str
    base_url: str | None = None
    requests_per_minute: float = 0.0
    attempts: int = 6
    pause_s: float = 1.0
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if self.requests_per_minute < 0:
            raise M2R2Error("--requests-per-minute cannot be negative")
        parts = urlsplit(self.base_url or "https://host")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise M2R2Error("--base-url must be http://HOST[:PORT]/PATH or https://...")
        if parts.username or parts.password or parts.query:
            raise M2R2Error("--base-url holds a user, a password or a query: keys belong elsewhere")


class LanguageModel:
    """Asks about texts. Only valid answers count; all else is asked again, with pauses."""

    def __init__(self, endpoint: Endpoint, key: Secret) -> None:
        import openai

        self._endpoint, self._key, self._openai = endpoint, key, openai
        self._client = openai.OpenAI(
            api_key=key.reveal(),
            base_url=endpoint.base_url,
            timeout=endpoint.timeout_s,
            # We count the attempts ourselves: an answer that is no JSON is one too.
            max_retries=0,
        )
        self._turn = _Turns(endpoint.requests_per_minute)
        self._stopped = threading.Event()

    def ask_all(self, texts: Iterable[str]) -> Iterator[tuple[str, Findings | NoAnswer]]:
        """Yield each text with its answer, as they come, several at a time.

        Raises M2R2Error when the endpoint refuses the key or the model, since it would refuse all.
        """
        with kept_out_of_logs(self._key), ThreadPoolExecutor(IN_FLIGHT) as pool:
            futures = {pool.submit(self.ask, text): text for text in texts}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BaseException:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                raise

    def ask(self, text: str) -> Findings | NoAnswer:
        """The answer to one text. Raises M2R2Error as `ask_all` does."""
        reason, wait_s = "", 0.0
        for attempt in range(self._endpoint.attempts):
            if attempt:
                # Not all at the same time again.
                pause_s = self._endpoint.pause_s * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
                self._stopped.wait(max(pause_s, wait_s))
            if self._stopped.is_set():
                break
            self._turn.wait()
            wait_s = 0.0
            try:
                return read_answer(self._complete(text))
            except InvalidAnswerError as error:
                reason = str(error)
            except self._openai.BadRequestError as error:
                # About this very text: too long, or not to the endpoint's liking.
                return NoAnswer(f"{NO_VALID_ANSWER}: {self._said(error)}")
            except self._openai.APIStatusError as error:
                reason, wait_s = self._said(error), self._judge(error)
            except self._openai.APIError as error:
                # Timeouts, lost connections, half an answer.
                reason = self._said(error)
            except ValueError:
                reason = "an answer that cannot be read"
        return NoAnswer(f"{NO_VALID_ANSWER}: {reason or 'stopped'}")

    def _complete(self, text: str) -> str | None:
        response = self._client.chat.completions.create(
            model=self._endpoint.model, messages=messages(text), temperature=0.0
        )
        choices = getattr(response, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            raise InvalidAnswerError("an answer without a message")
        if choices[0].finish_reason == "length":
            raise InvalidAnswerError("half an answer")
        return choices[0].message.content

    def _judge(self, error: Any) -> float:
        """Seconds to leave the endpoint alone. Raises M2R2Error when it will always refuse."""
        if error.status_code in (401, 403, 404):
            raise M2R2Error(f"the language model's endpoint refuses: {self._said(error)}") from None
        try:
            wait_s = float(error.response.headers.get("retry-after", 0))
        except ValueError:
            return 0.0
        return min(max(wait_s, 0.0), self._endpoint.timeout_s)

    def _said(self, error: Exception) -> str:
        """One line of an error, without the key (redacted first: a cut could leave half of it)."""
        line = " ".join(self._key.redact(str(error)).split())
        return line[:200] or type(error).__name__


class _Turns:
    """Spaces requests evenly."""

    def __init__(self, per_minute: float, now: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = 60.0 / per_minute if per_minute else 0.0
        self._now, self._lock, self._next_s = now, threading.Lock(), 0.0

    def wait(self) -> None:
        """Return when it is the caller's turn."""
        with self._lock:
            due_s = max(self._now(), self._next_s)
            self._next_s = due_s + self._interval_s
        time.sleep(max(0.0, due_s - self._now()))


@dataclass(frozen=True)
class Estimate:
    """What asking would take: requests, and tokens in and out, each about."""

    requests: int
    tokens_in: int
    tokens_out: int

    def cost(self, price_in: float, price_out: float) -> float:
        """In the currency of the prices, which are for a million tokens."""
        return (self.tokens_in * price_in + self.tokens_out * price_out) / 1e6


def estimate(texts: list[str]) -> Estimate:
    """What it would take to ask about the texts, without retries."""
    asked = sum((len(INSTRUCTIONS) + len(text)) / _CHARACTERS_PER_TOKEN for text in texts)
    tokens_in = round(asked + _CHAT_TOKENS * len(texts))
    return Estimate(len(texts), tokens_in, _ANSWER_TOKENS * len(texts))
