# SPDX-License-Identifier: Apache-2.0
"""Files of arrays become bags: what is read back is what was stored; what is wrong is one line."""

from __future__ import annotations

import io
import zipfile

import h5py
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets.array_mapping import Clock
from m2r2_ros.datasets.array_numbers import stored_times
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.mapping_file import load_mapping
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.vocabulary_file import find_vocabulary
from m2r2_ros.errors import M2R2Error
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.shipped import shipped

ROWS, EPOCH = 40, 10**9
LAYOUT = {
    "cameras": ["top", "side"],
    "signals": {
        "elbow_wrench": None,
        "tip_pose": None,
        "tip_twist": None,
        "claw_gripper": None,
        "hip_imu": None,
        "joint_effort": {"width": 3, "columns": ["a", "b", "c"]},
        "skin": {"width": 16, "preset": "tactile"},
        "glue": {"width": 2},
    },
}
MAPPING = {
    "stamps": "t",
    "signals": {
        "elbow_wrench": "wrench",
        "tip_pose": ["position", "wxyz[1:4]", "wxyz[0]"],
        "tip_twist": "twist",
        "claw_gripper": {"arrays": "share", "scale": 0.08, "offset": 0.01, "unit": "m"},
        "hip_imu": "imu",
        "joint_effort": "efforts[2:5]",
        "skin": {"arrays": "cells", "rate_hz": 25},
        "glue": {"arrays": "glue", "stamps": "glue_ms", "stamps_unit": "ms", "scale": [1, 2]},
    },
    "cameras": {"top": "pictures", "side": {"array": "files", "stamps": "t", "pixels": "bgr"}},
    "labels": {
        "frames": "tag",
        "names": {0: "waiting", 7: "apply glue", -1: None},
        "idle": ["waiting"],
        "parts": {"apply glue": {"action": "apply", "object": "glue"}},
    },
}


def jpeg(shade: int) -> bytes:
    stored = io.BytesIO()
    Image.new("RGB", (16, 12), (shade, 20, 200 - shade)).save(stored, "JPEG")
    return stored.getvalue()


def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    files = [np.frombuffer(jpeg(5 * row), np.uint8) for row in range(ROWS)]
    padded = np.zeros((ROWS, max(map(len, files)) + 5), np.uint8)
    for row, content in enumerate(files):
        padded[row, : len(content)] = content
    quaternion = random.normal(size=(ROWS, 4))
    return {
        "t": np.arange(ROWS) / 20 + random.uniform(0, 0.01, ROWS),
        "wrench": random.normal(size=(ROWS, 6)),
        "position": random.normal(size=(ROWS, 3)),
        "wxyz": quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True),
        "twist": random.normal(size=(ROWS, 6)).astype(np.float32),
        "share": random.uniform(size=(ROWS, 1)),
        "imu": random.normal(size=(ROWS, 6)),
        "efforts": random.integers(-9, 9, (ROWS, 5)),
        "cells": random.uniform(size=(ROWS, 16)),
        "glue": random.normal(size=(2 * ROWS, 2)),
        "glue_ms": np.arange(2 * ROWS) * 25 + 3,
        "pictures": random.integers(0, 256, (ROWS, 12, 16, 3), np.uint8),
        "files": padded,
        "tag": np.repeat([0, 7, -1, 7], ROWS // 4),
        "spare": np.zeros(3),
    }


def save_npz(path, stored):
    np.savez_compressed(path, **stored)


def save_h5(path, stored):
    with h5py.File(path, "w") as file:
        for name, values in stored.items():
            file.create_dataset(name, data=values, chunks=values.shape)


def convert(folder, stored, mapping=MAPPING, layout=LAYOUT, save=save_npz, name="first.npz"):
    folder.mkdir(exist_ok=True)
    save(folder / name, stored)
    return convert_file(folder, folder / name, mapping, layout)


