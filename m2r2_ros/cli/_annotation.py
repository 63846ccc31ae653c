# SPDX-License-Identifier: Apache-2.0
"""Understanding many descriptions: by rules or by a language model, here or on a Ray cluster."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tqdm import tqdm

from m2r2_ros.annotation.answers import AnswerCache
from m2r2_ros.annotation.findings import Findings
from m2r2_ros.annotation.language_model import Endpoint, LanguageModel
from m2r2_ros.annotation.parser import parse
from m2r2_ros.annotation.prompt import findings_from_json, findings_to_json
from m2r2_ros.annotation.secret import key_from_environment
from m2r2_ros.annotation.stage import NoAnswer
from m2r2_ros.cli._cluster import ray_cluster
from m2r2_ros.errors import M2R2Error

Answer = Findings | NoAnswer
# Texts that a cluster's machine takes at once.
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
    return tqdm(answers, "annotating", total, unit=" descriptions", disable=None)


def _on_cluster(
    texts: list[str], endpoint: Endpoint | None, address: str
) -> Iterator[tuple[str, Answer]]:
    """As a Ray Data job. Every machine takes the key from its own environment: it is not sent."""
    with ray_cluster(address) as ray:
        data = importlib.import_module("ray.data")
        data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = data.from_items([{"text": text} for text in texts])
        # A text is asked about by one task only: what comes of a failed one is not known.
        job = rows.map_batches(
            _understand_batch,
            batch_size=_BATCH,
            fn_kwargs={"endpoint": endpoint},
            # One asker keeps to the limit of requests a minute.
            concurrency=None if endpoint is None else 1,
        )
        try:
            for row in job.iter_rows():
                yield row["text"], _from_row(row)
        except ray.exceptions.RayError as error:
            raise M2R2Error(f"--ray {address}: {_cause(error)}") from None


def _understand_batch(batch: dict, endpoint: Endpoint | None) -> dict[str, list[str]]:
    texts = [str(text) for text in batch["text"]]
    answers = dict(_answers(texts, endpoint, None))
    return {"text": texts, "answer": [_to_row(answers[text]) for text in texts]}


def _to_row(answer: Answer) -> str:
    if isinstance(answer, NoAnswer):
        return json.dumps({"reason": answer.reason})
    return json.dumps(findings_to_json(answer))


def _from_row(row: dict[str, str]) -> Answer:
    content = json.loads(row["answer"])
    return NoAnswer(content["reason"]) if "reason" in content else findings_from_json(content)


def _cause(error: BaseException) -> str:
    """Our own error in the depth of Ray's, else the last line of Ray's, which names it."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, M2R2Error):
            return str(inner).strip().splitlines()[-1]
        inner = getattr(inner, "cause", None) or inner.__cause__
    return str(error).strip().splitlines()[-1]
