# SPDX-License-Identifier: Apache-2.0
"""Which class is taken for which, frame by frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from m2r2_ros.evaluation.metrics import Labels


def confusion(pairs: Iterable[tuple[Labels, Labels]], labels: Sequence[Hashable]) -> np.ndarray:
    """Frames by (true, predicted) class: int64 (C, C), rows and columns in the order of `labels`.

    Raises KeyError on a label that is not in `labels`.
    """
    index = {label: i for i, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), np.int64)
    for prediction, truth in pairs:
        np.add.at(matrix, ([index[t] for t in truth], [index[p] for p in prediction]), 1)
    return matrix


def per_class_accuracy(matrix: np.ndarray) -> np.ndarray:
    """Percent of each class's true frames that were right, float (C,); NaN for an absent class.

    Accuracy over all frames flatters: a frequent class hides the rare ones (Breakfast: 67.7
    against 49.1 percent, arXiv 2503.18358).
    """
    frames = matrix.sum(axis=1)
    accuracy = np.full(len(matrix), np.nan)
    return np.divide(100.0 * matrix.diagonal(), frames, out=accuracy, where=frames > 0)


def labels_by_length(pairs: Iterable[tuple[Labels, Labels]]) -> list[Any]:
    """The labels that occur on either side, by how many frames they have."""
    frames = Counter(label for pair in pairs for labels in pair for label in labels)
    return sorted(frames, key=lambda label: (-frames[label], label))


def class_rows(matrix: np.ndarray, labels: Sequence[str]) -> list[dict[str, Any]]:
    """For each true class: its frames, percent that were right, and what it was taken for most."""
    accuracy = per_class_accuracy(matrix)
    rows = []
    for index, (label, row) in enumerate(zip(labels, matrix, strict=True)):
        if not row.sum():
            continue
        others = row.copy()
        others[index] = 0
        worst = int(others.argmax())
        rows.append(
            {
                "label": label,
                "frames": int(row.sum()),
                "accuracy": float(accuracy[index]),
                "taken_for": labels[worst] if others[worst] else "",
                "taken_for_percent": float(100 * others[worst] / row.sum()),
            }
        )
    return rows