def convert_file(folder, path, mapping=MAPPING, layout=LAYOUT):
    (folder / "mapping.yaml").write_text(yaml.safe_dump(mapping))
    (folder / "layout.yaml").write_text(yaml.safe_dump(layout))
    words = [str(path), "--out", str(folder / "bags"), "--mapping", str(folder / "mapping.yaml")]
    return run_verb("convert", [*words, "--layout", str(folder / "layout.yaml")])


def refused(folder, capsys, stored, mapping=MAPPING, layout=LAYOUT):
    """The one line of a refusal, which leaves no bag."""
    capsys.readouterr()
    assert convert(folder, stored, mapping, layout) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    assert not list((folder / "bags").glob("first*"))
    return error


def streams(folder, name="first"):
    """Sensor -> (stamps from the epoch on, rows), and the recording's labels."""
    layout = load_layout(folder / "layout.yaml")
    robot = Deployment.load(folder / "bags" / "robot.yaml")
    with open_source(folder / "bags" / name, robot.topics) as source:
        batches = list(source.batches(layout))
        actions, start_ns = source.actions, source.start_ns
    found = {}
    for name in layout.signals:
        parts = [batch.signals[name] for batch in batches if name in batch.signals]
        stamps, rows = map(np.concatenate, zip(*parts, strict=True))
        found[name] = stamps - EPOCH * 10**9, rows
    for camera in layout.cameras:
        frames = [frame for batch in batches for frame in batch.images if frame[0] == camera]
        stamps = np.array([stamp for _, stamp, _ in frames]) - EPOCH * 10**9
        found[camera] = stamps, np.stack([picture() for _, _, picture in frames])
    return found, actions, start_ns - EPOCH * 10**9


@pytest.mark.parametrize(
    ("save", "name"), [(save_npz, "first.npz"), (save_h5, "first.h5"), (save_h5, "first.hdf5")]
)
def test_what_is_read_back_is_what_was_stored(tmp_path, capsys, save, name):
    stored = arrays()
    assert convert(tmp_path, stored, save=save, name=name) == 0
    said = capsys.readouterr().err
    assert "not taken: spare" in said and said.count("\n") == 1
    found, actions, start_ns = streams(tmp_path)
    stamps = np.round(stored["t"] * 1e9).astype(int)
    w, x, y, z = stored["wxyz"].T
    expected = {
        "elbow_wrench": stored["wrench"],
        "tip_pose": np.column_stack([stored["position"], x, y, z, w]),
        "tip_twist": stored["twist"],
        "claw_gripper": 0.08 * stored["share"] + 0.01,
        "hip_imu": stored["imu"],
        "joint_effort": stored["efforts"][:, 2:],
        "skin": stored["cells"],
        "glue": stored["glue"] * [1, 2],
        "top": stored["pictures"],
    }
    for sensor, values in expected.items():
        np.testing.assert_array_equal(found[sensor][1], values, err_msg=sensor)
    for sensor in ("elbow_wrench", "tip_pose", "claw_gripper", "top", "side"):
        np.testing.assert_array_equal(found[sensor][0], stamps, err_msg=sensor)
    np.testing.assert_array_equal(found["skin"][0], np.arange(ROWS) * 40_000_000)
    np.testing.assert_array_equal(found["glue"][0], (np.arange(2 * ROWS) * 25 + 3) * 1_000_000)
    seen = np.asarray(Image.open(io.BytesIO(jpeg(15))))
    np.testing.assert_array_equal(found["side"][1][3], seen)
    # The time from one frame to the next belongs to the first; -1 is unlabelled.
    quarter = ROWS // 4
    times = [(stamps[quarter * i] - start_ns) / 1e9 for i in range(4)]
    last = (stamps[-1] + int(np.median(np.diff(stamps))) - start_ns) / 1e9
    assert [(a.text, a.start_s, a.end_s) for a in actions] == [
        ("waiting.", times[0], times[1]),
        ("apply glue.", times[1], times[2]),
        ("apply glue.", times[3], last),
    ]


