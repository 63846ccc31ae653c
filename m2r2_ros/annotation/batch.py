# SPDX-License-Identifier: Apache-2.0
"""Understanding many descriptions: by rules or by a language model, here or on a Ray cluster."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from m2r2_ros.annotation.answers import AnswerCache
from m2r2_ros.annotation.findings import Findings
from m2r2_ros.annotation.language_model import IN_FLIGHT, Endpoint, LanguageModel
from m2r2_ros.annotation.parser import parse
from m2r2_ros.annotation.prompt import findings_from_json, findings_to_json
from m2r2_ros.annotation.secret import key_from_environment
from m2r2_ros.annotation.selection import NoAnswer
from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.cluster import first_line, ray_cluster
from m2r2_ros.parallel.progress import Progress

Answer = Findings | NoAnswer
# Texts that a process of a cluster parses at once.
_BATCH = 64


def understand(
    texts: list[str], endpoint: Endpoint | None, cache: Path, address: str | None
) -> dict[str, Answer]:
    """What each text tells of, by the rules, or by the language model at `endpoint`.

    A model's answers are kept in `cache` as they come, and what is there is not asked.
    """
    if endpoint is None:
        return dict(_watched(_answers(texts, None, address), len(texts)))
    with closing(AnswerCache(cache, endpoint.model)) as answers:
        known: dict[str, Answer] = dict(answers.get(texts))
        unknown = [text for text in texts if text not in known]
        for text, answer in _watched(_answers(unknown, endpoint, address), len(unknown)):
            known[text] = answer
            if isinstance(answer, Findings):
                answers.put(text, answer)
    return known


def _answers(
    texts: list[str], endpoint: Endpoint | None, address: str | None
) -> Iterator[tuple[str, Answer]]:
    if not texts:
        return
    if address is not None:
        yield from _on_cluster(texts, endpoint, address)
    elif endpoint is None:
        yield from ((text, parse(text)) for text in texts)
    else:
        yield from LanguageModel(endpoint, key_from_environment()).ask_all(texts)


def _watched(answers: Iterator[tuple[str, Answer]], total: int) -> Iterator[tuple[str, Answer]]:
    return Progress(answers, "annotating", total, unit=" descriptions")


def _on_cluster(
    texts: list[str], endpoint: Endpoint | None, address: str
) -> Iterator[tuple[str, Answer]]:
    """As a Ray Data job. Every machine takes the key from its own environment: it is not sent."""
    with ray_cluster(address) as ray:
        data = importlib.import_module("ray.data")
        data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = data.from_items([{"text": text} for text in texts])
        if endpoint is None:
            job = rows.map_batches(_parse_batch, batch_size=_BATCH)
        else:
            # One asker keeps to the limit of requests a minute.
            askers = 1 if endpoint.requests_per_minute else (1, len(ray.nodes()))
            job = rows.map_batches(
                _Asker, fn_constructor_args=(endpoint,), batch_size=IN_FLIGHT, concurrency=askers
            )
        try:
            for row in job.iter_rows():
                yield row["text"], _from_row(row)
        except ray.exceptions.RayError as error:
            raise M2R2Error(f"--ray {address}: work was lost: {first_line(error)}") from None


def _parse_batch(batch: dict[str, Any]) -> dict[str, Any]:
    return batch | {"answer": [_to_row(parse(str(text))) for text in batch["text"]]}


class _Asker:
    """Asks about batches, in a process of a cluster.

    What the user can mend comes back as an answer: as an exception it would drown in Ray's.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._model: LanguageModel | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        texts = [str(text) for text in batch["text"]]
        try:
            self._model = self._model or LanguageModel(self._endpoint, key_from_environment())
            answers = dict(self._model.ask_all(texts))
        except M2R2Error as error:
            return batch | {"answer": [json.dumps({"error": str(error)})] * len(texts)}
        return batch | {"answer": [_to_row(answers[text]) for text in texts]}


def _to_row(answer: Answer) -> str:
    if isinstance(answer, NoAnswer):
        return json.dumps({"reason": answer.reason})
    return json.dumps(findings_to_json(answer))


def _from_row(row: dict[str, Any]) -> Answer:
    content = json.loads(row["answer"])
    if "error" in content:
        raise M2R2Error(content["error"])
    return NoAnswer(content["reason"]) if "reason" in content else findings_from_json(content)
