# SPDX-License-Identifier: Apache-2.0
"""A twist from a pose: against analytic motion, however it is batched, over gaps and faults."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from sensor_rig import EPOCH, MS, SECOND, content, run, signal, ticks

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.derived_twist import HORIZON_S, DerivedTwist
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

LIMITS = SensingLimits()
HORIZON_NS = round(HORIZON_S * SECOND)
LAYOUT = SensorLayout((), False, ("wrench", "pose", "twist"), derived={"twist": "pose"})


def screw(stamps: np.ndarray, velocity, turn, signs=1.0) -> np.ndarray:
    """A constant velocity [m/s] and rate of turn [rad/s], both in the base frame."""
    seconds = (stamps - EPOCH) / 1e9
    start = Rotation.from_euler("xyz", [0.3, -1.1, 2.0])
    turned = Rotation.from_rotvec(seconds[:, None] * np.array(turn)) * start
    position = np.array([0.4, -0.2, 0.9]) + seconds[:, None] * np.array(velocity)
    return np.hstack((position, turned.as_quat() * np.reshape(signs, (-1, 1))))


def derive(stamps: np.ndarray, poses: np.ndarray, cuts=()) -> tuple[np.ndarray, np.ndarray]:
    twist, places = DerivedTwist(LIMITS), [0, *sorted(cuts), len(stamps)]
    parts = [twist.add(stamps[a:b], poses[a:b]) for a, b in pairwise(places)]
    return np.concatenate([s for s, _ in parts]), np.concatenate([t for _, t in parts])


@pytest.mark.parametrize("rate", [10, 100, 1000])
@pytest.mark.parametrize(
    ("velocity", "turn"),
    [((0.1, -0.2, 0.3), (0, 0, 0)), ((0, 0, 0), (0, 0, 3.0)), ((1, 0, -0.5), (-2.0, 1.0, 0.5))],
)
def test_a_constant_twist_is_found_exactly_for_q_and_minus_q(rate, velocity, turn):
    rng = np.random.default_rng(rate)
    stamps = ticks(2.0, rate, MS // 4, rng)
    poses = screw(stamps, velocity, turn, rng.choice([-1.0, 1.0], len(stamps)))
    found, twists = derive(stamps, poses)
    assert (found == stamps[stamps - stamps[0] >= max(HORIZON_NS, SECOND // rate - MS)]).all()
    np.testing.assert_allclose(twists, np.tile((*velocity, *turn), (len(twists), 1)), atol=1e-9)


def test_the_twist_is_the_mean_over_the_horizon_and_half_of_it_late():
    stamps = EPOCH + np.arange(0, 3 * SECOND, MS)
    seconds = (stamps - EPOCH) / 1e9
    angle = 0.5 * np.sin(2 * np.pi * seconds)
    poses = np.zeros((len(stamps), 7))
    poses[:, 0], poses[:, 5], poses[:, 6] = 0.1 * seconds**2, np.sin(angle / 2), np.cos(angle / 2)
    found, twists = derive(stamps, poses)
    middle = (found - EPOCH) / 1e9 - HORIZON_S / 2
    np.testing.assert_allclose(twists[:, 0], 0.2 * middle, atol=1e-9)
    rate = np.pi * np.cos(2 * np.pi * middle)
    # (w h)^2 / 24 of the amplitude: the mean of a sine over the horizon.
    assert np.abs(twists[:, 5] - rate).max() < np.pi * (2 * np.pi * HORIZON_S) ** 2 / 24 * 1.01


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_batches_do_not_matter(data):
    """Faults, gaps, repeated stamps and steps back included."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    steps = rng.choice([0, MS, 10 * MS, 60 * MS, 400 * MS, -5 * MS, -3 * SECOND], 60,
                       p=[0.05, 0.4, 0.4, 0.05, 0.04, 0.04, 0.02])  # fmt: skip
    stamps = EPOCH + np.cumsum(steps)
    poses = rng.uniform(-1, 1, (60, 7))
    poses[rng.random(60) < 0.1] = np.nan
    expected = derive(stamps, poses)
    found = derive(stamps, poses, data.draw(st.lists(st.integers(0, 60), max_size=20)))
    assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]
    for stamp, row in zip(*expected, strict=True):
        fault = np.isnan(poses[stamps == stamp]).any(axis=1)
        assert np.isnan(row).any() <= fault.any()


def test_a_gap_gives_nothing_and_no_huge_value():
    stamps = EPOCH + np.r_[0:500:10, 900:1400:10] * MS
    poses = screw(stamps, (0.1, 0, 0), (0, 0, 1))
    poses[50:, 0] += 5.0
    found, twists = derive(stamps, poses)
    assert ((found < EPOCH + 500 * MS) | (found >= EPOCH + 950 * MS)).all()
    np.testing.assert_allclose(twists, np.tile((0.1, 0, 0, 0, 0, 1), (len(twists), 1)), atol=1e-9)


def test_a_fault_is_one_of_the_twist_and_spoils_no_other_row():
    stamps = EPOCH + np.arange(100) * 10 * MS
    poses = screw(stamps, (0.1, 0, 0), (0, 0, 1))
    poses[[40, 41]] = np.nan
    found, twists = derive(stamps, poses)
    assert set(found[np.isnan(twists).any(axis=1)]) == set(stamps[[40, 41]])
    others = twists[np.isfinite(twists).all(axis=1)]
    np.testing.assert_allclose(others, np.tile((0.1, 0, 0, 0, 0, 1), (len(others), 1)), atol=1e-9)


