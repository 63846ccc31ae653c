# SPDX-License-Identifier: Apache-2.0
"""What a causal head lacks: its scores with one cause of its errors taken away at a time.

    .venv/bin/python tools/causal_gap.py models/taskboard_compact/head.onnx --data features

The tracker is the head's own. Each row gives the head a part of the truth: `object` all of an
activity's probability to the true object, `activity` the true activity, its objects as the head has
them, `edges` when each action begins and ends, so that a segment is called what its frames so far
make most probable. Delays are means over all true actions, from their start; an action that is not
recognised is late by its whole length.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.training.tracker_tuning import (
    Answers,
    TunedTracker,
    answers_of,
    score_labels,
    score_tracker,
)
from m2r2_ros.vocabulary import Vocabulary

# Below it a probability counts as this: one frame that is sure must not decide a whole segment.
_LEAST = 1e-3
SCORES = ("f1", "held", "delay_s", "label_delay_s", "recognised")


class Truth:
    """Gives the true part of an answer."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._labels = labels = vocabulary.labels
        self._ids = {label: index for index, label in enumerate(labels)}
        activities = [vocabulary.coarse(label) for label in labels]
        # (C, C): classes of one activity.
        self._alike = np.array([[one == other for other in activities] for one in activities])

    def object(self, one: Answers) -> Answers:
        """The probability of the true label's activity, all for the true label."""
        classes, known = self._classes(one)
        alike = self._alike[classes] & known[:, None]
        told = np.where(alike, 0.0, one.probabilities)
        share = np.where(alike, one.probabilities, 0.0).sum(axis=1)
        told[np.arange(len(told)), classes] += share
        return replace(one, probabilities=told.astype(np.float32))

    def activity(self, one: Answers) -> Answers:
        """All probability for the true label's activity, its objects in the head's proportion."""
        classes, known = self._classes(one)
        alike = self._alike[classes]
        kept = np.where(alike, one.probabilities + 1e-9, 0.0)
        told = kept / kept.sum(axis=1, keepdims=True)
        told = np.where(known[:, None], told, one.probabilities)
        edges = np.concatenate([[0.0], np.any(alike[1:] != alike[:-1], axis=1)])
        boundary = np.where(known, edges, one.boundary)
        return replace(
            one, probabilities=told.astype(np.float32), boundary=boundary.astype(np.float32)
        )

    def edges(self, one: Answers) -> tuple[list[str], list[str]]:
        """Published and held: what an action's frames so far make most probable."""
        evidence = np.log(np.maximum(one.probabilities, _LEAST))
        changed = np.concatenate([[True], np.array(one.truth[1:]) != np.array(one.truth[:-1])])
        starts = np.flatnonzero(changed)
        published, held = [], []
        for start, end in zip(starts, [*starts[1:], len(evidence)], strict=True):
            best = evidence[start:end].cumsum(axis=0).argmax(axis=1)
            held += [self._labels[index] for index in best]
            published += [self._labels[best[-1]]] * (end - start)
        return published, held

    def _classes(self, one: Answers) -> tuple[np.ndarray, np.ndarray]:
        """Class ids (T,), and where there is one."""
        ids = np.array([self._ids.get(label, -1) for label in one.truth])
        return np.maximum(ids, 0), ids >= 0


def causes(head: StreamingHead, answers: Sequence[Answers]) -> dict[str, TunedTracker]:
    """Scores of the head as it is, then with each part of the truth."""
    vocabulary, metadata = head.vocabulary, head.metadata
    truth = Truth(vocabulary)
    given: dict[str, Callable[[Answers], Answers]] = {
        "as it is": lambda one: one,
        "object": truth.object,
        "activity": truth.activity,
    }
    found = {}
    for name, tell in Progress(given.items(), desc="causes"):
        told = [tell(one) for one in answers]
        found[name] = score_tracker(told, vocabulary, metadata.tracker, metadata.procedure)
    labels = [truth.edges(one) for one in answers]
    return {**found, "edges": score_labels(answers, labels, vocabulary)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 2 with one line where something is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("head", type=Path, metavar="HEAD.onnx")
    parser.add_argument("--data", type=Path, required=True, help="folder in the MS-TCN layout")
    parser.add_argument("--split", type=int, default=1, help="whose test recordings are scored")
    parser.add_argument("--json", type=Path, help="the same as a file")
    args = parser.parse_args(arguments)
    try:
        head, folder = StreamingHead(args.head), FeatureFolder(args.data)
        answers = [
            answers_of(head, folder.read(name))
            for name in Progress(folder.split(args.split).test, desc="head")
        ]
        found = causes(head, answers)
    except M2R2Error as error:
        print(error, file=sys.stderr)
        return 2
    rows = {
        name: {key: round(getattr(one, key), 2) for key in SCORES} for name, one in found.items()
    }
    print("| told | F1@50 | held | activity after | label after | recognised |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        print("| " + " | ".join(map(str, [name, *row.values()])) + " |")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
