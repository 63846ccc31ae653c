# SPDX-License-Identifier: Apache-2.0
"""What each kind of signal is: against the messages' definitions and the limits' own names."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.signal import bare_signal
from m2r2_ros.signal_presets import POSE, PRESETS, TWIST, WRENCH, preset_of

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
    signal = bare_signal(name, name, len(LARGEST[name]))
    low, high = SensingLimits().signal_range(signal)
    np.testing.assert_array_equal(high, LARGEST[name])
    np.testing.assert_array_equal(low, -high)
    changed = [7.0 if value == 1000.0 else value for value in LARGEST[name]]
    np.testing.assert_array_equal(SensingLimits(max_torque_nm=7.0).signal_range(signal)[1], changed)


@pytest.mark.parametrize("name", PRESETS)
def test_a_record_is_complete(name):
    preset = PRESETS[name]
    signal = bare_signal(name, name, preset.width or 5)
    assert len(signal.columns) == len(signal.units) == signal.width
    assert len(set(signal.columns)) == signal.width
    limits = {limit for quantity in preset.quantities if isinstance(limit := quantity.limit, str)}
    assert limits <= {entry.name for entry in fields(SensingLimits)}
    spans = [columns for _, columns in signal.spans()]
    covered = [index for span in spans for index in range(span.start, span.stop)]
    assert covered == list(range(signal.width))
    assert preset.types and len(set(preset.types)) == len(preset.types)
    assert preset.joint_field in ("position", "velocity", "effort")


def test_the_pose_alone_holds_a_quaternion():
    turned = {name: bare_signal(name, name, each.width or 4) for name, each in PRESETS.items()}
    found = {name: signal.quaternions for name, signal in turned.items() if signal.quaternions}
    assert found == {"pose": ((3, 7),)}


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("pose", "pose"),
        ("left_pose", "pose"),
        ("left_arm_joint_position", "joint_position"),
        ("wrist_imu", "imu"),
        ("pose_left", ""),
        ("leftpose", ""),
        ("position", ""),
        ("", ""),
    ],
)
def test_a_name_that_ends_with_a_preset_is_one(name, preset):
    assert preset_of(name) == preset
