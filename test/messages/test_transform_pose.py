# SPDX-License-Identifier: Apache-2.0
"""A pose from /tf and /tf_static: against another library, in any batches, through all troubles."""

from __future__ import annotations

import re
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transform_messages import assert_same_pose, expected_pose, message, random_pose

from m2r2_ros.messages.transform_pose import TransformPose
from m2r2_ros.messages.transforms import MAX_MESSAGE_BYTES
from m2r2_ros.sensing.limits import SensingLimits, to_ns
from m2r2_ros.sensing.transform_chain import TransformChain
from m2r2_ros.sensing.transform_tree import MAX_FRAMES, MAX_STEPS

EPOCH, MS = 1_700_000_000 * 10**9, 10**6
UNIT = (0, 0, 0, 0, 0, 0, 1)
# Two publishers of /tf beside the static frames: joints in one message, a base in another.
CHAIN = [("base", "l1"), ("l1", "l2"), ("l2", "tool")]


def read(pose: TransformPose, moving=(), static=(), cuts=()):
    """All poses of messages that are cut into batches at `cuts`."""
    batches = [moving[a:b] for a, b in pairwise(sorted({0, *cuts, len(moving)}))]
    parts = [pose.add(static, ())] + [pose.add((), batch) for batch in batches]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def moved(shift) -> tuple:
    return (shift, 0, 0, 0, 0, 0, 1)


@st.composite
def trees(draw):
    """Edges parent -> child of a random tree in random order, and two different frames."""
    count = draw(st.integers(2, 12))
    names = [f"{draw(st.sampled_from(['', 'arm/', 'é', 'x' * 40]))}f{i}" for i in range(count)]
    edges = [(names[draw(st.integers(0, i - 1))], names[i]) for i in range(1, count)]
    ends = draw(st.permutations(names))[:2]
    return draw(st.permutations(edges)), *ends


@settings(max_examples=80, deadline=None)
@given(trees(), st.integers(0, 2**32 - 1), st.data())
def test_any_path_is_that_of_another_library(tree, seed, data):
    """Some edges static, the others on /tf in one message or in one each."""
    edges, frame, child = tree
    rng = np.random.default_rng(seed)
    poses = {edge: random_pose(rng) for edge in edges}
    static = [edge for edge in edges if data.draw(st.booleans())]
    moving = [(*edge, EPOCH, poses[edge]) for edge in edges if edge not in static]
    fixed = [message(*((*edge, 0, poses[edge]) for edge in static))] if static else []
    sent = [message(*moving)] if data.draw(st.booleans()) else [message(one) for one in moving]
    pose = TransformPose(frame, child)
    for _ in range(2):
        # At first, messages of one transform each are there before the path is complete.
        stamps, found = read(pose, sent, fixed)
    if pose.problem:
        assert pose.problem == "all transforms of the path are static: no motion" or not moving
        return
    assert set(stamps) == {EPOCH}
    assert_same_pose(found[-1], expected_pose(poses, frame, child))


def streams(seed: int, faults: bool) -> list[bytes]:
    """Joints at about 100 Hz and a base at 30 Hz, each stamped by its own clock and late at random.

    With `faults`: stamps that repeat, go back, are zero or far ahead, NaN, other parents, garbage.
    """
    rng = np.random.default_rng(seed)
    sent = []
    for names, period in ((CHAIN[1:], 10), (CHAIN[:1], 33)):
        for stamp in range(0, 600, period):
            chosen = names if rng.random() > 0.1 else names[:1]
            rows = [(*name, EPOCH + stamp * MS, random_pose(rng)) for name in chosen]
            if faults and rng.random() < 0.15:
                rows = [_spoilt(rng, row) for row in rows]
            bytes_sent = message(*rows, ("base", f"other{rng.integers(3)}", EPOCH, UNIT))
            if faults and rng.random() < 0.05:
                bytes_sent = bytes_sent[: rng.integers(len(bytes_sent))]
            sent.append((stamp + rng.integers(0, 30), bytes_sent))
    return [data for _, data in sorted(sent, key=lambda pair: pair[0])]


def _spoilt(rng, row):
    parent, child, stamp, pose = row
    stamps = [stamp - 7 * MS, stamp - 90 * MS, stamp - 3 * 10**9, 0, stamp + 5 * 10**9, stamp]
    numbers = [pose, pose * np.nan, pose * 3, np.zeros(7)]
    parents = [parent, parent, parent, "l2", "nowhere"]
    return (parents[rng.integers(5)], child, stamps[rng.integers(6)], numbers[rng.integers(4)])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.data())
