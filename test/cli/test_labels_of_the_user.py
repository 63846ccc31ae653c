# SPDX-License-Identifier: Apache-2.0
"""Labels that are nobody's but the user's: from recordings or an MS-TCN folder to scores."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from recordings import recording
from tiny_models import FEATURE_DIMENSION, head_metadata, write_encoder, write_head
from vocabularies import CAPS, vocabularies

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.feature_vocabulary import folder_vocabulary
from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    Split,
    write_mapping,
    write_recording_features,
    write_split,
)
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import GROUND_TRUTH_TOPIC
from m2r2_ros.datasets.vocabulary_file import find_vocabulary, write_vocabulary
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.evaluation.streamed_predictions import nominal_stamps, stream
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.labels import FINE_LABELS
from m2r2_ros.messages.cdr import CdrReader
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.vocabulary import Vocabulary

SEVERAL_IDLE = Vocabulary(("SIL", "pour milk", "background", "stir"), ("SIL", "background"))
NO_IDLE = Vocabulary(("水を注ぐ", "混ぜる"))
FRAMES = 36


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def write_features(folder, labels, seed=0) -> FeatureFolder:
    """Three recordings of the labels' own features, of which one is for testing."""
    names = ("one", "two", "three")
    for i, name in enumerate(names):
        random = np.random.default_rng([seed, i])
        classes = np.resize(np.repeat(random.permutation(len(labels)), 6), FRAMES)
        features = np.eye(len(labels), FEATURE_DIMENSION)[classes]
        features = features + random.normal(0, 0.1, features.shape)
        write_recording_features(folder, name, features, [labels[c] for c in classes])
    write_mapping(folder, labels)
    write_split(folder, 1, Split(names[:2], names[2:]))
    return FeatureFolder(folder)


def train(data, out, *more: object) -> int:
    config = data.path.parent / "settings.yaml"
    config.write_text("model: {channels: 6, layers: 2}\nvalidation: 0.5\n")
    places = ["--data", data.path, "--split", 1, "--out", out, "--head", "causal"]
    return run("train", *places, "--config", config, "--epochs", 1, *more)


def evaluate(data, model, out, *more: object) -> int:
    places = ["--data", data.path, "--split", 1, "--model", model, "--json", out]
    return run("evaluate", *places, *more)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(vocabularies(least=2, most=6))
@example(CAPS)
@example(SEVERAL_IDLE)
@example(NO_IDLE)
def test_a_vocabulary_goes_from_features_to_scores(tmp_path_factory, capsys, vocabulary):
    place = tmp_path_factory.mktemp("chain")
    data = write_features(place / "data", vocabulary.labels)
    write_vocabulary(data.path, vocabulary)
    assert train(data, place / "out") == 0
    said = capsys.readouterr()
    assert "vocabulary.yaml" not in said.err
    assert (" s of the activity, " in said.out) == vocabulary.has_objects
    head = StreamingHead(place / "out" / "head.onnx")
    assert head.vocabulary == vocabulary == find_vocabulary(place / "out")
    lines = (place / "out" / "metrics.jsonl").read_text().splitlines()
    assert ("train/coarse" in json.loads(lines[0])) == vocabulary.has_objects

    assert evaluate(data, place / "out", place / "s.json", "--report", place / "r.html") == 0
    scores = json.loads((place / "s.json").read_text())
    levels = json.loads((place / "r.json").read_text())["levels"]
    assert list(levels) == ["fine", *["coarse"] * vocabulary.has_objects]
    assert ("Coarse labels are" in (place / "r.html").read_text()) == vocabulary.has_objects
    found = stream(head, data.features("three"), nominal_stamps(FRAMES, 10))
    pair = (found.published, data.ground_truth("three"))
    assert scores["f1@50"] == pytest.approx(score_many([pair])["f1@50"])
    of_actions = score_many([pair], vocabulary.idle)["f1@50"]
    assert scores["f1@50_actions"] == pytest.approx(of_actions)
    # Without an idle class a planner that has heard nothing is wrong.
    heard = found.held.index(next((x for x in found.held if x not in ("unknown",)), "unknown"))
    assert set(found.held[:heard]) <= {"unknown"}
    status = evaluate(data, place / "out", place / "c.json", "--labels", "coarse")
    assert status == (0 if vocabulary.has_objects else 2)
    if status:
        assert "there are no coarse labels" in capsys.readouterr().err


