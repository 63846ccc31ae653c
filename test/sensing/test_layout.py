# SPDX-License-Identifier: Apache-2.0
"""Layouts that users declare: what is written is read back, and what makes no sense is one line."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import layouts
from sensor_rig import content

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.metadata import EncoderMetadata
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.signal_set import Signals
from m2r2_ros.shipped import shipped


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_a_layout_is_read_as_it_was_written(layout):
    plain = json.loads(json.dumps(layout.to_dict()))
    for values in (plain, yaml.safe_load(yaml.safe_dump(plain, sort_keys=False))):
        back = SensorLayout.from_dict(values)
        assert back == layout and hash(back) == hash(layout)
        assert back.modalities == layout.modalities
        assert json.dumps(back.to_dict()) == json.dumps(layout.to_dict())
    assert pickle.loads(pickle.dumps(layout)) == layout


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_capacities_hold_the_longest_window(layout):
    # Exact: a window and a half at the signal's rate, rounded up.
    longest_s = Fraction(layout.longest_window_ns, 10**9)
    for name, signal in layout.signals.items():
        rate = signal.rate_hz or layout.signal_rate_hz
        assert layout.signal_capacity(name) == ceil(longest_s * rate)
        rows, columns = layout.nominal_shape(name)
        assert 0 < rows <= layout.signal_capacity(name) and columns == signal.width


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_every_column_has_a_range_and_a_quantity(layout):
    for signal in layout.signals.values():
        low, high = SensingLimits().signal_range(signal)
        assert low.shape == high.shape == (signal.width,) and (low < high).all()
        assert len(signal.columns) == len(signal.units) == signal.width
        covered = [i for _, span in signal.spans() for i in range(span.start, span.stop)]
        assert covered == list(range(signal.width))


# What models that were exported before say of their signals, letter by letter.
OLD = (
    '{"cameras": ["hama1", "hama2", "hand"], "audio": true, "signals": ["wrench", "pose", "twist", '
    '"gripper"], "window_rate_hz": 10.0, "signal_rate_hz": 300, "audio_rate_hz": 16000}'
)


def test_the_old_list_of_names_is_read_and_written_again_as_it_was():
    layout = SensorLayout.from_dict(json.loads(OLD))
    assert json.dumps(layout.to_dict()) == OLD
    assert layout == SensorLayout(("hama1", "hama2", "hand"))
    declared = {"wrench": {}, "pose": None, "twist": {"width": 6}, "gripper": {"unit": "m"}}
    assert layout == SensorLayout(("hama1", "hama2", "hand"), True, declared)
    assert [layout.signals[name].width for name in layout.signals] == [6, 7, 6, 1]
    assert layout.signal_capacity("pose") == 45


TWO_ARMS = """
window_rate_hz: 20.0
signals:
  left_pose:
  right_pose: {}
  right_wrist: {preset: wrench}
  pad: {width: 16, unit: kPa, range: [0, 400], rate_hz: 100}
  arm_joint_effort: {columns: [j1, j2, j3], width: 3}
  wrist_pose: {preset: none, width: 2}
