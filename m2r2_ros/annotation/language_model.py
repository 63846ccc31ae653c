# SPDX-License-Identifier: Apache-2.0
"""Questions to a language model behind any endpoint that speaks OpenAI's chat protocol."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from m2r2_ros.annotation.bounded_http import bounded_client
from m2r2_ros.annotation.event_loop import event_loop
from m2r2_ros.annotation.findings import Findings
from m2r2_ros.annotation.prompt import (
    INSTRUCTIONS,
    InvalidAnswerError,
    messages,
    read_answer,
)
from m2r2_ros.annotation.secret import Secret, kept_out_of_logs
from m2r2_ros.annotation.selection import NoAnswer
from m2r2_ros.errors import M2R2Error, printable

NO_VALID_ANSWER = "no valid answer from the language model"

# Questions that are under way at once.
IN_FLIGHT = 8
# Of one answer with all that an endpoint puts around it.
MAX_BODY_BYTES = 1_000_000

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
    timeout_s  for one attempt, from the question to the last byte of the answer.
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
        self._turns = _Turns(endpoint.requests_per_minute)

    def ask_all(self, texts: Iterable[str]) -> Iterator[tuple[str, Findings | NoAnswer]]:
        """Yield each text with its answer, as they come, several at a time.

        Raises M2R2Error when the endpoint refuses the key or the model, since it would refuse all.
        """
        waiting, running = iter(texts), {}
        client = self._open_client()
        with kept_out_of_logs(self._key), event_loop(client.close) as start:
            while True:
                for text in islice(waiting, IN_FLIGHT - len(running)):
                    running[start(self._ask(client, text))] = text
                if not running:
                    return
                for answered in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(answered), answered.result()

    def _open_client(self) -> Any:
        return self._openai.AsyncOpenAI(
            api_key=self._key.reveal(),
            base_url=self._endpoint.base_url,
            timeout=self._endpoint.timeout_s,
            # We count the attempts ourselves: an answer that is no JSON is one too.
            max_retries=0,
            default_headers={"Accept-Encoding": "identity"},
            http_client=bounded_client(self._openai, MAX_BODY_BYTES),
        )

    async def _ask(self, client: Any, text: str) -> Findings | NoAnswer:
        """The answer to one text. Raises M2R2Error as `ask_all` does."""
        reason, wait_s = "", 0.0
        for attempt in range(self._endpoint.attempts):
            if attempt:
                # Not all at the same time again.
                pause_s = self._endpoint.pause_s * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
                await asyncio.sleep(max(pause_s, wait_s))
            await asyncio.sleep(self._turns.next_in_s())
            wait_s = 0.0
            try:
                question = self._complete(client, text)
                return read_answer(await asyncio.wait_for(question, self._endpoint.timeout_s))
            except InvalidAnswerError as error:
                reason = str(error)
            except asyncio.TimeoutError:
                reason = f"no answer within {self._endpoint.timeout_s:g} s"
            except self._openai.BadRequestError as error:
                # About this very text: too long, or not to the endpoint's liking.
                return NoAnswer(f"{NO_VALID_ANSWER}: {self._said(error)}")
            except self._openai.APIStatusError as error:
                reason, wait_s = self._said(error), self._judge(error)
            except self._openai.APIError as error:
                # Timeouts, lost connections, half an answer.
                reason = self._said(error)
            except (ValueError, RecursionError):
                reason = "an answer that cannot be read"
        return NoAnswer(f"{NO_VALID_ANSWER}: {reason}")

    async def _complete(self, client: Any, text: str) -> str:
        response = await client.chat.completions.create(
            model=self._endpoint.model, messages=messages(text), temperature=0.0
        )
        # The package makes objects of whatever comes.
        try:
            choice = response.choices[0]
            finish, content = choice.finish_reason, choice.message.content
        except (AttributeError, TypeError, LookupError):
            raise InvalidAnswerError("an answer without a message") from None
        if finish == "length":
            raise InvalidAnswerError("half an answer")
        return content

    def _judge(self, error: Any) -> float:
        """Seconds to leave the endpoint alone. Raises M2R2Error when it will always refuse."""
        if error.status_code in (401, 403, 404):
            raise M2R2Error(f"the language model's endpoint refuses: {self._said(error)}") from None
        try:
            wait_s = float(error.response.headers.get("retry-after", 0))
        except ValueError:
            return 0.0
        return min(wait_s, self._endpoint.timeout_s) if wait_s > 0 else 0.0

    def _said(self, error: Exception) -> str:
        """One line of an error, without the key (redacted first: a cut could leave half of it)."""
        line = " ".join(self._key.redact(str(error)).split())
        return printable(line[:200]) or type(error).__name__


class _Turns:
    """Spaces requests evenly."""

    def __init__(self, per_minute: float, now: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = 60.0 / per_minute if per_minute else 0.0
        self._now, self._next_s = now, 0.0

    def next_in_s(self) -> float:
        """Take the next turn; return the seconds until it comes."""
        due_s = max(self._now(), self._next_s)
        self._next_s = due_s + self._interval_s
        return max(0.0, due_s - self._now())


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