@pytest.mark.parametrize("head", ["mstcn", "asrf", "diffact"])
def test_heads_that_see_whole_recordings_carry_the_vocabulary(tmp_path, capsys, head):
    data = write_features(tmp_path / "data", CAPS.labels)
    write_vocabulary(data.path, CAPS)
    config = tmp_path / "settings.yaml"
    config.write_text("validation: 0.5\n")
    places = ["--data", data.path, "--split", 1, "--out", tmp_path / "out", "--head", head]
    assert run("train", *places, "--config", config, "--epochs", 1, "--labels", "coarse") == 0
    assert find_vocabulary(tmp_path / "out") == CAPS.at("coarse")
    found = tmp_path / "found"
    places = ["--data", data.path, "--split", 1, "--model", tmp_path / "out", "--out", found]
    assert run("predict", *places) == 0
    assert find_vocabulary(found) == CAPS.at("coarse")
    assert evaluate(data, tmp_path / "out", tmp_path / "s.json", "--labels", "coarse") == 0
    # What its data mean is part of a run.
    write_vocabulary(data.path, CAPS.with_idle(["wipe"]))
    places = ["--data", data.path, "--split", 1, "--out", tmp_path / "out", "--head", head]
    assert run("train", *places, "--config", config, "--epochs", 1, "--labels", "coarse") == 2
    assert "its vocabulary.yaml is not that of the data" in capsys.readouterr().err


# ------------------------------------------------------- a bare folder in MS-TCN's layout


@pytest.fixture
def bare(tmp_path):
    return write_features(tmp_path / "salads", SEVERAL_IDLE.labels)


def test_what_a_bare_folder_is_taken_for_is_said(bare, tmp_path, capsys):
    assert train(bare, tmp_path / "plain") == 0
    line = f"{bare.path} has no vocabulary.yaml: no label is idle, no label has an object"
    assert line in capsys.readouterr().err.splitlines()
    assert StreamingHead(tmp_path / "plain" / "head.onnx").vocabulary.idle == ()

    assert train(bare, tmp_path / "out", "--idle", "background", "SIL") == 0
    line = f"{bare.path} has no vocabulary.yaml: 'background' and 'SIL' are idle, no label has"
    assert f"{line} an object" in capsys.readouterr().err.splitlines()
    head = StreamingHead(tmp_path / "out" / "head.onnx")
    assert head.vocabulary.idle == ("background", "SIL")

    assert evaluate(bare, tmp_path / "out", tmp_path / "s.json") == 0
    line = f"{bare.path} has no vocabulary.yaml: its labels are read as {head.path} says"
    assert line in capsys.readouterr().err.splitlines()
    idle = ["--idle", "SIL", "background"]
    assert evaluate(bare, tmp_path / "out", tmp_path / "same.json", *idle) == 0
    both = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("s", "same")]
    assert both[0] == both[1]


def test_a_folder_and_a_head_that_disagree_are_named(bare, tmp_path, capsys):
    assert train(bare, tmp_path / "out", "--idle", "background", "SIL") == 0
    capsys.readouterr()
    assert evaluate(bare, tmp_path / "out", tmp_path / "s.json", "--idle", "SIL") == 2
    path = tmp_path / "out" / "head.onnx"
    assert f"--idle and {path} disagree on whether 'background' is idle" in capsys.readouterr().err
    write_vocabulary(bare.path, SEVERAL_IDLE.with_idle(["SIL"]))
    assert evaluate(bare, tmp_path / "out", tmp_path / "s.json") == 2
    said = f"{bare.path}/vocabulary.yaml and {path} disagree on whether 'background' is idle"
    assert said in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize(
    ("idle", "problem"),
    [
        (["backgrond"], "--idle: 'backgrond' is none of the labels (did you mean 'background'?)"),
        (["SIL", "SIL"], "--idle: idle: 'SIL' is there twice"),
    ],
)
def test_idle_labels_that_cannot_be_are_one_line(bare, tmp_path, capsys, idle, problem):
    assert train(bare, tmp_path / "out", "--idle", *idle) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line and not (tmp_path / "out").exists()