def test_batches_do_not_matter(seed, faults, data):
    sent = streams(seed, faults)
    expected = read(TransformPose("base", "tool"), sent)
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=40))
    pose = TransformPose("base", "tool")
    found = read(pose, sent, cuts=cuts)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]
    assert faults or len(found[0]) > 50


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_messages_that_hold_the_whole_path_are_read_at_once_with_the_same_result(seed, data):
    """With one in ten that does not, or whose stamps are out of order."""
    rng = np.random.default_rng(seed)
    sent = []
    for stamp in np.cumsum(rng.choice([0, 1, 10, -5, 400], 60, p=[0.02, 0.4, 0.5, 0.04, 0.04])):
        rows = [(*edge, EPOCH + int(stamp) * MS, random_pose(rng)) for edge in CHAIN]
        rows = [rows[i] for i in (rng.permutation(3) if rng.random() < 0.2 else (2, 0, 1))]
        sent.append(message(*(rows if rng.random() < 0.95 else rows[:2])))
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=20))
    found = read(TransformPose("base", "tool"), sent, cuts=cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransformChain, "_together", lambda *_: None)
        expected = read(TransformPose("base", "tool"), sent)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]
    assert len(found[0]) > 20


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.data())
def test_it_does_not_matter_when_the_static_transforms_come(seed, faults, data):
    sent = streams(seed, faults)
    static = [message(("tool", "tip", 0, moved(0.1))), message(("world", "base", 5, moved(2)))]
    expected = read(TransformPose("world", "tip"), sent, static)
    pose, parts = TransformPose("world", "tip"), []
    late = sorted(data.draw(st.lists(st.integers(0, len(sent)), min_size=2, max_size=2)))
    for index, one in enumerate([*sent, None]):
        now = [s for s, place in zip(static, late, strict=True) if place == index]
        parts.append(pose.add(now, [one] if one else []))
    found = [np.concatenate(column) for column in zip(*parts, strict=True)]
    assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_transform_that_is_stamped_later_has_a_part(seed):
    rng = np.random.default_rng(seed)
    sent = []
    for step in range(60):
        for edge, period in zip(CHAIN, (10, 30, 70), strict=True):
            if step * 10 % period == 0:
                # Positions are the stamp: what a pose is made of can be read from it.
                sent.append((edge, step * 10, rng.integers(0, 9)))
    sent.sort(key=lambda each: each[1] + each[2])
    rows = {}
    for edge, at, _ in sent:
        rows.setdefault(edge, []).append(at)
    data = [message((*edge, EPOCH + at * MS, moved(float(at)))) for edge, at, _ in sent]
    stamps, poses = read(TransformPose("base", "tool"), data)
    assert len(stamps) > 40 and (np.diff(np.unique(stamps)) > 0).all()
    for stamp, pose in zip((stamps - EPOCH) // MS, poses, strict=True):
        newest = sum(max(at for at in rows[edge] if at <= stamp) for edge in CHAIN)
        assert pose[0] == newest


def test_transforms_of_one_time_in_several_messages_are_one_pose():
    sent = [message((*edge, EPOCH + i * 10 * MS, moved(1.0))) for i in range(5) for edge in CHAIN]
    stamps, poses = read(TransformPose("base", "tool"), sent)
    assert stamps.tolist() == [EPOCH + i * 10 * MS for i in range(5)]
    assert (poses[:, 0] == 3.0).all()


@pytest.mark.parametrize(
    "limits",
    [SensingLimits(), SensingLimits(reorder_s=0.1), SensingLimits(max_signal_age_s=0.4)],
)
def test_a_slow_edge_is_held_and_then_a_fault(limits):
    patience_ns, max_hold_ns = to_ns(limits.reorder_s), to_ns(limits.max_signal_age_s)
    fast = [(EPOCH + i * 10 * MS, CHAIN[2]) for i in range(80)]
    slow = [(EPOCH + i * 100 * MS, edge) for i in range(3) for edge in CHAIN[:2]]
    sent = [message((*edge, stamp, moved(1.0))) for stamp, edge in sorted(slow + fast)]
    pose = TransformPose("base", "tool", limits)
    stamps, poses = read(pose, sent)
    # The newest still waits for the other edges.
    assert stamps.tolist() == [stamp for stamp, _ in fast if stamp <= fast[-1][0] - patience_ns]
    lost = stamps > EPOCH + 200 * MS + max_hold_ns
    assert np.isnan(poses[lost]).all() and (poses[~lost, 0] == 3.0).all()
    assert "'base' -> 'l1' is 0." in pose.problem and "older than others of its" in pose.problem


def test_a_fixed_edge_that_is_stamped_ahead_does_not_delay_the_others():
    """As the static publisher of ROS 1 did: every 100 ms, with a stamp of the time of the next."""
    rows = [(i * 10, i * 10, CHAIN[2]) for i in range(40)]
    rows += [(i * 100, i * 100 + 100, edge) for i in range(4) for edge in CHAIN[:2]]
    rows.sort(key=lambda row: row[0])
    pose, came = TransformPose("base", "tool"), {}
    for now, at, edge in rows:
        stamps, _ = pose.add((), [message((*edge, EPOCH + at * MS, moved(1.0)))])
        came |= {int(stamp - EPOCH) // MS: now for stamp in stamps if int(stamp) not in came}
    assert all(came[at] == at for at in range(110, 400, 10) if at % 100)


def test_a_step_back_in_time_begins_anew():
    first = [
        message(*((*edge, EPOCH + i * 10 * MS, moved(1.0)) for edge in CHAIN)) for i in range(9)
    ]
    again = [
        message(*((*edge, EPOCH - 10**10 + i, moved(2.0)) for edge in CHAIN)) for i in range(3)
    ]
    stamps, poses = read(TransformPose("base", "tool"), first + again)
    assert len(stamps) == 12 and (poses[:9, 0] == 3.0).all() and (poses[9:, 0] == 6.0).all()


def test_one_stamp_far_ahead_costs_that_message_only():
    def sent(stamp):
        return message(*((*edge, stamp, moved(1.0)) for edge in CHAIN))

    stamps = [EPOCH, EPOCH + 10 * MS, EPOCH + 10**12, EPOCH + 20 * MS, EPOCH + 30 * MS]
    found, _ = read(TransformPose("base", "tool"), [sent(stamp) for stamp in stamps])
    assert found.tolist() == stamps


def test_a_frame_that_changes_its_parent_moves_with_the_new_one():
    old = [message(("base", "l1", EPOCH + i, moved(1)), ("l1", "tool", EPOCH + i, moved(1)),
                   ("base", "cart", EPOCH + i, moved(10))) for i in range(3)]  # fmt: skip
    new = [message(("base", "cart", EPOCH + i, moved(10)), ("cart", "tool", EPOCH + i, moved(5)))
           for i in range(3, 6)]  # fmt: skip
    pose = TransformPose("base", "tool")
    _, poses = read(pose, old + new)
    assert poses[:, 0].tolist() == [2, 2, 2, 15, 15, 15]
    assert pose.notice == "the parent of 'tool' was 'l1', then 'cart'"


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ([], "nothing has come on /tf; nothing has come on /tf_static"),
        ([("base", "tol0")],
         r"frame 'tool' \(did you mean 'tol0'\?\); nothing has come on /tf_static"),
        ([("map", "tool")], "no transform has the frame 'base'"),
        ([("base", "l1"), ("map", "tool")],
         "no transform connects 'base' and 'tool' is below 'map'"),
        ([("a", "base"), ("b", "a"), ("a", "b"), ("map", "tool")],
         "the frames above 'base' go round in a circle: 'b' is below 'a'"),
        ([("tool", "tool"), ("base", "l1")],
         "the frames above 'tool' go round in a circle: 'tool' is below 'tool'"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(edges, said):
    pose = TransformPose("base", "tool")
    stamps, _ = read(pose, [message(*((*e, EPOCH, UNIT) for e in edges))] if edges else [])
    assert not len(stamps)
    assert re.search(said, pose.problem)


def test_a_circle_above_the_path_does_no_harm():
    edges = [("a", "base"), ("base", "a"), ("base", "tool")]
    _, poses = read(TransformPose("base", "tool"), [message(*((*e, EPOCH, UNIT) for e in edges))])
    assert len(poses) == 1


def test_slashes_of_ros_1_are_the_same_frames():
    sent = [message(("/base", "l1", EPOCH, moved(1)), ("/l1", "/tool", EPOCH, moved(1)))]
    for frame, child in (("base", "tool"), ("/base", "/tool")):
        assert read(TransformPose(frame, child), sent)[1][0, 0] == 2.0


@pytest.mark.parametrize("quaternion", [(0, 0, 0, 0), (0, 0, 0, 2), (np.nan, 0, 0, 1),
                                        (0, 0, np.inf, 1), (1e200, 0, 0, 0)])  # fmt: skip
def test_no_rotation_is_a_fault_on_tf_and_left_out_on_tf_static(quaternion):
    bad = ("l1", "tool", EPOCH, (0, 0, 0, *quaternion))
    pose = TransformPose("base", "tool")
    stamps, poses = read(pose, [message(("base", "l1", EPOCH, UNIT), bad)])
    assert stamps.tolist() == [EPOCH] and np.isnan(poses).all()
    pose = TransformPose("base", "tool")
    assert not len(read(pose, [message(("base", "l1", EPOCH, UNIT))], [message(bad)])[0])
    assert pose.malformed == 1
    assert pose.notice == "the static transform 'l1' -> 'tool' is no rotation, or not finite"


def test_a_quaternion_that_is_a_little_off_is_made_one():
    sent = message(("base", "tool", EPOCH, (1, 2, 3, 0, 0, 0.6 * 1.002, 0.8 * 1.002)))
    _, poses = read(TransformPose("base", "tool"), [sent])
    np.testing.assert_allclose(poses[0], (1, 2, 3, 0, 0, 0.6, 0.8), rtol=1e-15)


def test_a_static_transform_with_other_values_holds_from_then_on_and_is_said():
    pose = TransformPose("base", "tip")
    sent = [message(("base", "tool", EPOCH + i, moved(1))) for i in range(2)]
    first = pose.add([message(("tool", "tip", 0, moved(1)))], sent[:1])
    assert pose.notice == ""
    again = pose.add([message(("tool", "tip", 0, moved(3)))], sent[1:])
    assert (first[1][0, 0], again[1][0, 0]) == (2.0, 4.0)
    assert pose.notice == "the static transform 'tool' -> 'tip' was sent again with other values"


def test_big_endian_messages_are_read():
    sent = message(("base", "tool", EPOCH, moved(1.5)), little_endian=False)
    stamps, poses = read(TransformPose("base", "tool"), [sent])
    assert stamps.tolist() == [EPOCH] and poses[0, 0] == 1.5


def test_ten_thousand_frames():
    edges = [("root", f"frame_{i:05}") for i in range(9_998)] + [CHAIN[0], ("l1", "tool")]
    sent = [message(*((*edge, EPOCH + i, moved(1)) for edge in edges)) for i in range(3)]
    pose = TransformPose("base", "tool")
    _, poses = read(pose, sent)
    assert poses[:, 0].tolist() == [2, 2, 2] and pose.malformed == 0


def test_no_message_makes_the_tree_or_the_path_endless():
    pose = TransformPose("base", "tool")
    for start in range(0, MAX_FRAMES + 1000, 10_000):
        edges = [("base", f"frame_{i}") for i in range(start, start + 10_000)]
        pose.add((), [message(*((*edge, EPOCH, UNIT) for edge in edges))])
    assert pose.notice == f"more than {MAX_FRAMES} frames: further ones are left out"
    pose = TransformPose("f0", f"f{MAX_STEPS + 1}")
    edges = [(f"f{i}", f"f{i + 1}") for i in range(MAX_STEPS + 1)]
    read(pose, [message(*((*edge, EPOCH, UNIT) for edge in edges))])
    assert f"{MAX_STEPS + 1} transforms lie between 'f0'" in pose.problem


@pytest.mark.parametrize("spoil", [
    lambda data: b"",
    lambda data: data[:3],
    lambda data: data[:40],
    lambda data: b"\xff\xff" + data[2:],
    lambda data: data[:4] + struct.pack("<I", 2**32 - 1) + data[8:],
    lambda data: data + bytes(MAX_MESSAGE_BYTES),
])  # fmt: skip
def test_what_cannot_be_read_is_counted_and_the_rest_goes_on(spoil):
    good = [message(("base", "tool", EPOCH + i, moved(1))) for i in range(3)]
    pose = TransformPose("base", "tool")
    stamps, _ = read(pose, [good[0], spoil(good[1]), good[2]])
    assert stamps.tolist() == [EPOCH, EPOCH + 2] and pose.malformed == 1
    pose = TransformPose("base", "tool")
    read(pose, [spoil(good[1])])
    assert "nothing has come on /tf; 1 messages: " in pose.problem


def test_a_stamp_that_is_none_is_counted():
    good = message(("base", "tool", EPOCH, UNIT))
    bad = good[:12] + struct.pack("<I", 10**9) + good[16:]
    pose = TransformPose("base", "tool")
    assert len(read(pose, [bad, good, bad])[0]) == 1 and pose.malformed == 2


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400), st.binary(min_size=1, max_size=20))
def test_garbage_is_counted(garbage, place, patch):
    good = message(*((*edge, EPOCH, UNIT) for edge in CHAIN))
    changed = good[: place % len(good)] + patch + good[place % len(good) + len(patch) :]
    pose = TransformPose("base", "tool")
    pose.add([garbage, changed], [garbage, changed, good])
    assert pose.malformed <= 6


def test_messages_that_wait_for_a_path_have_a_limit():
    edges = [("base", f"frame_{i:030}") for i in range(2000)]
    sent = message(*((*edge, EPOCH, UNIT) for edge in edges))
    pose = TransformPose("base", "tool")
    for _ in range(60):
        pose.add((), [sent])
    assert pose.lost == 60 - (1 << 23) // len(sent)
