# SPDX-License-Identifier: Apache-2.0
"""An evaluation as one HTML file that opens without a network, and its figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.evaluation.confusion import class_rows, confusion, labels_by_length
from m2r2_ros.evaluation.html_page import embedded, page_template
from m2r2_ros.evaluation.predictions import Prediction, score_predictions
from m2r2_ros.evaluation.reliability import reliability
from m2r2_ros.evaluation.report_figures import confusion_png, reliability_png, timeline_png
from m2r2_ros.evaluation.tables import outlook_text
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.vocabulary import Vocabulary

# By this recordings are ordered, worst first; equal ones by accuracy.
_ORDER = ("f1@50", "acc")


def write_report(
    path: Path,
    title: str,
    predictions: Sequence[Prediction],
    vocabulary: Vocabulary,
    level: str,
    about: Mapping[str, str],
    commonest: str,
    background: Collection[str] = (),
    outlook: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the report to `path` and its figures beside it, with the ending .json.

    `level`: of the vocabulary's levels the first to score, at which recordings are ordered and
    drawn; those that follow from it are scored, too. `about` says what was scored on what;
    `commonest` is the label that a method without any sensor would always give; `outlook` is what
    `score_outlook` gave, if anything was told. Raises M2R2Error when there is no prediction.
    """
    levels = _levels_from(level, vocabulary)
    found = {
        level: _Level([p.renamed(rename) for p in predictions], background)
        for level, rename in levels.items()
    }
    figures = {
        "title": title,
        "about": dict(about),
        "background": sorted(background),
        "frames": sum(len(prediction.truth) for prediction in predictions),
        "levels": {level: content.figures() for level, content in found.items()},
        "always": {
            "label": commonest,
            "levels": {
                level: _always(commonest, predictions, rename, background)
                for level, rename in levels.items()
            },
        },
    }
    if outlook:
        figures["outlook"] = dict(outlook)
    first = found[level]
    page = page_template("m2r2_ros.evaluation", "report.html").render(
        figures,
        first=level,
        outlook_text=outlook_text(outlook) if outlook else "",
        pictures={level: content.pictures() for level, content in found.items()},
        timelines={
            name: embedded(timeline_png(prediction, vocabulary))
            for name, prediction in Progress(first.worst_first.items(), "timelines")
        },
    )
    for file, text in ((path, page), (path.with_suffix(".json"), json.dumps(figures, indent=1))):
        with partial_file(file) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def _levels_from(first: str, vocabulary: Vocabulary) -> dict[str, Callable[[str], str]]:
    names = list(vocabulary.levels)
    return {name: vocabulary.levels[name] for name in names[names.index(first) :]}


def _always(
    label: str,
    predictions: Sequence[Prediction],
    rename: Callable[[str], str],
    background: Collection[str],
) -> dict[str, float | None]:
    """Scores of the same label for every frame."""
    same = [replace(p, labels=[label] * len(p.truth), believed=None) for p in predictions]
    return score_predictions([p.renamed(rename) for p in same], background)


class _Level:
    """Everything about the predictions with fine or with coarse labels."""

    def __init__(self, predictions: Sequence[Prediction], background: Collection[str]) -> None:
        self.scores = score_predictions(predictions, background)
        each = {p.name: score_predictions([p], background) for p in predictions}
        by_name = {p.name: p for p in predictions}
        order = sorted(each, key=lambda name: tuple(each[name][key] for key in _ORDER))
        self.recordings = {name: each[name] for name in order}
        self.worst_first = {name: by_name[name] for name in order}
        pairs = [(p.labels, p.truth) for p in predictions]
        self._labels = labels_by_length(pairs)
        self._confusion = confusion(pairs, self._labels)
        self._reliability = None
        if all(p.probabilities is not None for p in predictions):
            confidence = np.concatenate([p.probabilities.max(axis=1) for p in predictions])
            right = np.concatenate([_right(p) for p in predictions])
            self._reliability = reliability(confidence, right)

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        result = self._reliability
        return {
            "scores": self.scores,
            "recordings": self.recordings,
            "classes": class_rows(self._confusion, self._labels),
            "confusion": {"labels": self._labels, "frames": self._confusion.tolist()},
            "calibration_error": None if result is None else 100 * result.expected_error,
        }

    def pictures(self) -> dict[str, str | None]:
        """The level's pictures as data for an <img>."""
        result = self._reliability
        return {
            "confusion": embedded(confusion_png(self._confusion, self._labels)),
            "reliability": None if result is None else embedded(reliability_png(result)),
        }


def _right(prediction: Prediction) -> np.ndarray:
    chosen = prediction.probabilities.argmax(axis=1)
    return np.array(
        [prediction.classes[i] == t for i, t in zip(chosen, prediction.truth, strict=True)]
    )
