# SPDX-License-Identifier: Apache-2.0
"""Whatever a mapping file holds is a mapping or one line."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.datasets.array_mapping import ArrayMapping, Columns
from m2r2_ros.datasets.mapping_file import load_mapping
from m2r2_ros.errors import M2R2Error

ENTRIES = [
    "stamps",
    "stamps_unit",
    "rate_hz",
    "recordings",
    "epoch_s",
    "signals",
    "cameras",
    "labels",
]
INNER = ["arrays", "array", "scale", "offset", "unit", "topic", "pixels", "segments", "frames"]
WORDS = [*ENTRIES, *INNER, "names", "complete", "idle", "parts", "pad", "q[0:6]", "ms", "rgb"]
SCALARS = (
    st.sampled_from(WORDS)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
)
KEYS = st.sampled_from(WORDS) | st.integers(-1, 3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(ENTRIES), VALUES, max_size=5) | VALUES)
def test_anything(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "mapping.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    try:
        assert isinstance(load_mapping(path), ArrayMapping)
    except M2R2Error as error:
        assert "\n" not in str(error) and "mapping.yaml" in str(error)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("qpos", Columns("qpos")),
        ("obs/qpos[0:6]", Columns("obs/qpos", 0, 6)),
        ("obs/qpos[6]", Columns("obs/qpos", 6, 7)),
    ],
)
def test_columns(tmp_path, text, columns):
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml.safe_dump({"rate_hz": 5, "signals": {"pad": text}}))
    assert load_mapping(path).signals["pad"].columns == (columns,)
    assert load_mapping(path).signals["pad"].clock.rate_hz == 5


def test_a_sensor_has_a_clock_of_its_own(tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text(
        "stamps: t\nstamps_unit: ms\n"
        "signals:\n  a: a\n  b: {arrays: b, rate_hz: 9}\n  c: {arrays: c, stamps: tc}\n"
        "cameras:\n  d: {array: d, stamps: td, stamps_unit: ns, topic: /d/image}\n"
    )
    mapping = load_mapping(path)
    clocks = {name: (s.clock.stamps, s.clock.rate_hz) for name, s in mapping.sensors.items()}
    assert clocks == {"a": ("t", 0), "b": ("", 9), "c": ("tc", 0), "d": ("td", 0)}
    assert [mapping.sensors[name].clock.unit for name in "acd"] == ["ms", "ms", "ns"]
    assert mapping.topic("a") == "/a" and mapping.topic("d") == "/d/image"