def test_many_files_go_on_where_they_were(tmp_path, capsys):
    stored = arrays()
    assert convert(tmp_path, stored) == 0
    written = (tmp_path / "bags" / "first" / "metadata.yaml").stat().st_mtime_ns
    save_npz(tmp_path / "second.npz", stored)
    capsys.readouterr()
    assert convert_file(tmp_path, tmp_path) == 0
    assert "first: is there already" in capsys.readouterr().err
    assert (tmp_path / "bags" / "first" / "metadata.yaml").stat().st_mtime_ns == written
    assert sorted(path.name for path in (tmp_path / "bags").iterdir()) == [
        "first",
        "robot.yaml",
        "second",
        "vocabulary.yaml",
    ]
    vocabulary = find_vocabulary(tmp_path / "bags")
    assert vocabulary.labels == ("waiting", "apply glue") and vocabulary.idle == ("waiting",)
    assert vocabulary.parts == {"apply glue": ("apply", "glue")}
    changed = {**MAPPING, "rate_hz": 20, "stamps": None}
    del changed["stamps"]
    assert convert_file(tmp_path, tmp_path / "first.npz", changed) == 2
    assert "made otherwise: give --overwrite" in capsys.readouterr().err


def test_segments_are_labels_too(tmp_path):
    stored = arrays() | {"segments": np.array([[7, 1.0, 1.75], [0, 0.25, 1.0]])}
    labels = {"segments": "segments", "names": {0: "waiting", 7: "apply glue"}}
    assert convert(tmp_path, stored, {**MAPPING, "labels": labels}) == 0
    _, actions, start_ns = streams(tmp_path)
    at = {s: (round(s * 1e9) - start_ns) / 1e9 for s in (0.25, 1.0, 1.75)}
    assert [(a.text, a.start_s, a.end_s) for a in actions] == [
        ("waiting.", at[0.25], at[1.0]),
        ("apply glue.", at[1.0], at[1.75]),
    ]


def test_labels_beyond_the_data_are_said(tmp_path, capsys):
    labels = {"segments": "segments", "names": {7: "apply glue"}}
    stored = arrays() | {"segments": np.array([[7, 0, 1], [7, 5, 6], [7, 1000, 2000]])}
    assert convert(tmp_path, stored, {**MAPPING, "labels": labels}) == 0
    assert "2 of 3 labels lie beyond the data: do their times have" in capsys.readouterr().err


def test_a_derived_signal_needs_no_array(tmp_path, capsys):
    layout = {"signals": ["tip_pose", "tip_twist"], "derived": {"tip_twist": "tip_pose"}}
    mapping = {"stamps": "t", "signals": {"tip_pose": MAPPING["signals"]["tip_pose"]}}
    assert convert(tmp_path, arrays(), mapping, layout) == 0
    assert "masked" not in capsys.readouterr().err


def test_a_label_of_no_length_is_none(tmp_path):
    """A stamp that repeats leaves no time to the first of its two labels."""
    stored = arrays() | {"tag": np.repeat(["wait", "stir", "wait"], [10, 1, ROWS - 11])}
    stored["t"][11] = stored["t"][10]
    assert convert(tmp_path, stored, {**MAPPING, "labels": {"frames": "tag"}}) == 0
    assert [action.text for action in streams(tmp_path)[1]] == ["wait.", "wait."]


