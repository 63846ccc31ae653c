# SPDX-License-Identifier: Apache-2.0
"""Labels beside a recording are its labels, for every command and every form of recording."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from recordings import recording
from tiny_models import write_encoder, write_models
from vocabularies import CAPS

from m2r2_ros.cli.convert import convert
from m2r2_ros.cli.main import main
from m2r2_ros.datasets.annotations import label_digest
from m2r2_ros.datasets.labels_file import find_labels, labels_path, write_labels
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.recording_labels import Label, RecordingLabels
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.datasets.vocabulary_file import find_vocabulary, write_vocabulary
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.recordings import labelled_windows
from m2r2_ros.vocabulary import UNLABELLED, Vocabulary

LAYOUT = SensorLayout(cameras=("hama1",))
DURATION_S = 3.0


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A recording with labels inside as a file, as a bag and as a bag's file; models."""
    place = tmp_path_factory.mktemp("beside")
    write_recording(place / "a.h5", recording(DURATION_S, "a", cameras=("hama1",)))
    convert(place / "a.h5", place / "bags")
    write_encoder(place / "encoder.onnx", LAYOUT)
    write_models(place / "models", LAYOUT)
    return place


FORMS = ["a.h5", "bags/a", "bags/a/a.mcap", "lone.mcap"]
# A file and a folder, for what takes long.
few = pytest.mark.parametrize("path", FORMS[:2], indirect=True)


@pytest.fixture(params=FORMS)
def path(request, made, tmp_path) -> Path:
    shutil.copytree(made / "bags", tmp_path / "bags")
    shutil.copy(made / "a.h5", tmp_path)
    if request.param == "lone.mcap":
        (tmp_path / "lone").mkdir()
        shutil.move(tmp_path / "bags/a/a.mcap", tmp_path / "lone/lone.mcap")
        return tmp_path / "lone/lone.mcap"
    return tmp_path / request.param


def start_of(path: Path) -> int:
    with open_source(path) as source:
        return source.start_ns


def put_labels(path: Path, *spans, complete=False, vocabulary=CAPS, epoch_s=-7.25) -> int:
    """Labels (start_s, end_s, name, source) from the first frame on; returns their epoch."""
    start_ns = start_of(path)
    labels = tuple(
        Label(start_ns + round(a * 1e9), start_ns + round(b * 1e9), name, source=source)
        for a, b, name, source in spans
    )
    epoch_ns = start_ns + round(epoch_s * 1e9)
    write_labels(labels_path(path), RecordingLabels(epoch_ns, labels, complete, vocabulary))
    return epoch_ns


SPANS = ((0.5, 1.2, "tighten cap", "human"), (1.2, 2.0, "wipe", "mark"))


def test_they_win_over_labels_inside_and_it_is_said_once(path):
    with open_source(path) as source:
        assert len(source.actions) == 2 and source.complete
    put_labels(path, *SPANS)
    with open_source(path) as source:
        list(windows(source, LAYOUT))
        assert source.actions == [Action(0.5, 1.2, "tighten cap."), Action(1.2, 2.0, "wipe.")]
        assert (source.complete, source.vocabulary) == (False, CAPS)
        lines = [line for line in source.problems if "labels" in line]
        assert lines == [f"its labels are those of {labels_path(path).name}, not those inside it"]


@pytest.mark.parametrize("sensor", ["pose", "wrench", "hama1"])
def test_times_do_not_depend_on_which_topics_are_configured(path, sensor):
    put_labels(path, *SPANS)
    with open_source(path) as source:
        stamps = [source.start_ns + round(action.start_s * 1e9) for action in source.actions]
    camera = "" if sensor in SensorLayout().signals else sensor
    topics = TopicMap({sensor: TopicMap().topics[sensor]}, reference_camera=camera)
    layout = LAYOUT if camera else SensorLayout(cameras=(), audio=False, signals=(sensor,))
    with open_source(path, topics) as source:
        list(windows(source, layout))
        assert [source.start_ns + round(a.start_s * 1e9) for a in source.actions] == stamps


def test_what_a_model_proposes_is_no_label(path):
    put_labels(path, *SPANS, (2.0, 3.0, "wipe", "model"), complete=True)
    with open_source(path) as source:
        assert len(source.actions) == 2
        # Time that waits for somebody to confirm it is not idle.
        assert not source.complete
        end = "without 1 that a model proposes and nobody has confirmed"
        assert source.problems[-1].endswith(end)
    with open_source(path) as source:
        labels = {label for _, label in labelled_windows(path, LAYOUT)}
    assert labels == {"tighten cap", "wipe", UNLABELLED}


