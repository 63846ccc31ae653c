# SPDX-License-Identifier: Apache-2.0
"""Labels that are one label written in two ways."""

import pytest

from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.learning.checks.label_names import similar_labels
from m2r2_ros.learning.profile import RecordingProfile


def pairs(**counts):
    """The rarer label of each pair that is found, with labels as often as is said."""
    segments = tuple(
        Segment(label.replace("_", " "), 0.0, 1.0) for label, n in counts.items() for _ in range(n)
    )
    profile = RecordingProfile("take", "take", 1.0, segments, "unlabelled", {})
    return [finding.label for finding in similar_labels([profile])]


@pytest.mark.parametrize(
    ("counts", "rare"),
    [
        ({"pick_up": 9, "pickup": 8}, "pickup"),
        ({"Pick_up": 2, "pick_up": 3}, "Pick up"),
        ({"tighten_cap": 20, "tigthen_cap": 1}, "tigthen cap"),
        ({"inspect_part": 30, "inspekt_part": 2}, "inspekt part"),
    ],
)
def test_case_space_and_slips_are_found(counts, rare):
    assert pairs(**counts) == [rare]


@pytest.mark.parametrize(
    "counts",
    [
        {"insert_peg_1": 30, "insert_peg_2": 1},
        {"insert_peg_a": 30, "insert_peg_b": 1},
        {"screw": 30, "unscrew": 2},
        {"open_door": 30, "close_door": 2},
        {"lift": 30, "list": 2},
        {"left_bolt": 30, "right_bolt": 2},
        {"inspect_part": 9, "inspekt_part": 8},
    ],
)
def test_other_things_keep_their_names(counts):
    assert pairs(**counts) == []