"""


def test_a_file(tmp_path):
    path = tmp_path / "layout.yaml"
    path.write_text(TWO_ARMS)
    layout = load_layout(path)
    assert layout.cameras == () and layout.audio is False
    assert layout.modalities == (
        "left_pose",
        "right_pose",
        "right_wrist",
        "pad",
        "arm_joint_effort",
        "wrist_pose",
    )
    presets = [signal.preset for signal in layout.signals.values()]
    assert presets == ["pose", "pose", "wrench", "", "joint_effort", ""]
    pad = layout.signals["pad"]
    assert pad.units == ("kPa",) * 16 and pad.ranges == ((0.0, 400.0),) * 16
    assert layout.signal_capacity("pad") == 8 and layout.signal_capacity("left_pose") == 23
    assert layout.signals["left_pose"].quaternions == ((3, 7),)
    assert layout.to_dict()["signals"]["pad"] == {
        "width": 16,
        "unit": "kPa",
        "range": [0.0, 400.0],
        "rate_hz": 100,
    }
    assert layout.to_dict()["signals"]["left_pose"] == {}


BAD_SIGNALS = {
    "no width": ({"pad": {}}, "signal 'pad': it needs a width"),
    "misspelt preset": ({"wrnch": {}}, r"needs a width.*\(did you mean 'wrench'\?\)"),
    "joints without width": ({"joint_position": {}}, "'joint_position': it needs a width"),
    "another width": ({"left_pose": {"width": 6}}, "a pose has 7 columns, not 6; `preset: none`"),
    "no number": ({"pad": {"width": "16"}}, r"width must be a whole number in \[1, 1024\], got"),
    "truth": ({"pad": {"width": True}}, "width must be a whole number"),
    "too wide": ({"pad": {"width": 10**9}}, "width must be a whole number"),
    "endless": ({"pad": {"width": 10**5000}}, "width must be a whole number"),
    "no columns": ({"pad": {"width": 0}}, "width must be a whole number"),
    "unknown entry": ({"pad": {"widht": 3}}, r"unknown entry 'widht' \(did you mean 'width'\?\)"),
    "unknown preset": ({"a": {"preset": "poze"}}, r"no preset is called 'poze' \(did you mean 'po"),
    "preset of no text": ({"a": {"preset": [1]}}, "no preset is called"),
    "columns": ({"a": {"width": 2, "columns": ["x"]}}, "columns must be 2 different names"),
    "columns twice": ({"a": {"width": 2, "columns": ["x", "x"]}}, "2 different names"),
    "column of no text": ({"a": {"width": 2, "columns": ["x", 3]}}, "2 different names"),
    "another unit": ({"gripper": {"unit": "rad"}}, "a gripper is in m, not in 'rad'; `preset: non"),
    "units": ({"a": {"width": 2, "unit": ["m"]}}, "unit must be a text, or 2 of them"),
    "range turned round": ({"a": {"width": 1, "range": [1, -1]}}, "range must be .lowest, highest"),
    "range without end": ({"a": {"width": 1, "range": [0, float("inf")]}}, "range must be"),
    "endless range": ({"a": {"width": 1, "range": [0, 10**5000]}}, "range must be"),
    "range of nothing": ({"a": {"width": 1, "range": [0, float("nan")]}}, "range must be"),
    "quaternion of three": (
        {"a": {"width": 7, "quaternions": [[3, 6]]}},
        r"four columns, \[3, 7\] for 3 to 6, got \[3, 6\]",
    ),
    "flat quaternion": ({"a": {"width": 7, "quaternions": [3, 7]}}, "a quaternion is four columns"),
    "quaternion beyond": ({"a": {"width": 5, "quaternions": [[3, 7]]}}, "beyond its 5 columns"),
    "quaternions overlap": (
        {"a": {"width": 8, "quaternions": [[0, 4], [3, 7]]}},
        "overlaps",
    ),
    "rate": ({"a": {"width": 1, "rate_hz": 0}}, "rate_hz must be a whole number"),
    "entry": ({"a": 3}, "expected entries such as width, got 3"),
    "taken": ({"mask": {"width": 1}}, "signal 'mask': this name is taken"),
    "taken by a length": ({"a_length": {"width": 1}}, "this name is taken"),
    "no word": ({"left arm": {"width": 1}}, "its name must be a plain word"),
    "not ASCII": ({"große": {"width": 1}}, "its name must be a plain word"),
    "underscore": ({"_buffers": {"width": 1}}, "its name must be a plain word"),
    "no text": ({3: {"width": 1}}, "its name must be a plain word"),
    "endless name": ({"a" * 65: {"width": 1}}, "its name is longer than 64 letters"),
    "camera": ({"hand": {"width": 1}}, "a modality is named twice"),
    "twice": (["pose", "pose"], "a modality is named twice"),
    "text": ("pose", "signals must be names or entries, got 'pose'"),
    "number": (3, "signals must be names or entries, got 3"),
    "too many": ({f"s{i}": {"width": 1} for i in range(64)}, "more than 64 modalities"),
    "too much": (
        {f"s{i}": {"width": 1024, "rate_hz": 900_000} for i in range(3)},
        "windows of [0-9]+ samples are too long",
    ),
}


@pytest.mark.parametrize(("signals", "message"), BAD_SIGNALS.values(), ids=BAD_SIGNALS)
def test_a_signal_that_cannot_be_is_one_line(signals, message):
    with pytest.raises(M2R2Error, match=message) as refused:
        SensorLayout.from_dict({"cameras": ["hand"], "audio": False, "signals": signals})
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


BAD_FILES = {
    "empty": ("", "no layout: expected entries such as 'signals'"),
    "list": ("[pose]", "no layout"),
    "no sensor": ("{}", "a sensor layout needs at least one modality"),
    "unknown entry": ("camera: [a]", r"unknown layout entry 'camera' \(did you mean 'cameras'\?\)"),
    "key of no text": ("3: 4\nsignals: [pose]", "unknown layout entry"),
    "not YAML": ("signals: [", "not YAML"),
    "nested": ("[" * 5000, "not YAML"),
    "object": ("signals: !!python/object/apply:os.system [echo]", "not YAML"),
    "date": ("signals: {a: {width: 2026-99-99}}", "not YAML"),
    "long number": ("signals: {a: {width: 0x" + "f" * 9000 + "}}", "width must be a whole number"),
    "longer number": ("signals: {a: {width: " + "9" * 9000 + "}}", "not YAML"),
    "control characters": ("signals: {a: {width: 1}}\0", "not YAML"),
    "aliases": (
        "a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a]\nsignals: [*b, *b, *b]",
        "unknown layout entry 'a'",
    ),
    "itself": ("signals: &a {pose: *a}", "unknown entry 'pose'"),
    "tiny rate": ("signals: [pose]\nwindow_rate_hz: 1.0e-320", "bad sensor layout|too long"),
    "slow": ("signals: [pose]\nwindow_rate_hz: 1.0e-9", "samples are too long"),
    "rate of no number": ("signals: [pose]\nwindow_rate_hz: fast", "bad sensor layout"),
    "audio": ("signals: [pose]\naudio: 3", "audio must be true or false, got 3"),
    "sound in kHz": ("audio: true\naudio_rate_hz: 3", "audio_rate_hz must be at least 1000, got 3"),
    "rate of truth": ("audio: true\naudio_rate_hz: true", "audio_rate_hz must be a whole number"),
    "huge": ("#" + "x" * (1 << 20), "more than 1000000 bytes"),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_layout_is_one_line(tmp_path, content, message):
    path = tmp_path / "layout.yaml"
    path.write_text(content)
    with pytest.raises(M2R2Error, match=message) as refused:
        load_layout(path)
    assert "layout.yaml" in str(refused.value) and "\n" not in str(refused.value)


def test_no_file():
    with pytest.raises(M2R2Error, match=r"cannot read .*nowhere\.yaml"):
        load_layout(Path("nowhere.yaml"))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
keys = st.sampled_from(["preset", "width", "columns", "unit", "range", "quaternions", "rate_hz"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "pose", "my_imu"]), st.dictionaries(keys, plain)))
def test_any_entry_is_a_signal_or_refused(declared):
    try:
        found = Signals.of(declared)
    except M2R2Error as error:
        assert "\n" not in str(error)
    else:
        assert Signals.of(json.loads(json.dumps(found.to_plain()))) == found


@settings(max_examples=25, deadline=None)
@given(layouts(), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_windows_of_declared_signals_do_not_depend_on_batches(layout, seed, batch):
    """Masks and rows, whatever is declared: in one piece, and in batches with polls between."""
    layout = SensorLayout((), False, layout.signals or {"pad": {"width": 3}}, 10.0)
    rng = np.random.default_rng(seed)
    limits = SensingLimits(max_signal_rate_hz=300, max_wait_s=0.2)
    silent = set(rng.permutation(list(layout.signals))[: len(layout.signals) // 2].tolist())
    streams = {}
    for name, signal in layout.signals.items():
        low, high = limits.signal_range(signal)
        stamps = np.arange(0, 10**9 if name not in silent else 4 * 10**8, 7_000_000)
        middle = low / 2 + high / 2
        values = middle + rng.uniform(-0.4, 0.4, (len(stamps), signal.width)) * (high - low)
        for first, stop in signal.quaternions:
            inside = np.clip(0.6, low[first:stop], high[first:stop])
            values[:, first:stop] = inside if (inside**2).sum() >= 0.3 else np.nan
        streams[name] = stamps, values

    def windows(step):
        builder, found = WindowBuilder(layout, limits), []
        for start in range(0, 150, step):
            for name, (stamps, values) in streams.items():
                part = np.s_[start : start + step]
                builder.add_signal(name, stamps[part], values[part])
            found += builder.poll()
        return content(found + builder.flush())

    whole = windows(1000)
    assert windows(batch) == whole
    for index, *_, signals, mask in whole:
        assert list(mask) == list(layout.signals)
        for name, (shape, _) in signals.items():
            assert mask[name] and 0 < shape[0] <= layout.signal_capacity(name)
            assert shape[1] == layout.signals[name].width
        # 0.4 s, and a quarter of a second for which the last value holds.
        assert not any(mask[name] for name in silent) or index < 7


def test_a_declared_range_wins_and_quaternions_keep_one_sign():
    entry = {"width": 6, "range": [-1, 1], "quaternions": [[1, 5]]}
    layout = SensorLayout((), False, {"pad": entry})
    builder = WindowBuilder(layout)
    stamps = np.arange(0, 400_000_000, 10_000_000)
    rows = np.tile([0.5, 0.0, 0.6, 0.0, -0.8, 0.25], (40, 1))
    # q and -q are one rotation: a driver may change the sign at any time.
    rows[1::2, 1:5] *= -1
    rows[25, 5] = 1.5
    builder.add_signal("pad", stamps, rows)
    first, *_, last = builder.poll() + builder.flush()
    expected = np.tile(np.float32([0.5, 0.0, -0.6, 0.0, 0.8, 0.25]), (30, 1))
    np.testing.assert_allclose(first.signals["pad"], expected, atol=1e-7)
    assert not last.mask["pad"] and builder.counters.streams["pad"].rejected["range"] == 1


@pytest.mark.parametrize("path", sorted(shipped("config/layouts").glob("*.yaml")), ids=str)
def test_layouts_that_ship_can_be_read(path):
    layout = load_layout(path)
    assert SensorLayout.from_dict(layout.to_dict()) == layout


@pytest.mark.parametrize("path", sorted(shipped("models").glob("*/encoder.onnx")), ids=str)
def test_layouts_of_shipped_encoders_are_written_again_letter_by_letter(path):
    import onnx

    model = onnx.load(path, load_external_data=False)
    (text,) = (entry.value for entry in model.metadata_props if entry.key == "m2r2")
    layout = EncoderMetadata.from_json(text, path).layout
    assert f'"layout": {json.dumps(layout.to_dict())}' in text
