# SPDX-License-Identifier: Apache-2.0
"""A causal head on extracted features: what is published, and when it is decided."""

from __future__ import annotations

import numpy as np
import pytest

from m2r2_ros.evaluation.delay import decision_delays
from m2r2_ros.evaluation.metrics import find_runs
from m2r2_ros.evaluation.streaming import score_stream, stream
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.labels import coarse_label

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


def test_scores_over_recordings():
    text = "0" * 10 + "1" * 20 + "2" * 20
    truth = [LABELS[int(letter)] for letter in text]
    wrong_object = [label.replace("USB", "BNC") for label in truth]
    recordings = [(features(text), truth), (features(text), wrong_object)]
    fine = score_stream(OneHotHead(), recordings, rate_hz=10)
    coarse = score_stream(OneHotHead(), recordings, rate_hz=10, rename=coarse_label)
    assert fine["acc"] == pytest.approx(60)
    assert fine["f1@50"] == pytest.approx(100 * 4 / 6)
    assert [coarse[key] for key in ("acc", "edit", "f1@50", "dr")] == [100] * 4
    # "No action" takes 0.3 s, as its first frame stands for no time, the actions 0.2 s each.
    assert coarse["delay_s"] == pytest.approx((0.3 + 0.2 + 0.2) / 3)


def test_no_recognised_segment_has_no_delay():
    recordings = [(features("1" * 20), ["Place BNC"] * 20)]
    assert score_stream(OneHotHead(), recordings, rate_hz=10)["delay_s"] is None
