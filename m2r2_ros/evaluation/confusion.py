# SPDX-License-Identifier: Apache-2.0
"""Which class is taken for which, frame by frame."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

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
