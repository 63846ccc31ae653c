# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.cache import PreparedRecording
from m2r2_ros.training.normalisation import measure_statistics

LAYOUT = SensorLayout(cameras=(), signals=("wrench", "gripper"))


def recording(seed: int, rows: int, masked: int = 0) -> PreparedRecording:
    random = np.random.default_rng(seed)
    valid = random.random((rows, 4)) < 0.8
    arrays = {
        "audio": random.normal(-40, 10, (rows, 3, 64)).astype(np.float16),
        "audio_valid": random.random((rows, 3)) < 0.8,
        "mask": np.ones((rows, 3), bool),
    }
    arrays["mask"][:masked] = False
    for name, width in (("wrench", 6), ("gripper", 1)):
        arrays[name] = random.normal(1e4, 3, (rows, 4, width)).astype(np.float32)
        arrays[f"{name}_valid"] = valid
    return PreparedRecording(str(seed), arrays, ["No action"] * rows)


def test_one_pass_equals_numpy_over_everything():
    recordings = [recording(seed, rows, masked=2) for seed, rows in ((0, 5), (1, 50), (2, 11))]
    found = measure_statistics(iter(recordings), LAYOUT)
    for name in LAYOUT.signals:
        rows = np.concatenate(
            [r.arrays[name][2:][r.arrays[f"{name}_valid"][2:]] for r in recordings]
        ).astype(np.float64)
        np.testing.assert_allclose(found.mean[name], rows.mean(0), rtol=1e-12)
        np.testing.assert_allclose(found.std[name], rows.std(0), rtol=1e-9)
    decibels = [r.arrays["audio"][2:][r.arrays["audio_valid"][2:]] for r in recordings]
    assert found.decibel_low == min(d.min() for d in decibels)
    assert found.decibel_high == max(d.max() for d in decibels)
    found.check(LAYOUT)


def test_a_constant_component_keeps_the_division_finite():
    still = recording(0, 10)
    still.arrays["gripper"][:] = 0.08
    assert measure_statistics([still], LAYOUT).std["gripper"][0] > 0


def test_a_sensor_that_was_never_measured_is_named():
    with pytest.raises(M2R2Error, match="wrench"):
        measure_statistics([recording(0, 5, masked=5)], LAYOUT)