def test_texts_are_their_own_names(tmp_path):
    stored = arrays() | {"tag": np.repeat(["wait", "", "unlabelled", "stir"], ROWS // 4)}
    assert convert(tmp_path, stored, {**MAPPING, "labels": {"frames": "tag"}}) == 0
    assert [action.text for action in streams(tmp_path)[1]] == ["wait.", "stir."]
    with open_source(tmp_path / "bags" / "first") as source:
        assert not source.complete


def test_unix_stamps_stay_as_they_are(tmp_path):
    stored = arrays()
    stored["t"] = stored["t"] + 1.7e9
    mapping = {"stamps": "t", "signals": {"glue": "wrench[0:2]"}}
    layout = {"signals": {"glue": {"width": 2}}}
    assert convert(tmp_path, stored, mapping, layout) == 0
    found, *_ = streams(tmp_path)
    expected = np.round(stored["t"] * 1e9).astype(int) - EPOCH * 10**9
    np.testing.assert_array_equal(found["glue"][0], expected)


def changed(key, values):
    return lambda stored: stored | {key: values(stored[key]) if callable(values) else values}


def without(key):
    return lambda stored: {name: values for name, values in stored.items() if name != key}


def at_row(row, value):
    def change(values):
        copy = values.astype(float)
        copy[row] = value
        return copy

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("wrench"), ["'wrench' is missing", "take its line out of the mapping"]),
        (without("t"), ["'t' is missing"]),
        (without("pictures"), ["'pictures' is missing"]),
        (changed("t", at_row(5, np.nan)), ["'t' is nan at row 5", "remove rows"]),
        (changed("t", at_row(5, np.inf)), ["'t' is inf at row 5"]),
        (changed("t", at_row(5, 0.0)), ["'t' steps back at row 5", "sort the rows"]),
        (changed("t", lambda t: t[:-1]), ["has 40 rows, its stamps 't' 39"]),
        (changed("t", lambda t: t * 1e9), ["stamps_unit"]),
        (changed("t", np.full(ROWS, -(2**63))), ["stamps_unit"]),
        (changed("t", lambda t: t - 2e9), ["'t' reaches", "give stamps_unit (ms, us, ns) or"]),
        (changed("t", lambda t: t[:, None] * [1, 1]), ["shape (40, 2)", "stamps are one a row"]),
        (changed("t", lambda t: np.float32(t + 1e9)), ["39 of 40 stamps repeat", "store float64"]),
        (changed("t", lambda t: t // 1), ["stamps repeat: give a stamp a row, or rate_hz"]),
        (
            changed("t", lambda t: np.datetime64(0, "ns") + (t * 1e9).astype("m8[ns]")),
            ["'t' holds datetime64[ns]", "astype('int64')", "stamps_unit"],
        ),
        (changed("wrench", lambda v: v[:, :5]), ["5 columns, 'elbow_wrench' has 6"]),
        (changed("wrench", lambda v: v.astype("U")), ["'wrench' holds <U", "not numbers"]),
        (changed("wrench", lambda v: v[:0]), ["'wrench' has no rows"]),
        (changed("wrench", np.zeros((40, 2, 3))), ["(40, 2, 3): a signal is a table"]),
        (changed("wrench", np.float64(3)), ["shape (): a signal is a table"]),
        (changed("efforts", lambda v: v[:, :4]), ["efforts[2:5]: 'efforts' has 4 columns"]),
        (changed("wrench", lambda v: v.astype(object)), ["'wrench' holds Python objects"]),
        (changed("pictures", lambda v: v[..., :2]), ["'pictures', row 0: uint8 (12, 16, 2)"]),
        (changed("pictures", lambda v: v.astype(np.float32)), ["row 0: float32", "no picture"]),
        (changed("pictures", np.asfortranarray), ["column by column"]),
        (changed("files", lambda v: 0 * v), ["'files', row 0", "no picture"]),
        (changed("tag", np.full(ROWS, 5)), ["'tag' has the label '5', `names` has not"]),
        (changed("tag", np.zeros((ROWS, 2))), ["labels are one a frame"]),
        (changed("tag", np.zeros(ROWS - 1)), ["'tag' has 39 rows, its stamps 't' 40"]),
    ],
)
def test_hostile_arrays(tmp_path, capsys, change, words):
    error = refused(tmp_path, capsys, change(arrays()))
    for word in ("first.npz", *words):
        assert word in error


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        (np.zeros((3, 2)), "segments are rows of three numbers"),
        (np.array([[7, 0.0, 1e300]]), "beyond all stamps"),
        (np.array([[7, 0.0, np.nan]]), "holds a NaN"),
        (np.array([[7, 1.0, 1.0]]), "ends where it starts"),
        (np.array([[7, 0.0, 1.0], [7, 0.9, 1.5]]), "two segments overlap"),
    ],
)
def test_hostile_segments(tmp_path, capsys, segments, words):
    labels = {"segments": "segments", "names": {7: "apply glue"}}
    stored = arrays() | {"segments": segments}
    assert words in refused(tmp_path, capsys, stored, {**MAPPING, "labels": labels})


