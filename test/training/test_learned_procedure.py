# SPDX-License-Identifier: Apache-2.0
"""What training counts of durations and order."""

from __future__ import annotations

import numpy as np
import pytest

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.training.learned_procedure import learn_procedure
from m2r2_ros.vocabulary import Vocabulary

LABELS = ("rest", "stir", "pour", "wipe")
VOCABULARY = Vocabulary(LABELS, idle=("rest",))


def recording(*runs: tuple[str, int], rate_hz: float | None = None) -> LabelledFeatures:
    labels = [label for label, frames in runs for _ in range(frames)]
    classes = np.array([LABELS.index(label) for label in labels])
    stamps_ns = None
    if rate_hz is not None:
        stamps_ns = 10**18 + (np.arange(len(labels)) * 1e9 / rate_hz).astype(np.int64)
    return LabelledFeatures("a", np.zeros((len(labels), 2), np.float32), labels, classes, stamps_ns)


def test_it_counts_what_comes_first_and_next() -> None:
    one = recording(("rest", 5), ("stir", 5), ("rest", 5), ("pour", 5))
    other = recording(("stir", 5), ("rest", 5), ("pour", 5))
    learned = learn_procedure([one, other], VOCABULARY, 10)
    assert learned.first == ((0, 1), (1, 1))
    assert learned.followed == ((0, 1, 1), (0, 2, 2), (1, 0, 2))


@pytest.mark.parametrize("rate_hz", [5, 10, 30])
def test_durations_are_seconds_at_any_rate(rate_hz) -> None:
    def frames(*seconds: float) -> list[tuple[str, int]]:
        labels = ("rest", "stir", "pour", "stir", "rest")
        return [(label, round(s * rate_hz)) for label, s in zip(labels, seconds, strict=True)]

    recordings = [
        recording(*frames(1, 2, 4, 3, 1), rate_hz=rate_hz),
        recording(*frames(1, 2, 5, 3, 1), rate_hz=rate_hz),
    ]
    _, stir, pour, _ = learn_procedure(recordings, VOCABULARY, 10).durations
    assert stir.median_s == pytest.approx(6**0.5, rel=0.02)
    assert pour.median_s == pytest.approx(20**0.5, rel=0.02)
    # By hand: four logarithms of standard deviation ln(1.5) / 2, and three of 0.3.
    variance = (4 * (np.log(1.5) / 2) ** 2 + 3 * 0.3**2) / 7
    assert stir.spread == pytest.approx(variance**0.5, rel=0.02)


def test_what_the_recording_cuts_counts_only_where_nothing_is_whole() -> None:
    cut = [("rest", 3), ("stir", 20), ("rest", 40), ("pour", 2)]
    rest, stir, pour, _ = learn_procedure([recording(*cut)], VOCABULARY, 10).durations
    assert rest.median_s == pytest.approx(4.0, rel=1e-3)
    assert stir.median_s == pytest.approx(2.0, rel=1e-3)
    assert pour.median_s == pytest.approx(0.2, rel=1e-3)


def test_a_label_that_training_has_not_lasts_as_all_others() -> None:
    learned = learn_procedure([recording(("stir", 10), ("pour", 40), ("stir", 10))], VOCABULARY, 10)
    assert learned.durations[0] == learned.durations[3]
    assert 1.0 < learned.durations[3].median_s < 4.0
    assert learned.durations[3].spread > learned.durations[2].spread