def test_mapping_and_vocabulary_of_a_folder_must_agree(bare):
    write_vocabulary(bare.path, Vocabulary(("SIL", "pour milk", "stir")))
    with pytest.raises(M2R2Error, match=r"'background' is in mapping.txt, not in vocabulary.yaml"):
        folder_vocabulary(bare)
    write_vocabulary(bare.path, Vocabulary((*SEVERAL_IDLE.labels, "wash")))
    with pytest.raises(M2R2Error, match=r"'wash' is in vocabulary.yaml, not in mapping.txt"):
        folder_vocabulary(bare)
    # The ids are those of mapping.txt, in whatever order the vocabulary names the labels.
    turned = replace(SEVERAL_IDLE, labels=SEVERAL_IDLE.labels[::-1])
    write_vocabulary(bare.path, turned)
    found, assumed = folder_vocabulary(bare)
    assert found == SEVERAL_IDLE and not assumed
    with pytest.raises(M2R2Error, match="no --idle beside it"):
        folder_vocabulary(bare, ["SIL"])


@pytest.mark.parametrize("word", ["unknown", "unlabelled"])
def test_a_class_called_unknown_is_refused(tmp_path, capsys, word):
    data = write_features(tmp_path / "data", ("stir", word))
    assert train(data, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{data.path}/mapping.txt: label '{word}' is no class" in line


def test_idle_of_any_name_is_left_out_of_what_counts_actions(bare, tmp_path):
    """Delays and false starts, by counting the true runs that are not idle."""
    head = tmp_path / "model" / "head.onnx"
    metadata = head_metadata("", SEVERAL_IDLE.labels)
    write_head(head, "", SEVERAL_IDLE.labels, metadata=metadata)
    scores = {}
    for name, idle in (("some", ["--idle", "SIL", "background"]), ("none", [])):
        assert evaluate(bare, head.parent, tmp_path / f"{name}.json", *idle) == 0
        scores[name] = json.loads((tmp_path / f"{name}.json").read_text())
    runs = [label for label, _ in groupby(bare.ground_truth("three"))]
    some = sum(label not in SEVERAL_IDLE.idle for label in runs)
    for name, total in (("some", some), ("none", len(runs))):
        recognised = scores[name]["recognised"] / 100 * total
        assert recognised == pytest.approx(round(recognised), abs=1e-6)
    assert scores["some"]["acc"] == scores["none"]["acc"]


# ------------------------------------------------------------------------------ recordings

LAYOUT = SensorLayout(cameras=("hama1",))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two recordings of two seconds whose labels are the user's, with gaps, and an encoder."""
    folder = tmp_path_factory.mktemp("recordings")
    write_encoder(folder / "encoder.onnx", LAYOUT)
    for name in ("a", "b"):
        data = recording(2.0, name, cameras=("hama1",))
        data.actions = [Action(0.0, 0.5, "tighten cap."), Action(1.0, 1.4, "wipe.")]
        write_recording(folder / name / f"{name}.h5", data)
    return folder


def extract(recordings, out, *more: object) -> int:
    places = [recordings / name for name in ("a", "b")]
    return run("extract", *places, "--encoder", recordings / "encoder.onnx", "--out", out, *more)


@pytest.fixture
def stated(recordings):
    for name in ("a", "b"):
        write_vocabulary(recordings / name, CAPS)
    yield recordings
    for name in ("a", "b"):
        (recordings / name / "vocabulary.yaml").unlink(missing_ok=True)


def test_classes_are_what_occurs_and_nothing_of_reassemble(recordings, tmp_path, capsys):
    assert extract(recordings, tmp_path / "out") == 0
    folder = FeatureFolder(tmp_path / "out")
    assert folder.labels == ["tighten cap", "wipe"]
    # Nobody said what is done between them.
    assert set(folder.ground_truth("a")) == {"tighten cap", "wipe", "unlabelled"}
    assert find_vocabulary(folder.path) is None
    err = capsys.readouterr().err
    assert f"{folder.path} has no vocabulary.yaml: no label is idle, no label has an object" in err
    assert "frames are unlabelled: neither trained on nor scored" in err


def test_a_vocabulary_beside_recordings_goes_with_their_features(stated, tmp_path):
    assert extract(stated, tmp_path / "out") == 0
    folder = FeatureFolder(tmp_path / "out")
    assert tuple(folder.labels) == CAPS.labels and find_vocabulary(folder.path) == CAPS
    # The labels of these recordings are complete: what they do not cover is idle.
    assert set(folder.ground_truth("a")) == {"tighten cap", "wipe", "wait"}
    assert extract(stated, tmp_path / "out") == 0


def test_a_vocabulary_that_is_given_wins_and_is_part_of_the_folder(stated, tmp_path, capsys):
    other = CAPS.with_idle([])
    write_vocabulary(tmp_path, other)
    given = tmp_path / "vocabulary.yaml"
    assert extract(stated, tmp_path / "out", "--vocabulary", given) == 0
    assert find_vocabulary(tmp_path / "out") == other
    assert "unlabelled" in FeatureFolder(tmp_path / "out").ground_truth("a")
    assert extract(stated, tmp_path / "out") == 2
    assert "made with other settings (vocabulary.idle: " in capsys.readouterr().err


def test_recordings_that_disagree_are_both_named(stated, tmp_path, capsys):
    write_vocabulary(stated / "b", CAPS.with_idle(["wipe"]))
    assert extract(stated, tmp_path / "out") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert str(stated / "a" / "a.h5") in line and str(stated / "b" / "b.h5") in line
    assert "disagree on whether 'wait' is idle" in line or "whether 'wipe' is idle" in line
    assert not (tmp_path / "out").exists()


def test_a_label_that_the_vocabulary_does_not_have_is_named(stated, tmp_path, capsys):
    less = Vocabulary(("tighten cup", "wipe"))
    for name in ("a", "b"):
        write_vocabulary(stated / name, less)
    given = stated / "v1.yaml"
    (stated / "a" / "vocabulary.yaml").replace(given)
    write_vocabulary(stated / "a", less)
    for more, path in ((), stated / "a" / "vocabulary.yaml"), (("--vocabulary", given), given):
        assert extract(stated, tmp_path / "out", *more) == 2
        said = f"label 'tighten cap' is not in {path} (did you mean 'tighten cup'?)"
        lines = capsys.readouterr().err.splitlines()
        assert [line for line in lines if said in line] == [f"a: {said}", f"b: {said}"]


def test_a_vocabulary_goes_with_converted_recordings(stated, tmp_path, capsys):
    files = [stated / name / f"{name}.h5" for name in ("a", "b")]
    assert run("convert", *files, "--out", tmp_path / "bags") == 0
    assert find_vocabulary(tmp_path / "bags") == CAPS
    with open_source(tmp_path / "bags" / "a") as source:
        assert source.vocabulary == CAPS
    with open_bag(tmp_path / "bags" / "a") as bag:
        told = [event_of(message.data) for message in bag.messages([GROUND_TRUTH_TOPIC])]
    assert told == [("tighten cap", "tighten", "cap", 1)] * 2 + [("wipe", "wipe", "", 3)] * 2
    places = ["--encoder", stated / "encoder.onnx", "--out"]
    assert run("extract", tmp_path / "bags", *places, tmp_path / "of_bags") == 0
    assert extract(stated, tmp_path / "out") == 0
    for folder in (tmp_path / "of_bags", tmp_path / "out"):
        assert find_vocabulary(folder) == CAPS
    both = [FeatureFolder(tmp_path / name).ground_truth("a") for name in ("of_bags", "out")]
    assert both[0] == both[1]
    write_vocabulary(stated / "a", CAPS.with_idle([]))
    assert run("convert", files[0], "--out", tmp_path / "bags", "--overwrite") == 2
    assert "differ: choose another --out" in capsys.readouterr().err


def event_of(data: bytes) -> tuple[str, str, str, int]:
    """Label, action, object and class of an ActionSegment."""
    reader = CdrReader(data)
    reader.header()
    reader.number("Q"), reader.number("B")
    return reader.text(), reader.text(), reader.text(), reader.number("i")


def test_reassemble_is_known_by_its_labels(recordings, tmp_path):
    data = recording(2.0, "r", cameras=("hama1",))
    write_recording(tmp_path / "data" / "r.h5", data)
    places = ["--encoder", recordings / "encoder.onnx", "--out", tmp_path / "out"]
    assert run("extract", tmp_path / "data", *places) == 0
    vocabulary = find_vocabulary(tmp_path / "out")
    assert tuple(FeatureFolder(tmp_path / "out").labels) == FINE_LABELS == vocabulary.labels
    assert vocabulary.idle == FINE_LABELS[:1] and vocabulary.has_objects