def test_a_shape_that_the_file_does_not_hold(tmp_path, capsys):
    """A header that states terabytes costs nothing."""
    stored = arrays()
    assert convert(tmp_path, stored) == 0
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 6)}
    )
    with (
        zipfile.ZipFile(tmp_path / "first.npz") as whole,
        zipfile.ZipFile(tmp_path / "huge.npz", "w") as huge,
    ):
        for name in whole.namelist():
            huge.writestr(name, header.getvalue() if name == "wrench.npy" else whole.read(name))
    capsys.readouterr()
    assert convert_file(tmp_path, tmp_path / "huge.npz") == 2
    error = capsys.readouterr().err
    assert "huge.npz: 'wrench' states the shape (1000000000000, 6)" in error
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        for name, values in stored.items():
            if name == "wrench":
                file.create_dataset(name, (10**10, 6), "f8", chunks=(1000, 6))
            else:
                file[name] = values
    assert convert_file(tmp_path, tmp_path / "huge.h5") == 2
    assert "'wrench' has 60000000000 values; the limit is" in capsys.readouterr().err


@pytest.mark.parametrize(("save", "name"), [(save_npz, "first.npz"), (save_h5, "first.h5")])
def test_truncated_files(tmp_path, capsys, save, name):
    path = tmp_path / name
    save(path, arrays())
    content = path.read_bytes()
    for share in (0.0, 0.01, 0.5, 0.9, 0.999):
        path.write_bytes(content[: int(share * len(content))])
        assert convert_file(tmp_path, path) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and name in error and "unzip" not in error


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_bytes_are_one_line_or_read(tmp_path_factory, data):
    """Whatever bytes are wrong: a bag, or an M2R2Error; never another exception."""
    folder = tmp_path_factory.mktemp("damaged")
    save = data.draw(st.sampled_from([save_npz, save_h5]))
    path = folder / ("first.npz" if save is save_npz else "first.h5")
    small = {name: values[:4] for name, values in arrays().items() if name in ("t", "wrench")}
    save(path, small)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    mapping = {"stamps": "t", "signals": {"elbow_wrench": "wrench"}}
    assert convert_file(folder, path, mapping, {"signals": ["elbow_wrench"]}) in (0, 2)


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({}, "names no sensor"),
        ([1], "expected entries"),
        ({"signal": {}}, "unknown entry 'signal' (did you mean 'signals'?)"),
        ({"signals": {"elbow_wrench": "w"}}, "when were its rows taken?"),
        ({"stamps": "t", "rate_hz": 5, "signals": {}}, "one of `stamps` and `rate_hz`"),
        ({"rate_hz": -5, "signals": {"elbow_wrench": "w"}}, "rate_hz must be in"),
        ({"rate_hz": 10**400, "signals": {"elbow_wrench": "w"}}, "rate_hz must be a number"),
        ({"rate_hz": 1, "epoch_s": 1e11, "signals": {}}, "epoch_s must be less than 2^31 s"),
        ({"rate_hz": 1, "epoch_s": 1e300, "signals": {}}, "epoch_s must be a number"),
        ({"rate_hz": True, "signals": {"elbow_wrench": "w"}}, "rate_hz must be a number"),
        ({"rate_hz": 5, "stamps_unit": "h", "signals": {}}, "stamps_unit must be s, ms, us, ns"),
        ({"rate_hz": 5, "signals": {"elbow_wrench": "w[3:1]"}}, "has no columns"),
        ({"rate_hz": 5, "signals": {"elbow_wrench": 3}}, "named like 'qpos' or 'qpos[0:6]'"),
        ({"rate_hz": 5, "signals": {"elbow_wrench": []}}, "named like 'qpos' or 'qpos[0:6]'"),
        ({"rate_hz": 5, "signals": {"elbow_wrenhc": "w"}}, "did you mean 'elbow_wrench'?"),
        ({"rate_hz": 5, "cameras": {"tpo": "w"}}, "the layout has no camera 'tpo'"),
        ({"rate_hz": 5, "signals": {"claw_gripper": "w"}}, "say `unit: m`"),
        (
            {"rate_hz": 5, "signals": {"claw_gripper": {"arrays": "w", "unit": "rad"}}},
            "is in m in the layout, not rad",
        ),
        (
            {"rate_hz": 5, "signals": {"glue": {"arrays": "w", "scale": [1, 2, 3]}}},
            "scale: one number, or 2",
        ),
        (
            {"rate_hz": 5, "signals": {"glue": {"arrays": "w", "topic": "a b"}}},
            "topic 'a b' is no name",
        ),
        (
            {"rate_hz": 5, "signals": {"glue": "g"}, "labels": {"names": {}}},
            "one of `segments` (label, start, end) and `frames`",
        ),
        (
            {"rate_hz": 5, "signals": {"glue": "g"}, "labels": {"frames": "f", "names": {1: 2}}},
            "2 is no text",
        ),
        (
            {
                "rate_hz": 5,
                "signals": {"glue": "g"},
                "labels": {"frames": "f", "names": {1: "unknown"}},
            },
            "'unknown' is no label",
        ),
        (
            {
                "rate_hz": 5,
                "signals": {"glue": "g"},
                "labels": {"frames": "f", "names": {1: "stir"}, "idle": ["sit"]},
            },
            "'sit' is none of the labels",
        ),
        (
            {"rate_hz": 5, "signals": {"glue": "g"}, "labels": {"frames": "f", "idle": []}},
            "give them, too",
        ),
    ],
)
def test_bad_mappings(tmp_path, capsys, mapping, words):
    error = refused(tmp_path, capsys, arrays(), mapping)
    assert "mapping.yaml" in error and words in error


