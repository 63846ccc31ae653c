# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from m2r2_ros.datasets.mstcn import LabelledFeatures

warped = pytest.importorskip("m2r2_ros.training.time_warp").warped


def ramp(frames: int = 400, segments: int = 8) -> LabelledFeatures:
    """The feature is the frame's place, so that it tells where a warped frame is from."""
    classes = np.arange(frames) * segments // frames % 3
    places = np.arange(frames, dtype=np.float32)
    return LabelledFeatures("a", np.stack([places, -places], 1), [*map(str, classes)], classes)


@pytest.mark.parametrize("seed", range(20))
def test_a_warped_recording_is_the_same_at_other_speeds(seed):
    whole = ramp()
    found = warped(whole, 0.2, np.random.default_rng(seed))
    places = found.features[:, 0]
    assert found.features.dtype == np.float32 and len(found.labels) == len(found.classes)
    assert found.labels == [str(i) for i in found.classes]
    steps = np.diff(places)
    assert places[0] == 0 and places[-1] >= 396 and (steps >= 0).all()
    # Every frame has the label of the old frame that it lies in.
    np.testing.assert_array_equal(found.classes, whole.classes[places.astype(int)])
    np.testing.assert_array_equal(found.features[:, 1], -places)
    # Twice three standard deviations at most, both ways; faster and slower along the way.
    assert np.exp(-1.2) - 1e-3 <= steps[:-4].min() < steps[:-4].max() <= np.exp(1.2) + 1e-3
    assert steps[:-4].max() / steps[:-4].min() > 1.1


def test_speeds_are_drawn_around_the_recording_s_own_with_the_spread_that_is_said():
    lengths = [
        len(warped(ramp(segments=80), 0.2, np.random.default_rng(n)).classes) for n in range(300)
    ]
    logarithms = np.log(np.array(lengths) / 400)
    # Of so many changes along the way the mean is close to exp(0.2^2 / 2).
    assert logarithms.mean() == pytest.approx(0.02, abs=0.03)
    assert logarithms.std() == pytest.approx(0.2, abs=0.03)


def test_no_spread_and_a_single_frame_stay_as_they_are():
    whole, one = ramp(), ramp(1, 1)
    random = np.random.default_rng(0)
    assert warped(whole, 0.0, random) is whole and warped(one, 0.2, random) is one