def extract(made, out, *recordings, more=()) -> int:
    return run("extract", *recordings, "--encoder", made / "encoder.onnx", "--out", out, *more)


@few
@pytest.mark.parametrize("complete", [False, True])
def test_extract_labels_frames_by_them_and_the_rest_is_unlabelled(made, path, tmp_path, complete):
    put_labels(path, *SPANS, complete=complete)
    assert extract(made, tmp_path / "out", path) == 0
    folder = FeatureFolder(tmp_path / "out")
    assert folder.labels == list(CAPS.labels)
    assert find_vocabulary(folder.path) == CAPS
    found = folder.ground_truth("a" if path.stem == "a" else "lone")
    middles = (np.arange(len(found)) + 0.5) * LAYOUT.period_ns / 1e9
    gap = "wait" if complete else UNLABELLED
    expected = [next((n for a, b, n, _ in SPANS if a <= t < b), gap) for t in middles]
    # A frame's window ends with a picture, up to a period away from a regular grid.
    wrong = [i for i, pair in enumerate(zip(found, expected, strict=True)) if len({*pair}) > 1]
    assert len(wrong) <= 3 and {*found} == {"tighten cap", "wipe", gap}


@few
def test_extract_and_pretrain_notice_that_labels_have_changed(made, path, tmp_path, capsys):
    from m2r2_ros.training.cache import _recording_key

    before = _recording_key(path)
    put_labels(path, *SPANS)
    assert before != (after := _recording_key(path))
    assert extract(made, tmp_path / "out", path) == extract(made, tmp_path / "out", path) == 0
    assert "1 were there already" in capsys.readouterr().out
    put_labels(path, *SPANS[:1])
    assert after != _recording_key(path)
    assert extract(made, tmp_path / "out", path) == 0
    assert "0 were there already" in capsys.readouterr().out
    truth = next((tmp_path / "out/groundTruth").iterdir()).read_text().splitlines()
    assert {*truth} == {"tighten cap", UNLABELLED}


@few
def test_inspect_shows_them(path, tmp_path, capsys):
    put_labels(path, *SPANS)
    assert run("inspect", path, "--out", tmp_path / "seen.png") == 0
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert [entry["label"] for entry in seen["actions"]] == ["tighten cap", "wipe"]
    assert "its labels are those of " in capsys.readouterr().err


@few
def test_a_segments_file_counts_from_their_epoch(made, path, tmp_path):
    arguments = ["segment", path, "--models", made / "models", "--json"]
    assert run(*arguments, tmp_path / "bare.json") == 0
    bare = json.loads((tmp_path / "bare.json").read_text())
    put_labels(path, *SPANS)
    assert run(*arguments, tmp_path / "s.json", "--plot", tmp_path / "s.png") == 0
    segments = json.loads((tmp_path / "s.json").read_text())
    assert bare and [s["start"] - 7.25 for s in segments] == pytest.approx(
        [s["start"] for s in bare], abs=1e-9
    )


# ------------------------------------------------------------------------------- vocabularies


def test_the_vocabulary_beside_may_have_grown_and_is_taken(path):
    put_labels(path, *SPANS)
    grown = replace(CAPS, labels=(*CAPS.labels, "rest"))
    place = labels_path(path).parent
    write_vocabulary(place, grown)
    with open_source(path) as source:
        assert source.vocabulary == grown


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (CAPS.with_idle(["wipe"]), "disagree on whether 'wait' is idle: change one of them"),
        (CAPS.on(["wait", "wipe"]), "label 'tighten cap' of "),
    ],
)
def test_vocabularies_that_disagree_are_named_both(path, other, line):
    put_labels(path, *SPANS)
    place = labels_path(path).parent
    write_vocabulary(place, other)
    with pytest.raises(M2R2Error) as caught, open_source(path):
        pass
    said = str(caught.value)
    assert (
        line in said and str(labels_path(path)) in said and str(place / "vocabulary.yaml") in said
    )


def test_labels_files_that_disagree_are_named_both(made, tmp_path, capsys):
    for name, vocabulary in (("a", CAPS), ("b", CAPS.with_idle([]))):
        shutil.copy(made / "a.h5", tmp_path / f"{name}.h5")
        put_labels(tmp_path / f"{name}.h5", *SPANS, vocabulary=vocabulary)
    assert extract(made, tmp_path / "out", tmp_path) == 2
    first, second = (f"the {n}.h5.labels.json beside {tmp_path / n}.h5" for n in "ab")
    line = f"{first} and {second} disagree on whether 'wait' is idle: give one by --vocabulary"
    assert line in capsys.readouterr().err


