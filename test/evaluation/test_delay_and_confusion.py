# SPDX-License-Identifier: Apache-2.0
"""Decision delay, confusion and per-class accuracy, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from m2r2_ros.evaluation.confusion import confusion, per_class_accuracy
from m2r2_ros.evaluation.delay import decision_delays, mean_decision_delay


def test_delay_of_each_segment():
    truth = "AAAAABBBBBCCCCC"
    decided = "AAAAAAABBBBBBBB"
    # A stood from its first frame, B came two frames late, C never.
    delays = decision_delays(decided, truth, period_s=0.1)
    assert delays == [0.0, pytest.approx(0.2), None]
    assert mean_decision_delay(delays) == pytest.approx(0.1)


def test_early_decision_that_still_stands_has_no_delay():
    assert decision_delays("AABBBB", "AAABBB", period_s=1) == [0, 0]


def test_background_segments_are_left_out_on_request():
    assert decision_delays("AABB", "AABB", 1, background=["A"]) == [0]


def test_no_recognised_segment_has_no_mean():
    assert mean_decision_delay([None, None]) is None
    assert mean_decision_delay([]) is None


def test_confusion_has_truth_in_rows():
    matrix = confusion([("AAB", "ABB"), ("B", "A")], "ABC")
    assert matrix.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_per_class_accuracy_leaves_absent_classes_open():
    accuracy = per_class_accuracy(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]))
    assert accuracy[:2].tolist() == [75.0, 100.0]
    assert np.isnan(accuracy[2])
