# SPDX-License-Identifier: Apache-2.0
"""A causal head on extracted features: what is published, and when it is decided."""

from __future__ import annotations

import numpy as np
import pytest

from m2r2_ros.evaluation.delay import decision_delays
from m2r2_ros.evaluation.metrics import find_runs
from m2r2_ros.evaluation.streaming import stream
from m2r2_ros.inference.tracker import TrackerConfig

LABELS = ("No action", "Pick USB", "Insert USB")


class OneHotHead:
    """Its feature is its posterior; confirms after 0.3 s, which is three frames at 10 Hz."""

    labels = LABELS
    metadata = type("", (), {"tracker": TrackerConfig(boundary_trust=0.0)})

    def reset(self) -> None:
        pass

    def step(self, feature: np.ndarray) -> tuple[np.ndarray, float]:
        return feature, 0.0


def features(text: str) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[[int(letter) for letter in text]]


def test_published_segments_start_where_the_label_turned_but_are_decided_later():
    text = "0" * 10 + "1" * 20 + "2" * 20
    result = stream(OneHotHead(), features(text), rate_hz=10)
    truth = [LABELS[int(letter)] for letter in text]
    assert result.published == truth
    delays = decision_delays(result.decided, truth, period_s=0.1)
    assert delays[1:] == pytest.approx([0.2, 0.2])
    np.testing.assert_array_equal(result.probabilities, features(text))


def test_a_flicker_is_not_published():
    result = stream(OneHotHead(), features("0" * 10 + "1" * 2 + "0" * 10), rate_hz=10)
    assert [run.label for run in find_runs(result.published)] == ["No action"]


def test_a_second_run_is_not_influenced_by_the_first():
    head = OneHotHead()
    sequence = features("0" * 8 + "1" * 8)
    assert stream(head, sequence, 10) == stream(head, sequence, 10)


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_short_sequences(frames):
    result = stream(OneHotHead(), features("1" * frames), rate_hz=10)
    assert len(result.published) == len(result.decided) == frames
