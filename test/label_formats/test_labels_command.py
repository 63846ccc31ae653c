# SPDX-License-Identifier: Apache-2.0
"""`m2r2 labels`: from and to other tools, for recordings that are there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from recordings import recording
from tiny_models import write_encoder
from vocabularies import CAPS

from m2r2_ros.cli.convert import convert
from m2r2_ros.cli.main import main
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.labels_file import find_labels, labels_path, write_labels
from m2r2_ros.datasets.reassemble import open_recording
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording_labels import Label, RecordingLabels
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.vocabulary_file import write_vocabulary
from m2r2_ros.label_formats.label_format import FormatOptions
from m2r2_ros.label_formats.registry import find_format
from m2r2_ros.sensing.layout import SensorLayout

MS = 10**6
FORMS = ["atlas", "audacity", "csv", "elan", "labelstudio", "lerobot", "mstcn", "reassemble"]


def run(*arguments: object) -> int:
    return main(["labels", *map(str, arguments)])


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """`a.h5` and the bag `bags/a`, with labels inside."""
    place = tmp_path_factory.mktemp("labels")
    data = recording(3.0, "a", cameras=("hama1",))
    few = {name: data.signals[name] for name in ("measured_force", "measured_torque")}
    write_recording(place / "a.h5", replace(data, audio={}, signals=few))
    convert(place / "a.h5", place / "bags")
    return place


@pytest.fixture
def place(made, tmp_path, monkeypatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start_of(path: Path) -> int:
    with open_source(path) as source:
        return source.start_ns


def own_labels(path: Path, tick_ns: int = 100 * MS, **changes) -> RecordingLabels:
    """Confirmed labels with a gap; written beside a recording."""
    zero = start_of(path)
    spans = ((0, 5, "tighten cap", "success"), (5, 9, "wait", None), (12, 20, "wipe", "failure"))
    labels = tuple(
        Label(zero + a * tick_ns, zero + b * tick_ns, name, outcome, "human", 0.75)
        for a, b, name, outcome in spans
    )
    labels = replace(RecordingLabels(zero, labels, False, CAPS), **changes)
    write_labels(labels_path(path), labels)
    return labels


def spans_of(labels: RecordingLabels):
    return [(label.start_ns, label.end_ns, label.label) for label in labels.labels]


@pytest.mark.parametrize("form", FORMS)
def test_there_and_back_again(place, form, capsys):
    """The stamps of each label are those before, whatever the form counts from."""
    if form == "lerobot":
        pytest.importorskip("pyarrow")
    path = Path("a.h5" if form == "reassemble" else "bags/a")
    labels, rate = own_labels(path), ["--rate", 10]
    out = Path("out" if find_format(form).suffix == "" else f"a{find_format(form).suffix}")
    out = Path("copy.h5") if form == "reassemble" else out
    assert run("export", path, "--format", form, "--out", out, *rate) == 0
    labels_path(path).unlink()
    said = capsys.readouterr().err
    assert ("has no place for" in said) == (form not in ("elan", "labelstudio"))
    assert ("what the labels mean" in said) == (form not in ("elan", "labelstudio"))
    write_vocabulary(path.parent, CAPS)
    how = ["--recording", path, "--format", form, *rate]
    if form == "reassemble":
        how = ["--recording", "copy.h5", "--format", form]
        path = out
    assert run("import", out, *how) == 0
    found = find_labels(path)
    assert spans_of(found) == spans_of(labels)
    assert (found.vocabulary, found.epoch_ns) == (CAPS, labels.epoch_ns)
    with open_source(path) as source:
        assert source.complete == (form == "reassemble")


@pytest.mark.parametrize("form", ["csv", "elan", "labelstudio"])
def test_everything_that_is_said_of_a_label_comes_back(place, form):
    labels = own_labels(Path("bags/a"))
    assert run("export", "bags/a.labels.json", "--format", form, "--out", "out") == 0
    file = Path("out") if form == "labelstudio" else next(Path("out").iterdir())
    labels_path(Path("bags/a")).unlink()
    assert run("import", file, "--recording", "bags", "--format", form) == 0
    assert find_labels(Path("bags/a")).labels == labels.labels


def test_labels_inside_a_recording_are_exported(place):
    assert run("export", "a.h5", "bags/a", "--format", "csv", "--out", "out") == 2
    assert run("export", "a.h5", "--format", "csv", "--out", "a.csv") == 0
    lines = Path("a.csv").read_bytes().split(b"\r\n")
    assert lines[0] == b"start,end,label,outcome,source,confidence"
    # Times from the first frame, which comes 10 ms after the start that the file counts from.
    assert lines[2] == b"1.49,2.89,Insert USB,failure,human,1.0"
    assert run("export", "bags/a", "--format", "csv", "--out", "out") == 0
    assert Path("out/a.csv").read_text().splitlines()[2] == "1.49,2.89,Insert USB,failure,human,1.0"


@pytest.mark.parametrize("form", ["audacity", "elan", "labelstudio", "lerobot", "mstcn"])
def test_a_label_that_begins_before_the_first_frame_is_cut_there(place, form, capsys):
    """The labels inside the file begin with it, 10 ms before its first frame."""
    if form == "lerobot":
        pytest.importorskip("pyarrow")
    options = FormatOptions(100.0)
    assert run("export", "a.h5", "--format", form, "--out", "out", "--rate", 100) == 0
    said = "1 labels begin before zero, from which this form counts: they are cut there"
    assert f"a: {said}" in capsys.readouterr().err
    file = Path(f"out/a{find_format(form).suffix}")
    (track,) = find_format(form).read(file if file.is_file() else Path("out"), options)
    # Idle time after the last label is a label of its own in mstcn.
    assert [span.start_ns for span in track.spans][:2] == [0, 1490 * MS]


def test_atlas_counts_from_the_first_message_of_a_bag(place):
    """The first message of the bag comes 10 ms before the first frame."""
    own_labels(Path("bags/a"))
    with open_bag(Path("bags/a")) as bag:
        ahead_s = (start_of(Path("bags/a")) - bag.start_ns) / 1e9
    assert 0 < ahead_s < 0.02
    assert run("export", "bags/a", "--format", "atlas", "--out", "atlas.json") == 0
    first = json.loads(Path("atlas.json").read_text())["a"]["0"]
    assert first["start"] == pytest.approx(ahead_s, abs=1e-9)
    assert (first["label"], first["success"]) == ("tighten cap", True)


def test_atlas_files_as_atlas_writes_them(place):
    given = {"start": 0.5, "end": 1.0, "label": "wipe", "success": False, "color": [0.1, 0.2, 0.3]}
    Path("x.json").write_text(
        json.dumps({"a": {"3": given, "0": {**given, "start": 0, "end": 0.5}}})
    )
    assert run("import", "x.json", "--format", "atlas", "--recording", "bags") == 0
    found = find_labels(Path("bags/a"))
    assert [(x.label, x.outcome, x.source) for x in found.labels] == [
        ("wipe", "failure", "import")
    ] * 2


def test_a_copy_of_a_reassemble_file_keeps_the_rest(place, capsys):
    write_recording(place / "s.h5", recording(3.0, "s"))
    before = (place / "s.h5").read_bytes()
    with open_recording(place / "s.h5") as source:
        skills = [action.low_level for action in source.actions]
    assert [len(each) for each in skills] == [0, 2]
    assert run("import", "s.h5", "--format", "reassemble") == 0
    assert "its 2 low-level skills are not taken" in capsys.readouterr().err
    assert run("export", "s.h5", "--format", "reassemble", "--out", "s.h5") == 2
    assert run("export", "s.h5", "--format", "reassemble", "--out", "s.h5", "--overwrite") == 2
    assert "s.h5: is read, and --out would take its place" in capsys.readouterr().err
    assert run("export", "s.h5", "--format", "reassemble", "--out", "c.h5") == 0
    assert (place / "s.h5").read_bytes() == before
    with open_recording(place / "c.h5") as copy, h5py.File(place / "s.h5") as original:
        assert [action.low_level for action in copy.actions] == skills
        with h5py.File(place / "c.h5") as file:
            assert file.keys() == original.keys()
            assert file["hama1"][()] == original["hama1"][()]
    assert run("export", "bags/a", "--format", "reassemble", "--out", "d.h5") == 2
    assert "labels of 'a' go into a copy of its .h5, which is not there" in capsys.readouterr().err


def test_frames_of_extracted_features_have_their_stamps(place):
    """No rate is asked for: `m2r2 extract` keeps where each frame ends."""
    path = Path("bags/a")
    labels = own_labels(path)
    write_encoder(place / "encoder.onnx", SensorLayout(cameras=("hama1",)))
    arguments = ["extract", path, "--encoder", "encoder.onnx", "--out", "features"]
    assert main([*map(str, arguments)]) == 0
    labels_path(path).unlink()
    assert run("import", "features", "--format", "mstcn", "--recording", "bags") == 0
    found = find_labels(path)
    assert [x.label for x in found.labels] == [x.label for x in labels.labels]
    apart = np.subtract([x[:2] for x in spans_of(found)], [x[:2] for x in spans_of(labels)])
    assert np.abs(apart).max() <= 100 * MS


def test_label_studio_video_timelines_count_frames_from_one(place, capsys):
    region = {
        "type": "timelinelabels",
        "value": {"ranges": [{"start": 1, "end": 15}], "timelinelabels": ["wipe"]},
    }
    sound = {"type": "labels", "value": {"start": 1.5, "end": 2, "labels": ["wait"]}}
    task = {"data": {"video": "/data/upload/3/1a2b3c4d-a.mp4"}}
    old = {"result": [{**sound, "value": {"start": 0, "end": 9, "labels": ["old"]}}]}
    task["annotations"] = [old, {"result": [sound, region]}]
    Path("x.json").write_text(json.dumps([task]))
    how = ["import", "x.json", "--format", "labelstudio", "--recording", "bags"]
    assert run(*how) == 2
    assert "--rate says how many a second" in capsys.readouterr().err
    assert run(*how, "--rate", 15) == 0
    assert "the last of its 2 annotations is taken" in capsys.readouterr().err
    zero = start_of(Path("bags/a"))
    assert spans_of(find_labels(Path("bags/a"))) == [
        (zero, zero + 10**9, "wipe"), (zero + 1500 * MS, zero + 2000 * MS, "wait"),
    ]  # fmt: skip


def test_elan_names_its_tiers(place, capsys):
    own_labels(Path("bags/a"))
    assert run("export", "bags/a", "--format", "elan", "--out", "a.eaf") == 0
    assert 'xsi:noNamespaceSchemaLocation="http' in Path("a.eaf").read_text()
    tier = '<TIER LINGUISTIC_TYPE_REF="labels" TIER_ID="speech" />'
    text = Path("a.eaf").read_text().replace("<LINGUISTIC_TYPE ", f"{tier}<LINGUISTIC_TYPE ", 1)
    Path("two.eaf").write_text(text)
    how = ["import", "two.eaf", "--format", "elan", "--recording", "bags/a", "--overwrite"]
    assert run(*how) == 2
    assert "--tier names one of 'label', 'speech'" in capsys.readouterr().err
    assert run(*how, "--tier", "lable") == 2
    assert "has no tier 'lable' (did you mean 'label'?)" in capsys.readouterr().err
    assert run(*how, "--tier", "label") == 0


def test_proposals_of_a_model_do_not_become_labels_by_the_way(place, capsys):
    """A form that cannot say who says it gets what is confirmed."""
    path = Path("bags/a")
    labels = own_labels(path)
    proposed = replace(labels.labels[2], source="model")
    write_labels(labels_path(path), replace(labels, labels=(*labels.labels[:2], proposed)))
    assert run("export", path, "--format", "audacity", "--out", "a.txt") == 0
    assert "1 proposal of a model" in capsys.readouterr().err
    assert "wipe" not in Path("a.txt").read_text()
    assert run("export", path, "--format", "csv", "--out", "a.csv") == 0
    assert run("import", "a.csv", "--format", "csv", "--recording", path, "--overwrite") == 0
    assert find_labels(path).proposals == 1


def csv(*rows: str) -> str:
    return "\n".join(["start,end,label", *rows])


REFUSED = {
    "overlap": (csv("0,1.5,wipe", "1,2,wait"), "'wipe' from 0 s to 1.5 s and 'wait' from 1 s to 2"),
    "outside": (csv("0,1,wipe", "20,21,wait"), "'wait' from 20.000 s to 21.000 s lie outside"),
    "many outside": (csv("20,21,a", "22,23,b"), "s and 1 more lie outside bags/a, which lasts 3."),
    "no length": (csv("1,1,wipe"), "'wipe' from 1 s to 1 s has no length: give it an end"),
    "backwards": (csv("2,1,wipe"), "has no length"),
    "nan": (csv("nan,1,wipe"), "row 1: start is no number: 'nan'"),
    "huge": (csv("0,1e308,wipe"), "row 1: end must be seconds"),
    "underscore": (csv("0,1_0,wipe"), "row 1: end is no number"),
    "label": (csv('0,1,"a\nb\x07"'), None),
    "columns": ("begin,end,label\n0,1,x", "must name the column 'start'"),
    "short row": (csv("0,1"), "row 1 has 2 fields, the first line names 3"),
    "quotes": (csv('0,1,"x'), "no table of commas, line 2: unexpected end of data"),
    "source": ("start,end,label,source\n0,1,x,robot", "source must be human, mark"),
    "empty": ("", "must name the column 'start'"),
    "confidence": ("start,end,label,confidence\n0,1,x,7", "confidence must be 0 to 1, not 7.0"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_one_line(place, capsys, text, line):
    Path("x.csv").write_bytes(text.encode())
    status = run("import", "x.csv", "--format", "csv", "--recording", "bags/a")
    said = capsys.readouterr().err
    if line is None:
        assert status == 0
        return
    assert status == 2 and said.count("\n") == 1
    assert said.startswith("m2r2 labels: x.csv: ") and line in said
    assert find_labels(Path("bags/a")) is None


def test_all_files_are_checked_before_one_is_written(place, capsys):
    shutil.copytree("bags/a", "bags/b")
    Path("a.csv").write_text(csv("0,1,wipe"))
    Path("b.csv").write_text(csv("0,99,wipe"))
    assert run("import", "a.csv", "b.csv", "--format", "csv", "--recording", "bags") == 2
    assert not list(Path("bags").glob("*.json"))
    Path("b.csv").write_text(csv("0,1.0004,wipe", "1,2,wait"))
    assert run("import", "a.csv", "b.csv", "--format", "csv", "--recording", "bags") == 0
    assert "1 labels end up to 1 ms after the next begins" in capsys.readouterr().err
    assert run("import", "a.csv", "--format", "csv", "--recording", "bags") == 2
    assert "bags/a.labels.json is there already: give --overwrite" in capsys.readouterr().err
    assert run("import", "a.csv", "--format", "csv", "--recording", "bags", "--out", "o") == 0
    assert Path("o/a.labels.json").exists()


def test_a_recording_is_found_by_its_name_or_asked_for(place, capsys):
    Path("a.txt").write_text("0\t1\twipe\n")
    assert run("import", "a.txt", "--format", "audacity") == 0
    assert find_labels(Path("a.h5"))
    Path("bags/c.txt").write_text("0\t1\twipe\n")
    assert run("import", "bags/c.txt", "--format", "audacity") == 2
    assert "no recording in bags is called 'c': give --recording" in capsys.readouterr().err


def test_labels_that_the_vocabulary_beside_does_not_have_are_named(place, capsys):
    write_vocabulary(Path("bags"), CAPS)
    Path("x.csv").write_text(csv("0,1,wip"))
    assert run("import", "x.csv", "--format", "csv", "--recording", "bags/a") == 2
    line = "label 'wip' of bags/a.labels.json is not in bags/vocabulary.yaml (did you mean 'wipe'?)"
    assert line in capsys.readouterr().err


def test_what_is_taken_for_granted_is_said(place, capsys):
    """Another name than the recording's; a zero that no topic of the parameter file tells."""
    (place / "x.json").write_text(json.dumps({"b": {"0": {"start": 0, "end": 1, "label": "x"}}}))
    given = ("import", "x.json", "--format", "atlas", "--recording", "bags/a", "--overwrite")
    assert run(*given) == 0
    assert "the file calls it 'b', taken for bags/a" in capsys.readouterr().err
    (place / "a.csv").write_text("start,end,label\n0,1,x\n")
    (place / "robot.yaml").write_text("/**: {ros__parameters: {topics: {wrench: /elsewhere}}}")
    labels_path(place / "bags" / "a").unlink()
    given = ("import", "a.csv", "--format", "csv", "--recording", "bags/a", "--out", "checked")
    for more, is_guessed in (((), False), (("--config", "robot.yaml", "--overwrite"), True)):
        assert run(*given, *more) == 0
        assert ("times count from its first message" in capsys.readouterr().err) == is_guessed
    assert run("import", "a.csv", "--format", "csv", "--recording", "a.csv") == 2
    assert "neither a recording nor a folder of recordings" in capsys.readouterr().err
