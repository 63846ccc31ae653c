# SPDX-License-Identifier: Apache-2.0
"""Streams on another clock are named, and times count from the first data that is used."""

from __future__ import annotations

import random

import numpy as np
import pytest
from bag_files import Message, write_mcap, write_metadata

from m2r2_ros.datasets.annotations import segment_messages
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.datasets.stream_clocks import FirstStamp, common_clock
from m2r2_ros.datasets.topics import GROUND_TRUTH_TOPIC, TopicMap
from m2r2_ros.messages.encode import ACTION_SEGMENT, encode_image, encode_vectors
from m2r2_ros.messages.images import IMAGE
from m2r2_ros.messages.signals import POSE, TWIST, WRENCH
from m2r2_ros.sensing.layout import SensorLayout

NOW_NS = 1_700_000_000 * 10**9
TYPES = {"camera": IMAGE, "wrench": WRENCH, "pose": POSE, "twist": TWIST}
WIDTHS = {"wrench": 6, "pose": 7, "twist": 6}
TOPICS = TopicMap({name: f"/{name}" for name in TYPES}, reference_camera="camera")
LAYOUT = SensorLayout(("camera",), audio=False, signals=("wrench", "pose", "twist"))


def write_streams(folder, shifts_s, seconds=3, begin_s=None, labels=()):
    """A bag of all streams, the stamps of some moved by seconds; None: stamps that are zero."""
    folder.mkdir()
    files, everything = [], []
    for number, (name, type_name) in enumerate(TYPES.items()):
        rate = 30 if name == "camera" else 200
        begin = NOW_NS + round((begin_s or {}).get(name, 0.0) * 1e9)
        logs = begin + 1 + np.arange(round(seconds * rate)) * (10**9 // rate)
        shift = shifts_s.get(name, 0)
        stamps = logs * 0 if shift is None else logs + round(shift * 1e9)
        if name == "camera":
            picture = np.zeros((8, 8, 3), np.uint8)
            data = [encode_image(stamp, "", picture) for stamp in stamps.tolist()]
        else:
            values = np.random.default_rng(number).uniform(size=(len(stamps), WIDTHS[name]))
            values[:, 3:] = np.eye(WIDTHS[name] - 3)[-1]
            data = list(encode_vectors(type_name, stamps, values, ""))
        part = [Message(f"/{name}", *row) for row in zip(logs.tolist(), data, strict=True)]
        files.append(f"bag_{number}.mcap")
        everything += part
        write_mcap(folder / files[-1], part, chunk=50, type_name=type_name)
    truth = [Message(GROUND_TRUTH_TOPIC, *pair) for pair in segment_messages(labels, NOW_NS)]
    write_mcap(folder / "bag_9.mcap", truth, type_name=ACTION_SEGMENT, foreign=GROUND_TRUTH_TOPIC)
    write_metadata(folder, [*files, "bag_9.mcap"], everything + truth)
    return folder


@pytest.mark.parametrize("seed", range(50))
def test_a_minority_on_another_clock(tmp_path, seed):
    """One stream, any of them, off by seconds to decades or without stamps."""
    choose = random.Random(seed)
    name = choose.choice(list(TYPES))
    size = choose.choice([1.5, 60, 86_400, 1.7e9 - 1000])
    shift = choose.choice([size * choose.choice([-1, 1]) if size < 1e8 else -size, None])
    begin = {other: choose.uniform(0, 0.02) for other in TYPES}
    actions = [Action(0.5, 2.0, "Pick USB.")]
    path = write_streams(tmp_path / "bag", {name: shift}, begin_s=begin, labels=actions)
    with open_source(path, TOPICS) as source:
        masks = [window.mask for window in windows(source, LAYOUT)]
        bounds = source.start_ns, source.end_ns
        (action,) = source.actions
        problems = source.problems
    used = {other: b for other, b in begin.items() if other != name}
    # The reference camera's first frame if it is used, else the first data there is.
    start_s = used.get("camera", min(used.values()))
    assert abs(bounds[0] - NOW_NS - round(start_s * 1e9)) <= 2
    assert action.start_s == pytest.approx(0.5 - start_s, abs=1e-6)
    assert 2.4 < (bounds[1] - bounds[0]) / 1e9 < 3.6
    (line,) = (problem for problem in problems if f"'{name}' is stamped" in problem)
    expected = (
        "zero" if shift is None else f"{abs(shift):.1f} s {'ahead' if shift > 0 else 'behind'}"
    )
    assert f"stamped {expected}" in line and line.endswith("it is masked")
    assert not any(f"'{other}' is stamped" in problem for other in used for problem in problems)
    assert masks and not any(mask[name] for mask in masks)
    assert any(f"masked in all {len(masks)} windows" in problem for problem in problems)
    middle = masks[len(masks) // 2]
    assert all(middle[other] for other in used)


def test_a_bag_on_one_clock_says_nothing(tmp_path):
    """Simulated time: stamps begin at 5 s, log times are those of the machine."""
    path = write_streams(tmp_path / "bag", dict.fromkeys(TYPES, 5 - NOW_NS / 1e9))
    with open_source(path, TOPICS) as source:
        assert sum(window.mask["camera"] for window in windows(source, LAYOUT)) > 25
        assert source.start_ns == pytest.approx(5e9, abs=1e3)
        assert 2.9 < (source.end_ns - source.start_ns) / 1e9 < 3.1
        assert source.problems == []


def test_of_two_halves_the_reference_camera_decides():
    early, late = FirstStamp(5, 5), FirstStamp(10**12, 5)
    first = {"camera": early, "wrench": early, "pose": late, "twist": late}
    assert common_clock(first, "camera") == {"camera", "wrench"}
    assert common_clock(first, "twist") == {"pose", "twist"}
    assert common_clock({}, "camera") == frozenset()