@pytest.mark.parametrize("more", [{"epoch_s": -5}, {"epoch_s": 2**31 - 1}])
def test_epochs_beyond_all_stamps(tmp_path, capsys, more):
    mapping = {**more, "rate_hz": 1, "signals": {"tip_twist": "twist"}}
    error = refused(tmp_path, capsys, arrays(), mapping)
    assert "'twist' reaches" in error and "which no header stamp can hold" in error


def test_numbers_need_names(tmp_path, capsys):
    error = refused(tmp_path, capsys, arrays(), {**MAPPING, "labels": {"frames": "tag"}})
    assert "labels are numbers such as 0" in error


def test_arrays_without_a_mapping(tmp_path, capsys):
    save_npz(tmp_path / "a.npz", arrays())
    assert run_verb("convert", [str(tmp_path / "a.npz"), "--out", str(tmp_path / "bags")]) == 2
    assert "Give --mapping and --layout" in capsys.readouterr().err
    words = [str(tmp_path / "a.npz"), "--out", str(tmp_path / "bags"), "--mapping", "m.yaml"]
    assert run_verb("convert", words) == 2
    assert "--mapping and --layout belong together" in capsys.readouterr().err


def test_what_a_layout_has_and_the_file_has_not_is_said(tmp_path, capsys):
    mapping = {"stamps": "t", "signals": {"tip_twist": "twist"}}
    layout = {"audio": True, "signals": ["tip_twist", "tip_pose"]}
    stored = arrays()
    stored["twist"][3] = np.nan
    stored["t"][7] = stored["t"][6]
    assert convert(tmp_path, stored, mapping, layout) == 0
    said = capsys.readouterr().err
    for words in (
        "no array for 'tip_pose': masked",
        "sound is not taken from arrays",
        "no labels inside",
        "'tip_twist': 1 of 40 rows are NaN: masked",
        "'t': 1 stamps repeat",
    ):
        assert words in said


