# SPDX-License-Identifier: Apache-2.0
"""Files of labels that mean harm, or are of something else: refused in one line, at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.recording_labels import LabelSpan
from m2r2_ros.errors import M2R2Error
from m2r2_ros.label_formats.exporting import LabelExport
from m2r2_ros.label_formats.label_format import FormatOptions
from m2r2_ros.label_formats.label_track import NS, LabelTrack, labels_of
from m2r2_ros.label_formats.registry import find_format, format_names

BOMB = "".join(
    ['<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">']
    + [f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    + ["]><ANNOTATION_DOCUMENT>&i;</ANNOTATION_DOCUMENT>"]
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><ANNOTATION_DOCUMENT>&a;</ANNOTATION_DOCUMENT>'


def eaf(value="0", ref="t0", tier="label") -> str:
    return (
        f'<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="t0" TIME_VALUE="{value}"/>'
        f'<TIME_SLOT TIME_SLOT_ID="t1"/></TIME_ORDER><TIER TIER_ID="{tier}"><ANNOTATION>'
        f'<ALIGNABLE_ANNOTATION ANNOTATION_ID="a" TIME_SLOT_REF1="t0" TIME_SLOT_REF2="{ref}">'
        "<ANNOTATION_VALUE>x</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
        "</ANNOTATION_DOCUMENT>"
    )


def task(value, kind="labels", **more) -> str:
    region = {"type": kind, "value": value}
    return json.dumps([{"data": {"audio": "a.wav"}, "annotations": [{"result": [region]}], **more}])


HOSTILE = {
    "xml bomb": ("elan", BOMB, "XML with a document type"),
    "xml of another file": ("elan", OUTSIDE, "XML with a document type"),
    "deep xml": ("elan", "<a>" * 100_000, "XML nested deeper than 20"),
    "no xml": ("elan", "hello", "not XML: syntax error"),
    "cut xml": ("elan", eaf()[:-30], "not XML: "),
    "other xml": ("elan", "<svg/>", "no file of ELAN: its root is 'svg'"),
    "no tier": ("elan", "<ANNOTATION_DOCUMENT/>", "which tier holds the labels?"),
    "video frames": (
        "elan", '<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="PAL-frames"/></ANNOTATION_DOCUMENT>',
        "its times are in 'PAL-frames'",
    ),
    "no time": ("elan", eaf(ref="t1"), "annotation 'a', 'x', has no time of its own"),
    "nan ms": ("elan", eaf(value="nan"), "time is no number"),
    "huge ms": ("elan", eaf(value="1" + "0" * 308), "must be seconds within the recording"),
    "nested ms": ("elan", eaf(value="9" * 10_000), "is no number: '9999"),
    "list": ("atlas", "[]", "no annotations of ATLAS"),
    "nested": ("atlas", '{"a":' * 100_000, "not JSON: maximum recursion"),
    "twice": ("atlas", '{"a": {}, "a": {}}', "'a' is there twice"),
    "nan": ("atlas", '{"a": {"0": {"start": NaN}}}', "not JSON: NaN is no number"),
    "infinite": ("atlas", '{"a": {"0": {"start": 1e999}}}', "'a', 0: start must be seconds"),
    "no end": ("atlas", '{"a": {"0": {"start": 1}}}', "'a', 0: end must be seconds"),
    "no label": ("atlas", '{"a": {"0": {"start": 1, "end": 2}}}', "'label' must be a text"),
    "success": (
        "atlas", '{"a": {"0": {"start": 1, "end": 2, "label": "x", "success": 3}}}',
        "'success' must be true or false, got 3",
    ),
    "number": ("labelstudio", "7", "no export of Label Studio"),
    "no data": ("labelstudio", "[{}]", "task 1: 'data' must be entries"),
    "region": ("labelstudio", task({}, "rectangle"), "a region is 'rectangle', not one of labels"),
    "two labels": ("labelstudio", task({"labels": ["a", "b"]}), "a region needs one label"),
    "date": (
        "labelstudio",
        task({"start": "2020-01-01", "end": 1, "timeserieslabels": ["a"]}, "timeserieslabels"),
        "task 1: start must be seconds within the recording, got '2020-01-01'",
    ),
    "frames": (
        "labelstudio",
        task({"ranges": [{"start": 0, "end": 1e308}], "timelinelabels": ["a"]}, "timelinelabels"),
        "a range must have frames from 1 on",
    ),
    "results of text": ("labelstudio", task({}).replace("[{", '"', 1), "not JSON"),
    "damaged own": (
        "labelstudio", '[{"data": {"m2r2": {"epoch_ns": "soon"}}}]', "of its data is damaged",
    ),
    "spaces": ("audacity", "0 1 wipe\n", "line 1: '0 1 wipe' is not start, end and label"),
    "binary": ("audacity", "\x00\x01\t\x02\tx", "line 1: start is no number"),
    "decimal comma": ("audacity", "0,5\t1\tx\n", "with a point, not with a comma"),
    "empty frames": ("mstcn", "\n\n", "0 frames; it needs 1 to"),
    "no hdf5": ("reassemble", "hello", "not an HDF5 file"),
}  # fmt: skip


@pytest.mark.parametrize(("form", "text", "line"), HOSTILE.values(), ids=HOSTILE)
def test_one_line(tmp_path, form, text, line):
    path = tmp_path / f"a{find_format(form).suffix or '.txt'}"
    path.write_text(text)
    with pytest.raises(M2R2Error) as caught:
        find_format(form).read(path, FormatOptions(10.0))
    said = str(caught.value)
    assert line in said and said.isprintable() and len(said) < 1000


@pytest.mark.parametrize("form", format_names())
@pytest.mark.parametrize("kind", ["huge", "missing", "folder", "binary"])
def test_files_that_are_none_are_refused_by_every_form(tmp_path, capsys, form, kind):
    path = tmp_path / "x.bin"
    if kind == "huge":
        with path.open("wb") as file:
            file.truncate(2**34)
    elif kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(bytes(range(256)) * 20)
    arguments = ["labels", "import", path, "--format", form, "--rate", 10]
    assert main([*map(str, arguments)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(path) in said and "Traceback" not in said


@pytest.mark.parametrize(("form", "text"), [("atlas", "{}"), ("labelstudio", "[]")])
def test_a_file_of_no_recording_is_not_taken_without_a_word(tmp_path, capsys, form, text):
    (tmp_path / "x.json").write_text(text)
    assert main(["labels", "import", str(tmp_path / "x.json"), "--format", form]) == 2
    assert "names no recording" in capsys.readouterr().err


def test_labels_are_not_exported_over_a_recording_s_own(tmp_path):
    path = tmp_path / "a.labels.json"
    path.write_text("mine")
    export = LabelExport([LabelTrack("a", (), 0)], {}, [])
    with pytest.raises(M2R2Error, match="a recording's own labels"):
        export.write(path, find_format("atlas"), FormatOptions(overwrite=True))
    assert path.read_text() == "mine"


@pytest.mark.parametrize("rate", ["1e308", "1e-320", "-1", "nan", "inf"])
@pytest.mark.parametrize(
    "verb",
    [
        ["labels", "import", "--format", "mstcn"],
        ["labels", "export", "--format", "mstcn"],
        ["convert", "--storage", "lerobot"],
    ],
)
def test_rates_that_are_none(tmp_path, capsys, verb, rate):
    (tmp_path / "a.h5").write_text("wipe\n")
    given = [*verb, tmp_path / "a.h5", f"--rate={rate}"]
    assert main([*map(str, given), "--out", str(tmp_path)]) == 2
    assert "--rate must be frames a second, got" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(tmp_path, end):
    path = tmp_path / "a.txt"
    path.write_bytes(end.join(("0\t1\ta", "1\t2\tb")).encode())
    (track,) = find_format("audacity").read(path, FormatOptions())
    assert [span.label for span in track.spans] == ["a", "b"]


@pytest.mark.parametrize("form", [name for name in format_names() if name != "lerobot"])
def test_labels_are_not_exported_into_a_bag(tmp_path, form):
    (tmp_path / "metadata.yaml").touch()
    export = LabelExport([LabelTrack("a", (), 0)], {}, [])
    with pytest.raises(M2R2Error, match="is a bag, which is not written to"):
        export.write(tmp_path, find_format(form), FormatOptions(10.0))
    assert [path.name for path in tmp_path.iterdir()] == ["metadata.yaml"]


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "x/y", "..", "a\x1b[31m"])
def test_names_that_lead_elsewhere(tmp_path, capsys, name):
    (tmp_path / "x.json").write_text(json.dumps({name: {}}))
    arguments = ["labels", "import", tmp_path / "x.json", "--format", "atlas"]
    assert main([*map(str, arguments), "--recording", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "is no name of a recording" in said or "no recording in" in said
    assert said.count("\n") == 1 and [p.name for p in tmp_path.iterdir()] == ["x.json"]


# ------------------------------------------------------------------------------------ LeRobot


def dataset(folder: Path, columns=None, info=None, subtasks=None) -> Path:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    values = {"codebase_version": "v3.0", "fps": 10} | (info or {})
    (folder / "meta").mkdir()
    (folder / "meta/info.json").write_text(json.dumps(values))
    given = {"episode_index": [0, 0], "frame_index": [0, 1], "subtask_index": [0, 0]}
    (folder / "data/chunk-000").mkdir(parents=True)
    pq.write_table(pa.table(given | (columns or {})), folder / "data/chunk-000/file-000.parquet")
    names = {"subtask_index": [0], "subtask": ["wipe"]} if subtasks is None else subtasks
    pq.write_table(pa.table(names), folder / "meta/subtasks.parquet")
    return folder


LEROBOT = {
    "version": (dict(info={"codebase_version": "v2.1"}), "no LeRobotDataset v3.x, it says 'v2.1'"),
    "fps": (dict(info={"fps": 1e308}), "fps must be frames a second"),
    "no fps": (dict(info={"fps": "30"}), "fps must be frames a second, got '30'"),
    "other fps": (
        dict(columns={"timestamp": [0.0, 0.2]}),
        "frame 1 is stamped 0.2 s, and meta/info.json says 10",
    ),
    "no time": (dict(columns={"timestamp": [0.0, float("nan")]}), "frame 1 is stamped nan s"),
    "slow fps": (dict(info={"fps": 1e-300}), "fps must be frames a second"),
    "index": (dict(columns={"subtask_index": [0, 7]}), "subtask_index 7 is not in"),
    "frames": (dict(columns={"frame_index": [0, 5]}), "not numbered from 0 on"),
    "episode": (dict(columns={"episode_index": [0, -1]}), "a frame has the numbers -1, 1"),
    "texts": (dict(subtasks={"subtask_index": [0], "subtask": [1.5]}), "'subtask' are no texts"),
    "no texts": (dict(subtasks={"subtask_index": [0]}), "needs subtask_index and the subtasks'"),
}


@pytest.mark.parametrize(("given", "line"), LEROBOT.values(), ids=LEROBOT)
def test_data_sets_of_lerobot_that_are_damaged(tmp_path, given, line):
    path = dataset(tmp_path, **given)
    with pytest.raises(M2R2Error) as caught:
        find_format("lerobot").read(path, FormatOptions())
    assert line in str(caught.value)


def test_a_pipe_in_the_place_of_a_table_is_not_waited_for(tmp_path):
    (table,) = dataset(tmp_path).glob("data/*/*.parquet")
    table.unlink()
    os.mkfifo(table)
    with pytest.raises(M2R2Error, match="not a file"):
        find_format("lerobot").read(tmp_path, FormatOptions())


def test_without_pyarrow_the_command_to_install_it_is_named(tmp_path, monkeypatch, capsys):
    dataset(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    arguments = ["labels", "import", tmp_path, "--format", "lerobot"]
    assert main([*map(str, arguments)]) == 2
    assert "needs pyarrow: run `pip install pyarrow`" in capsys.readouterr().err


def test_both_forms_of_lerobot_are_read(tmp_path):
    pa = pytest.importorskip("pyarrow")
    row = {"role": "assistant", "style": "subtask", "camera": None, "tool_calls": None}
    rows = [
        {**row, "content": "whole task", "timestamp": 0.0},
        {**row, "content": "reach", "timestamp": 0.0},
        {**row, "content": "memory", "timestamp": 0.1, "style": "memory"},
        {**row, "content": "grasp", "timestamp": 0.2},
    ]
    columns = {
        "episode_index": [0] * 3 + [1] * 2,
        "frame_index": [0, 1, 2, 0, 1],
        "subtask_index": pa.array([0, 0, 0, -1, 1]),
        "language_persistent": [rows] * 3 + [[]] * 2,
    }
    names = {"subtask_index": [0, 1], "__index_level_0__": ["reach", "grasp"]}
    path = dataset(tmp_path, columns, subtasks=names)
    form = find_format("lerobot")
    tracks = form.read(path, FormatOptions())
    found = [[(s.start_ns, s.end_ns, s.label) for s in track.spans] for track in tracks]
    assert found == [[(0, 300_000_000, "reach")], [(100_000_000, 200_000_000, "grasp")]]
    (path / "meta/subtasks.parquet").unlink()
    tracks = form.read(path, FormatOptions())
    assert [(s.start_ns, s.end_ns, s.label) for s in tracks[0].spans] == [
        (0, 200_000_000, "reach"), (200_000_000, 300_000_000, "grasp"),
    ]  # fmt: skip
    assert tracks[1].spans == () and tracks[1].name == "episode_000001"


@pytest.mark.parametrize("end_s", [0, 1])
def test_a_label_as_long_as_a_book_is_refused_in_a_short_line(end_s):
    span = LabelSpan(0, end_s * NS, "x" * 100_000)
    with pytest.raises(M2R2Error) as caught:
        labels_of(LabelTrack("a", (span,)), NS)
    assert len(str(caught.value)) < 1000
