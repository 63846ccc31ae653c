# SPDX-License-Identifier: Apache-2.0
"""Layouts of all kinds for tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.signal_presets import PRESETS

FIXED = tuple(name for name, preset in PRESETS.items() if preset.width)
OPEN = tuple(name for name, preset in PRESETS.items() if not preset.width)

words = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
texts = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=12)
numbers = st.floats(-1e30, 1e30, allow_subnormal=False)
ranges = st.tuples(numbers, numbers).filter(lambda ends: ends[0] < ends[1]).map(list)


@st.composite
def entries(draw: st.DrawFn, width: int, is_open: bool) -> dict[str, Any]:
    """What a file may say of a signal of this many columns, but its width."""
    entry: dict[str, Any] = {}
    if draw(st.booleans()):
        entry["columns"] = draw(st.lists(texts, min_size=width, max_size=width, unique=True))
    if draw(st.booleans()):
        each = st.lists(ranges, min_size=width, max_size=width)
        entry["range"] = draw(st.one_of(ranges, each))
    if draw(st.booleans()):
        entry["rate_hz"] = draw(st.integers(1, 2000))
    if is_open and draw(st.booleans()):
        entry["unit"] = draw(st.one_of(texts, st.lists(texts, min_size=width, max_size=width)))
    if width >= 4 and draw(st.booleans()):
        first = draw(st.integers(0, width - 4))
        entry["quaternions"] = [[first, first + 4]]
    return entry


@st.composite
def signals(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Name and entry: a preset, one by its suffix, one named in the entry, or none."""
    preset = draw(st.sampled_from(["", *PRESETS]))
    prefix = draw(words)
    fixed = PRESETS[preset].width if preset else 0
    width = fixed or draw(st.integers(1, 9))
    entry = draw(entries(width, not fixed))
    if not fixed:
        entry["width"] = width
    how = draw(st.sampled_from(["alone", "suffix", "entry"]))
    if not preset:
        return f"{prefix}_x", entry
    if how == "entry":
        return f"{prefix}_y", entry | {"preset": preset}
    return (preset if how == "alone" else f"{prefix}_{preset}"), entry


POSE_AND_TWIST = {"arm_a_pose": {}, "arm_b_twist": {"preset": "twist"}}


@st.composite
def layouts(draw: st.DrawFn) -> SensorLayout:
    """Any sensors, with at least one signal or camera."""
    cameras = draw(st.lists(words.map("cam_{}".format), max_size=2, unique=True))
    few = 0 if cameras else 1
    named = draw(st.lists(signals(), min_size=few, max_size=4, unique_by=lambda pair: pair[0]))
    return SensorLayout(
        tuple(cameras),
        draw(st.booleans()),
        dict(named) | (pair := draw(st.sampled_from([{}, POSE_AND_TWIST]))),
        window_rate_hz=draw(st.floats(1.0, 60.0)),
        signal_rate_hz=draw(st.integers(1, 1000)),
        derived={"arm_b_twist": "arm_a_pose"} if pair and draw(st.booleans()) else {},
    )