def test_without_a_vocabulary_the_labels_say_what_they_are(path):
    put_labels(path, (0.5, 1.0, "Insert USB", "human"), vocabulary=None)
    with open_source(path) as source:
        assert source.vocabulary.object_of("Insert USB") == "USB"
    put_labels(path, (0.5, 1.0, "stir", "human"), vocabulary=None)
    with open_source(path) as source:
        assert source.vocabulary is None


def test_a_damaged_file_stops_every_command_with_its_name(path, capsys):
    labels_path(path).write_text('{"format": 2}')
    assert run("inspect", path) == 2
    said = capsys.readouterr().err.strip()
    assert said == f"m2r2 inspect: {labels_path(path)}: 'format' must be 1, got 2"


# ------------------------------------------------------------------------------------ convert


def test_convert_takes_them_along_as_topics_and_as_a_file(made, tmp_path):
    path = tmp_path / "a.h5"
    shutil.copy(made / "a.h5", path)
    put_labels(path, *SPANS, (2.0, 3.0, "wipe", "model"))
    bag = convert(path, tmp_path / "bags")
    assert find_labels(bag) == find_labels(path)
    with open_source(path) as one, open_source(bag) as two:
        assert (one.actions, one.complete, one.vocabulary) == (
            two.actions, two.complete, two.vocabulary
        )  # fmt: skip
    labels_path(bag).unlink()
    with open_source(bag) as alone:
        assert label_digest(alone.actions) == label_digest(one.actions)
        assert not alone.complete


def test_a_file_that_was_edited_beside_the_bag_stays(made, tmp_path, capsys):
    path, bag = tmp_path / "a.h5", tmp_path / "bags/a"
    shutil.copy(made / "a.h5", path)
    put_labels(path, *SPANS)
    convert(path, tmp_path / "bags")
    put_labels(path, *SPANS[:1])
    with pytest.raises(M2R2Error, match="was made otherwise: give --overwrite"):
        convert(path, tmp_path / "bags")
    convert(path, tmp_path / "bags", overwrite=True)
    assert find_labels(bag) == find_labels(path)

    put_labels(bag, *SPANS[1:])
    edited = find_labels(bag)
    for overwrite in (False, True):
        convert(path, tmp_path / "bags", overwrite=overwrite)
        line = f"{bag}.labels.json stays as it is: it was changed since it came from {path}"
        assert line in capsys.readouterr().err
        assert find_labels(bag) == edited
    shutil.rmtree(bag)
    with pytest.raises(M2R2Error, match=r"a\.h5\.labels\.json and .*a\.labels\.json differ"):
        convert(path, tmp_path / "bags")


def test_arrays_carry_their_labels_and_several_recordings_in_a_file_cannot(tmp_path, capsys):
    (tmp_path / "layout.yaml").write_text("signals: {wrench: {width: 6}}\naudio: false\n")
    mapping = {"signals": {"wrench": "ft"}, "rate_hz": 100}
    (tmp_path / "one.yaml").write_text(json.dumps(mapping))
    (tmp_path / "many.yaml").write_text(json.dumps(mapping | {"recordings": "demo_*"}))
    np.savez(tmp_path / "e.npz", ft=np.zeros((300, 6)))
    with h5py.File(tmp_path / "m.hdf5", "w") as file:
        for number in range(2):
            file[f"demo_{number}/ft"] = np.zeros((300, 6))
    epoch_ns = 10**18
    stirred = (Label(epoch_ns, epoch_ns + 10**9, "stir"),)
    labels = RecordingLabels(epoch_ns, stirred, False, Vocabulary(("stir",)))
    for name in ("e.npz", "m.hdf5"):
        write_labels(tmp_path / f"{name}.labels.json", labels)
    how = ["--layout", tmp_path / "layout.yaml", "--out", tmp_path / "bags", "--mapping"]
    assert run("convert", tmp_path / "e.npz", *how, tmp_path / "one.yaml") == 0
    assert find_labels(tmp_path / "bags/e") == labels
    assert run("convert", tmp_path / "m.hdf5", *how, tmp_path / "many.yaml") == 2
    assert "m.hdf5 holds 2 recordings, not one" in capsys.readouterr().err