def fill(file, layout, mapping, group=""):
    """Every array that a mapping names, as wide as it asks for."""
    widths, pictures = {}, {group + camera.array for camera in mapping.cameras.values()}
    for name, arrays in mapping.signals.items():
        for columns in arrays.columns:
            needed = columns.stop or layout.signals[name].width
            widths[group + columns.array] = max(needed, widths.get(group + columns.array, 0))
    if mapping.recordings:  # a pose in two arrays
        widths |= {f"{group}obs/robot0_eef_pos": 3, f"{group}obs/robot0_eef_quat": 4}
    for name, width in widths.items():
        file[name] = np.full((5, width), 0.5)
    for name in pictures:
        file[name] = np.zeros((5, 8, 8, 3), np.uint8)


@pytest.mark.parametrize("preset", ["aloha", "robomimic"])
def test_shipped_mappings(tmp_path, preset):
    mapping, layout = (shipped(f"config/{kind}/{preset}.yaml") for kind in ("mappings", "layouts"))
    read = load_mapping(mapping), load_layout(layout)
    assert set(read[0].sensors) == set(read[1].modalities)
    groups = ["data/demo_10/", "data/demo_2/"] if read[0].recordings else [""]
    with h5py.File(tmp_path / "episode_0.hdf5", "w") as file:
        for group in groups:
            fill(file, read[1], read[0], group)
    words = [str(tmp_path / "episode_0.hdf5"), "--out", str(tmp_path / "bags")]
    assert run_verb("convert", [*words, "--mapping", str(mapping), "--layout", str(layout)]) == 0
    names = ["demo_2", "demo_10"] if read[0].recordings else []
    for name in [f"episode_0-{name}" for name in names] or ["episode_0"]:
        with open_bag(tmp_path / "bags" / name) as bag:
            assert set(bag.types) == {f"/{sensor}" for sensor in read[0].sensors}
    (tmp_path / "layout.yaml").write_text(layout.read_text())
    found, *_ = streams(tmp_path, name)
    width = 2 * 0.5 if preset == "robomimic" else 0.03688 + 0.07912 * 0.5
    assert found[next(each for each in found if "gripper" in each)][1].max() == width


@pytest.mark.parametrize("columns", [None, ["finger width"], ["0"]])
def test_a_robots_own_topic_is_not_summed_up_in_the_robot_file(tmp_path, columns):
    """The file is what to begin with: with a topic of all joints in it, the width is none."""
    grippers = ("left_gripper", "right_gripper")
    entry = {"columns": columns} if columns else None
    layout = {"signals": {**dict.fromkeys(grippers, entry), "joint_position": {"width": 3}}}
    entries = {name: {"arrays": "share", "scale": 0.08, "unit": "m"} for name in grippers}
    mapping = {"stamps": "t", "signals": {**entries, "joint_position": "efforts[2:5]"}}
    stored = arrays()
    assert convert(tmp_path, stored, mapping, layout) == 0
    found, *_ = streams(tmp_path)
    for name in grippers:
        np.testing.assert_array_equal(found[name][1], stored["share"] * 0.08)
    robot = tmp_path / "bags" / "robot.yaml"
    robot.write_text(robot.read_text().replace("/left_gripper", "/joint_position"))
    with open_source(tmp_path / "bags" / "first", Deployment.load(robot).topics) as source:
        batches = list(source.batches(load_layout(tmp_path / "layout.yaml")))
        summed = stored["efforts"][:, 2:5].sum(axis=1)
        rows = [batch.signals["left_gripper"][1] for batch in batches]
        assert not any(np.array_equal(row[:, 0], summed[: len(row)]) for row in rows if len(row))
        if columns != ["0"]:
            assert any("finger width" in line or "opening" in line for line in source.problems)


def test_a_mapping_that_is_no_file(tmp_path):
    with pytest.raises(M2R2Error, match="cannot read"):
        load_mapping(tmp_path / "none.yaml")


def test_stamps_of_true_and_false_are_no_times():
    clock = Clock(stamps="is_open", unit="s")
    with pytest.raises(M2R2Error, match="'is_open' holds true and false"):
        stored_times(clock, np.array([False, True]))
