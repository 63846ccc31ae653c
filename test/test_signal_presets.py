# SPDX-License-Identifier: Apache-2.0
"""What each kind of signal is: against the messages' definitions and the limits' own names."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from m2r2_ros.datasets.topics import DEFAULT_TOPICS
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.signal_presets import POSE, PRESETS, TWIST, WRENCH

# Columns after geometry_msgs' definitions, in the order in which the fields are sent.
COLUMNS = {
    WRENCH: [("force", "x y z", "N"), ("torque", "x y z", "N m")],
    POSE: [("position", "x y z", "m"), ("orientation", "x y z w", "1")],
    TWIST: [("linear velocity", "x y z", "m/s"), ("angular velocity", "x y z", "rad/s")],
}
LARGEST = {
    "wrench": [5000.0] * 3 + [1000.0] * 3,
    "pose": [100.0] * 3 + [2.0] * 4,
    "twist": [50.0] * 3 + [100.0] * 3,
    "gripper": [1.0],
}


@pytest.mark.parametrize("name", ["wrench", "pose", "twist"])
def test_columns_follow_the_message(name):
    preset = PRESETS[name]
    (type_name,) = preset.types
    assert [(q.name, " ".join(q.columns), q.unit) for q in preset.quantities] == COLUMNS[type_name]


@pytest.mark.parametrize("name", LARGEST)
def test_largest_magnitudes(name):
    np.testing.assert_array_equal(SensingLimits().signal_range(name), LARGEST[name])
    assert PRESETS[name].width == len(LARGEST[name])
    limits = SensingLimits(max_torque_nm=7.0)
    changed = [7.0 if value == 1000.0 else value for value in LARGEST[name]]
    np.testing.assert_array_equal(limits.signal_range(name), changed)


@pytest.mark.parametrize("name", PRESETS)
def test_a_record_is_complete(name):
    preset = PRESETS[name]
    known = {entry.name for entry in fields(SensingLimits)}
    assert {limit for limit in preset.limits if isinstance(limit, str)} <= known
    spans = [columns for _, columns in preset.spans()]
    covered = [index for span in spans for index in range(span.start, span.stop)]
    assert covered == list(range(preset.width))
    assert all(span.stop - span.start == 4 for span in preset.quaternions)
    assert DEFAULT_TOPICS[name] == preset.topic.rstrip("/") and preset.topic.startswith("/")
    assert preset.types and len(set(preset.types)) == len(preset.types)


def test_the_pose_alone_holds_a_quaternion():
    found = {name: preset.quaternions for name, preset in PRESETS.items() if preset.quaternions}
    assert found == {"pose": (slice(3, 7),)}