def test_what_comes_later_changes_nothing():
    rng = np.random.default_rng(3)
    stamps, poses = ticks(1.0, 200, MS, rng), rng.uniform(-1, 1, (200, 7))
    whole_stamps, whole = derive(stamps, poses)
    for count in (20, 77, 199):
        known, twists = derive(stamps[:count], poses[:count])
        same = whole[whole_stamps <= stamps[count - 1]].tobytes() == twists.tobytes()
        assert same and (known <= stamps[count - 1]).all()


def streams(seed: int = 0) -> list:
    rng = np.random.default_rng(seed)
    pose = ticks(2.0, 100, MS, rng)
    events = [*signal("wrench", ticks(2.0, 500, MS // 2, rng), rng)]
    rows = screw(pose, (0.1, 0, 0.2), (0.5, 0, 1.0))
    made = signal("pose", pose, rng, batch=1)
    for event, row in zip(made, rows, strict=True):
        event.payload[:] = row
    return sorted([*events, *made], key=lambda event: event.ready_ns)


EVENTS = streams()
EXPECTED = content(run(EVENTS, builder=WindowBuilder(LAYOUT)))


@settings(max_examples=15, deadline=None)
@given(delay=st.integers(0, 40), block_ms=st.integers(1, 120))
def test_windows_have_the_derived_signal_however_messages_arrive(delay, block_ms):

    def arrival(event):
        return event.ready_ns + delay * MS * (event.stream == "pose")

    builder = WindowBuilder(LAYOUT)
    windows = run(sorted(EVENTS, key=arrival), block_ms * MS, builder, arrival)
    assert content(windows) == EXPECTED
    for window in windows[1:-1]:
        assert window.mask == {"wrench": True, "pose": True, "twist": True}
        twist = np.array([0.1, 0, 0.2, 0.5, 0, 1.0], np.float32)
        np.testing.assert_allclose(window.signals["twist"], np.tile(twist, (30, 1)), atol=1e-5)


def test_the_mask_follows_the_source():
    hole = (EPOCH + 800 * MS, EPOCH + 1300 * MS)
    events = [e for e in EVENTS if e.stream != "pose" or not hole[0] <= e.ready_ns < hole[1]]
    masks = [window.mask for window in run(events, builder=WindowBuilder(LAYOUT))]
    assert all(mask["twist"] <= mask["pose"] for mask in masks[1:])
    assert not all(mask["pose"] for mask in masks) and masks[2]["twist"] and masks[-2]["twist"]


def test_windows_do_not_wait_for_what_is_derived():
    events = [event for event in EVENTS if event.stream == "wrench"]
    builder = WindowBuilder(LAYOUT)
    assert builder._progress.expected == {"wrench", "pose"}
    builder.expect(["wrench"])
    windows = run(events, builder=builder)
    assert len(windows) >= 19 and not any(window.mask["twist"] for window in windows)


@pytest.mark.parametrize("apart_s", [-40, 5, 40])
@pytest.mark.parametrize("moved", ["wrench", "pose"])
def test_a_derived_signal_is_no_second_clock(moved, apart_s):
    """Who is left out, and whether time jumps, is the same as without it."""
    events = [
        e.moved(apart_s * SECOND) if e.stream == moved and e.ready_ns > EPOCH + SECOND else e
        for e in EVENTS
    ]
    builder = WindowBuilder(LAYOUT.only(["wrench", "pose"]))
    plain = run(events, builder=builder)
    again = WindowBuilder(LAYOUT)
    windows = run(events, builder=again)
    assert again.counters.resets == builder.counters.resets
    assert [(w.start_ns, w.end_ns) for w in windows] == [(w.start_ns, w.end_ns) for w in plain]
    for window, other in zip(windows, plain, strict=True):
        assert {n: there for n, there in window.mask.items() if n != "twist"} == other.mask
        assert window.mask["twist"] <= window.mask["pose"]


def test_a_reset_forgets_the_past():
    builder = WindowBuilder(LAYOUT)
    run(EVENTS, builder=builder)
    builder.reset()
    assert content(run(EVENTS, builder=builder)) == EXPECTED


TWO = {"left_pose": {}, "left_twist": {}, "right_pose": {}, "right_twist": {}}


def test_the_layout_names_it_and_keeps_it():
    derived = {"left_twist": "left_pose", "right_twist": "right_pose"}
    layout = SensorLayout((), False, TWO, derived=derived)
    plain = json.loads(json.dumps(layout.to_dict()))
    assert plain["derived"] == derived and SensorLayout.from_dict(plain) == layout
    assert layout.sensed == ("left_pose", "right_pose")
    assert layout.modalities == tuple(TWO)
    assert hash(SensorLayout.from_dict(plain)) == hash(layout)
    assert layout.only(["left_pose", "left_twist"]).derived == (("left_twist", "left_pose"),)


@pytest.mark.parametrize(
    ("derived", "said"),
    [
        ({"twist": "pos"}, r"no signal 'pos' \(did you mean 'pose'\?\)"),
        ({"twits": "pose"}, r"no signal 'twits' \(did you mean 'twist'\?\)"),
        ({"pose": "twist"}, "a twist from a pose, but 'pose' is no twist"),
        ({"twist": "twist"}, "'twist' is no pose"),
        ({"twist": ["pose"]}, "no signal"),
        ({3: "pose"}, "no signal 3"),
        ("twist", "derived must be entries such as twist: pose, got 'twist'"),
        (7, "derived must be entries such as twist: pose, got 7"),
        (["twist"], "derived must be entries"),
    ],
)
def test_what_cannot_be_derived_is_one_line(derived, said):
    with pytest.raises(M2R2Error, match=said):
        SensorLayout((), False, ("pose", "twist"), derived=derived)


def test_a_layout_without_the_source_is_refused():
    with pytest.raises(M2R2Error, match="the layout has no signal 'pose'"):
        LAYOUT.only(["wrench", "twist"])
