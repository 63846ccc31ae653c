# SPDX-License-Identifier: Apache-2.0
"""Confusion and per-class accuracy, by hand."""

from __future__ import annotations

import numpy as np

from m2r2_ros.evaluation.confusion import confusion, per_class_accuracy


def test_confusion_has_truth_in_rows():
    matrix = confusion([("AAB", "ABB"), ("B", "A")], "ABC")
    assert matrix.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_per_class_accuracy_leaves_absent_classes_open():
    accuracy = per_class_accuracy(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
    assert accuracy[:2].tolist() == [75.0, 100.0]
    assert np.isnan(accuracy[2])
