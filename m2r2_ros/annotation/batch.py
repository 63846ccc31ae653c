# SPDX-License-Identifier: Apache-2.0
"""Understanding many descriptions: by rules or by a language model, here or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache, partial
from pathlib import Path

from m2r2_ros.annotation.answers import AnswerCache
from m2r2_ros.annotation.findings import Findings
from m2r2_ros.annotation.language_model import IN_FLIGHT, Endpoint, LanguageModel
from m2r2_ros.annotation.parser import parse
from m2r2_ros.annotation.secret import key_from_environment
from m2r2_ros.annotation.selection import NoAnswer
from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.parallel.spread import Workers, spread

Answer = Findings | NoAnswer
# Texts that are parsed at once.
_BATCH = 64


def understand(
    texts: list[str], endpoint: Endpoint | None, cache: Path, workers: Workers
) -> dict[str, Answer]:
    """What each text tells of, by the rules, or by the language model at `endpoint`.

    A model's answers are kept in `cache` as they come, and what is there is not asked.
    """
    if endpoint is None:
        return dict(_answers(texts, None, workers))
    with closing(AnswerCache(cache, endpoint.model)) as answers:
        known: dict[str, Answer] = dict(answers.get(texts))
        unknown = [text for text in texts if text not in known]
        for text, answer in _answers(unknown, endpoint, workers):
            known[text] = answer
            if isinstance(answer, Findings):
                answers.put(text, answer)
    return known


def _answers(
    texts: list[str], endpoint: Endpoint | None, workers: Workers
) -> Iterator[tuple[str, Answer]]:
    if endpoint is not None and (workers.ray is None or endpoint.requests_per_minute):
        # One asker keeps to a limit of requests, and needs no cluster for it.
        answers = LanguageModel(endpoint, key_from_environment()).ask_all(texts) if texts else ()
        yield from Progress(answers, "annotating", len(texts), unit=" descriptions")
        return
    size = _BATCH if endpoint is None else IN_FLIGHT
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    work = _parse_all if endpoint is None else partial(_ask_all, endpoint)
    for done in spread(work, batches, workers, "annotating", f"times {size} descriptions"):
        if done.error:
            raise M2R2Error(done.error)
        yield from done.result


def _parse_all(texts: list[str]) -> list[tuple[str, Answer]]:
    return [(text, parse(text)) for text in texts]


def _ask_all(endpoint: Endpoint, texts: list[str]) -> list[tuple[str, Answer]]:
    """On a machine of a cluster, which takes the key from its own environment: it is not sent."""
    return list(_language_model(endpoint).ask_all(texts))


@lru_cache(maxsize=1)
def _language_model(endpoint: Endpoint) -> LanguageModel:
    return LanguageModel(endpoint, key_from_environment())
