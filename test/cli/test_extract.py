# SPDX-License-Identifier: Apache-2.0
"""`m2r2 extract`: recordings in, a feature folder in MS-TCN's layout out."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from bag_files import Message, write_mcap, write_metadata
from recordings import recording
from tiny_models import FEATURE_DIMENSION, write_encoder
from tiny_windows import random_window, without

from m2r2_ros.cli import main as command
from m2r2_ros.cli.convert import convert
from m2r2_ros.datasets import media, reassemble
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.frame_outcomes import SUCCEEDED
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.datasets.reassemble import epoch_ns
from m2r2_ros.datasets.reassemble_rig import DEFAULT_TOPICS
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.datasets.topics import ANNOTATIONS_TOPIC
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.labels import FINE_LABELS, label_from_text
from m2r2_ros.messages.encode import encode_text
from m2r2_ros.offline import extraction
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout(cameras=("hama1",))
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `encoder.onnx` and recordings of 2, 2.5 and 3 seconds."""
    folder = tmp_path_factory.mktemp("extract")
    write_encoder(folder / "encoder.onnx", LAYOUT)
    for i, name in enumerate(NAMES):
        data = recording(2 + i / 2, name, cameras=("hama1",))
        write_recording(folder / "data" / f"{name}.h5", data)
    return folder


def extract(place: Path, out: Path, *more: object, recordings: list[Path] | None = None) -> int:
    recordings = recordings or [place / "data"]
    arguments = ["extract", *recordings, "--encoder", place / "encoder.onnx", "--out", out, *more]
    return command.main([str(argument) for argument in arguments])


def test_features_are_those_of_the_live_encoder_bit_for_bit(place: Path, tmp_path: Path) -> None:
    assert extract(place, tmp_path) == 0
    encoder = Encoder(place / "encoder.onnx")
    for name in NAMES:
        with open_source(place / "data" / f"{name}.h5") as source:
            live = [encoder(window) for window in windows(source, LAYOUT)]
        stored = np.load(tmp_path / "features" / f"{name}.npy")
        assert stored.dtype == np.float32
        assert stored.shape == (FEATURE_DIMENSION, len(live))
        np.testing.assert_array_equal(stored.T, live)


def test_labels_are_those_of_the_middle_of_each_window(place: Path, tmp_path: Path) -> None:
    extract(place, tmp_path)
    with open_source(place / "data" / "b.h5") as source:
        expected = []
        for window in windows(source, LAYOUT):
            middle_s = ((window.start_ns + window.end_ns) / 2 - source.start_ns) / 1e9
            texts = [a.text for a in source.actions if a.start_s <= middle_s < a.end_s]
            expected.append(label_from_text(texts[-1]) if texts else "No action")
    assert FeatureFolder(tmp_path).ground_truth("b") == expected
    assert set(expected) == {"No action", "Insert USB"}


def test_the_folder_is_complete_and_consistent(place: Path, tmp_path: Path) -> None:
    extract(place, tmp_path)
    folder = FeatureFolder(tmp_path)
    assert tuple(folder.labels) == FINE_LABELS
    split = folder.split(1)
    assert sorted(split.train + split.test) == list(NAMES)
    assert split.train and split.test
    for name in NAMES:
        labelled = folder.read(name)
        assert labelled.features.shape == (len(labelled.labels), FEATURE_DIMENSION)
    made_with = json.loads((tmp_path / "extraction.json").read_text())["made_with"]
    assert made_with["encoder_sha256"] == Encoder(place / "encoder.onnx").sha256
    assert SensorLayout.from_dict(made_with["layout"]) == LAYOUT


def test_workers_and_bags_make_no_difference(place: Path, tmp_path: Path) -> None:
    extract(place, tmp_path / "one")
    bags = tmp_path / "bags"
    for name in NAMES:
        convert(place / "data" / f"{name}.h5", bags)
    assert extract(place, tmp_path / "two", "--workers", 2, recordings=[bags]) == 0
    one, two = FeatureFolder(tmp_path / "one"), FeatureFolder(tmp_path / "two")
    for name in NAMES:
        np.testing.assert_array_equal(one.features(name), two.features(name))
        assert one.ground_truth(name) == two.ground_truth(name)
        outcomes = [folder.read(name).outcomes.tolist() for folder in (one, two)]
        assert outcomes[0] == outcomes[1] and SUCCEEDED in outcomes[0]


def test_batches_agree_with_single_windows_and_are_not_mixed_with_them(
    place: Path, tmp_path: Path, capsys
) -> None:
    """Exactly the encoder's own batches; rounding is all that differs from single windows.

    The tiny graph averages a whole picture, in another order in a batch: 4e-5.
    """
    extract(place, tmp_path / "one")
    assert extract(place, tmp_path / "many", "--batch", 8) == 0
    encoder = Encoder(place / "encoder.onnx")
    one, many = FeatureFolder(tmp_path / "one"), FeatureFolder(tmp_path / "many")
    for name in NAMES:
        with open_source(place / "data" / f"{name}.h5") as source:
            some = list(windows(source, LAYOUT))
        batches = [encoder.encode_batch(some[i : i + 8]) for i in range(0, len(some), 8)]
        np.testing.assert_array_equal(many.features(name), np.concatenate(batches))
        np.testing.assert_allclose(many.features(name), one.features(name), rtol=0, atol=1e-4)
        assert one.ground_truth(name) == many.ground_truth(name)
    assert extract(place, tmp_path / "one", "--batch", 8) == 2
    assert (
        "made with other settings (batch: 1 there, now 8): choose another --out"
        in capsys.readouterr().err
    )


def test_a_batch_is_cut_where_a_camera_changes_its_size(place: Path) -> None:
    encoder = Encoder(place / "encoder.onnx")
    windows = [random_window(LAYOUT, index) for index in range(7)]
    small = windows[0].images["hama1"][:10]
    for index in (3, 4):
        windows[index].images["hama1"] = small
    windows[1] = without(windows[1], "hama1")
    single = np.stack([encoder(window) for window in windows])
    passes = []
    encode_batch = encoder.encode_batch
    encoder.encode_batch = lambda some: passes.append(len(some)) or encode_batch(some)
    batched = list(extraction._encode(windows, encoder))
    np.testing.assert_allclose(np.stack(batched), single, rtol=0, atol=1e-6)
    assert passes == [3, 2, 2]


def test_only_the_streams_of_the_layout_are_decoded(place: Path, tmp_path: Path, monkeypatch):
    write_recording(tmp_path / "all.h5", recording(2.0, "all"))
    decoded = []
    monkeypatch.setattr(media, "decode_audio", lambda payload: pytest.fail("audio is decoded"))
    read_payload = reassemble.read_payload
    monkeypatch.setattr(
        reassemble, "read_payload", lambda f, name: decoded.append(name) or read_payload(f, name)
    )
    silent = SensorLayout(cameras=("hama1",), audio=False, signals=("wrench",))
    write_encoder(tmp_path / "silent.onnx", silent)
    arguments = ["extract", tmp_path / "all.h5", "--encoder", tmp_path / "silent.onnx"]
    assert command.main([*map(str, arguments), "--out", str(tmp_path / "out")]) == 0
    assert decoded == ["hama1"]


def test_a_worker_refuses_another_encoder_and_another_provider(place: Path, tmp_path: Path):
    path = place / "encoder.onnx"
    good = extraction.EncoderChoice(path, Encoder(path).sha256, "CPUExecutionProvider")
    job = extraction.ExtractionJob(place / "data" / "a.h5", good)
    assert len(extraction.extract(job).features)
    other = replace(job, encoder=replace(good, sha256="0" * 64))
    with pytest.raises(M2R2Error, match="is not the encoder that the command was given"):
        extraction.extract(other)
    gpu = replace(job, encoder=replace(good, provider="CUDAExecutionProvider"))
    with pytest.raises(M2R2Error, match="runs on CPUExecutionProvider here"):
        extraction.extract(gpu)


def test_features_of_two_providers_are_never_mixed(place: Path, monkeypatch) -> None:
    """A GPU that fails in the middle of a recording leaves an error, not half of each."""
    path = place / "encoder.onnx"
    choice = extraction.EncoderChoice(path, Encoder(path).sha256, "CPUExecutionProvider")
    job = extraction.ExtractionJob(place / "data" / "a.h5", choice)
    provider = ["CPUExecutionProvider"]
    monkeypatch.setattr(Encoder, "providers", property(lambda self: provider))

    def encode_and_fail(some: list, encoder: Encoder) -> list[np.ndarray]:
        provider[0] = "OtherExecutionProvider"
        return [np.zeros(FEATURE_DIMENSION, np.float32)] * len(some)

    monkeypatch.setattr(extraction, "_encode", encode_and_fail)
    with pytest.raises(M2R2Error, match="runs on OtherExecutionProvider here"):
        extraction.extract(job)


def test_test_recordings_can_be_named(place: Path, tmp_path: Path) -> None:
    data = place / "data"
    recordings = [data / "b.h5", data / "c.h5"]
    assert extract(place, tmp_path, "--test", data / "a.h5", recordings=recordings) == 0
    split = FeatureFolder(tmp_path).split(1)
    assert (split.train, split.test) == (("b", "c"), ("a",))


class Extractions:
    """Counts what is extracted; one of them can be made to end like a Ctrl-C."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.interrupt_at: str | None = None
        self._extract = extraction.extract
        monkeypatch.setattr(extraction, "extract", self)

    def __call__(self, job: extraction.ExtractionJob) -> extraction.ExtractionResult:
        if job.name == self.interrupt_at:
            raise KeyboardInterrupt
        self.names.append(job.name)
        return self._extract(job)


def test_goes_on_where_it_was_interrupted(place: Path, tmp_path: Path, monkeypatch) -> None:
    extractions = Extractions(monkeypatch)
    extractions.interrupt_at = "b"
    assert extract(place, tmp_path) == 130
    extractions.interrupt_at = None
    assert extract(place, tmp_path) == 0
    assert extract(place, tmp_path) == 0
    assert extractions.names == ["a", "b", "c"]
    FeatureFolder(tmp_path).split(1)


def test_does_again_what_has_changed_or_is_gone(place: Path, tmp_path: Path, monkeypatch) -> None:
    extract(place, tmp_path)
    extractions = Extractions(monkeypatch)
    state = (place / "data" / "b.h5").stat()
    os.utime(place / "data" / "b.h5", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    (tmp_path / "groundTruth" / "c.txt").unlink()
    assert extract(place, tmp_path) == 0
    assert extractions.names == ["b", "c"]


def test_a_topic_that_has_changed_is_named_with_both_names(place, tmp_path, capsys) -> None:
    """The record of an older version, whose robot files knew fewer entries, goes on."""
    robot, out = tmp_path / "robot.yaml", tmp_path / "features"

    def extracted(topic, frame="tool"):
        entries = {"topics": {"hama1": DEFAULT_TOPICS["hama1"]}}
        entries["signals"] = {"wrench": {"topic": topic, "frame": frame}}
        robot.write_text(yaml.safe_dump({"/**": {"ros__parameters": entries}}))
        return extract(place, out, "--config", robot)

    assert extracted(DEFAULT_TOPICS["wrench"]) == 0
    stored = json.loads((out / "extraction.json").read_text())["made_with"]["signals"]["wrench"]
    assert "info" not in stored and extracted(DEFAULT_TOPICS["wrench"]) == 0
    capsys.readouterr()
    assert extracted("/other", "base") == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert f"(topics.wrench: '{DEFAULT_TOPICS['wrench']}' there, now '/other', " in complaint
    assert "signals.wrench.frame: 'tool' there, now 'base')" in complaint


def test_refuses_to_mix_encoders(place: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "features"
    extract(place, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    other = write_encoder(tmp_path / "other.onnx", LAYOUT, seed=1)
    assert extract(place, out, "--encoder", other) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    made = json.loads((out / "extraction.json").read_text())["made_with"]["encoder_sha256"]
    assert f"other settings (encoder_sha256: '{made}' there, now '" in complaint
    assert complaint.endswith("): choose another --out")
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_one_bad_recording_does_not_stop_the_others(place: Path, tmp_path: Path, capsys) -> None:
    bad = tmp_path / "bad.h5"
    bad.write_bytes((place / "data" / "a.h5").read_bytes()[:5000])
    out = tmp_path / "features"
    assert extract(place, out, recordings=[bad, place / "data"]) == 2
    complaints = capsys.readouterr().err.splitlines()
    assert any(line.startswith("bad: ") for line in complaints)
    assert complaints[-1] == "m2r2 extract: 1 of 4 recordings could not be extracted"
    assert sorted(path.stem for path in (out / "features").iterdir()) == list(NAMES)
    FeatureFolder(out).split(1)


def test_a_recording_without_labels_gives_features_only(place: Path, tmp_path: Path) -> None:
    data = replace(recording(2.0, "bare", cameras=("hama1",)), actions=[])
    write_recording(tmp_path / "bare.h5", data)
    recordings = [tmp_path / "bare.h5", place / "data"]
    assert extract(place, tmp_path / "out", recordings=recordings) == 0
    folder = FeatureFolder(tmp_path / "out")
    assert len(folder.features("bare")) > 10
    split = folder.split(1)
    assert sorted(split.train + split.test) == list(NAMES)


def bad_record(place: Path, tmp_path: Path) -> list[object]:
    out = tmp_path / "out"
    out.mkdir()
    (out / "extraction.json").write_text('{"made_with": 3')
    return []


def twins(place: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "a.h5").touch()
    return ["--test", tmp_path / "a.h5"]


def empty(place: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "empty").mkdir()
    return ["--test", tmp_path / "empty"]


BAD_INPUT = {
    "no encoder": (lambda p, t: ["--encoder", t / "none.onnx"], "none.onnx: cannot be read"),
    "no batch": (lambda p, t: ["--batch", 0], "--batch must be at least 1"),
    "vast batch": (lambda p, t: ["--batch", 10**20], "--batch may be 100000 at most"),
    "no cluster": (lambda p, t: ["--ray", "127.0.0.1:1"], "no Ray cluster answers there"),
    "bad address": (lambda p, t: ["--ray", "here"], 'neither host:port, "auto" nor "local"'),
    "no workers": (lambda p, t: ["--workers", 0], "--workers must be at least 1"),
    "empty folder": (empty, "empty: holds no recording"),
    "same name": (twins, "a.h5 have the same name"),
    "bad record": (bad_record, "extraction.json: cannot be read"),
}


@pytest.mark.parametrize(("make", "message"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_one_line(make, message: str, place: Path, tmp_path: Path, capsys) -> None:
    assert extract(place, tmp_path / "out", *make(place, tmp_path)) == 2
    complaint = capsys.readouterr().err
    assert message in complaint
    assert complaint.startswith("m2r2 extract: ")
    assert complaint.count("\n") == 1


def cut_bag(place: Path, folder: Path, name: str, start_s: float, end_s: float) -> Path:
    """A bag of the recording c between two times, as `ros2 bag convert` cuts it."""
    whole = convert(place / "data" / "c.h5", folder / "whole")
    path = folder / name
    with open_bag(whole) as bag:
        low, high = (bag.start_ns + round(s * 1e9) for s in (start_s, end_s))
        kept = [m for m in bag.messages() if low <= m.log_ns <= high]
        types = bag.types
    path.mkdir(parents=True)
    files = []
    for number, (topic, type_name) in enumerate(types.items()):
        part = [Message(m.topic, m.log_ns, m.data) for m in kept if m.topic == topic]
        files.append(f"{name}_{number}.mcap")
        write_mcap(path / files[-1], part, type_name=type_name, foreign=topic)
    write_metadata(path, files, [Message(m.topic, m.log_ns, m.data) for m in kept])
    return path


def test_a_bag_that_was_cut_trains_on_what_is_known_alone(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    # The actions are "No action" from 0 to 1.5 s and "Insert USB" from there to 2.9 s.
    bags = [
        cut_bag(place, tmp_path / "1", "begun", 0.5, 2.0),
        cut_bag(place, tmp_path / "2", "ended", 2.5, 3.0),
        cut_bag(place, tmp_path / "3", "inside", 1.6, 2.6),
    ]
    assert extract(place, tmp_path / "out", recordings=bags) == 0
    folder, said = FeatureFolder(tmp_path / "out"), capsys.readouterr().err
    truth = folder.ground_truth("begun")
    assert set(truth) == {"No action", "Insert USB"}
    assert truth[0] == "No action" and truth[-1] == "Insert USB"
    assert "begun: its last action 'Insert USB' has no end: it lasts to the bag's end" in said
    truth = folder.ground_truth("ended")
    assert truth[0] == "Insert USB" and truth[-1] == "unlabelled"
    assert "ended: 1 of 5 frames are unlabelled: neither trained on nor scored" in said
    # What goes on over the whole cut is told by no message.
    assert not (tmp_path / "out" / "groundTruth" / "inside.txt").exists()
    assert "inside: its 0 labels cover none of the 10 frames" in said
    assert "unlabelled" not in folder.labels


def test_one_bag_with_bad_annotations_stops_no_other(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    bag = cut_bag(place, tmp_path, "bad", 0.0, 3.0)
    text = '{"epoch_ns": 5, "actions": [{"start_s": 0, "end_s": 1e300, "text": "a"}]}'
    message = Message(ANNOTATIONS_TOPIC, epoch_ns("c") + 5 * 10**8, encode_text(text))
    (old,) = [f for f in bag.glob("*.mcap") if ANNOTATIONS_TOPIC.encode() in f.read_bytes()]
    write_mcap(old, [message], type_name="std_msgs/msg/String")
    assert extract(place, tmp_path / "out", recordings=[bag, place / "data" / "a.h5"]) == 2
    assert FeatureFolder(tmp_path / "out").ground_truth("a")
    assert f"bad: {bag}: {ANNOTATIONS_TOPIC}: bad annotations: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", " a", "a\u2028"])
def test_a_name_that_is_no_line_is_refused_and_the_rest_is_extracted(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture, name: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for each in (name, "b"):
        (data / f"{each}.h5").write_bytes((place / "data" / "a.h5").read_bytes())
    assert extract(place, tmp_path / "out", recordings=[data]) == 2
    said = capsys.readouterr().err
    assert "is no name for a file of a data set: rename it" in said and "\x1b" not in said
    assert len((tmp_path / "out" / "groundTruth" / "b.txt").read_text().splitlines()) == 20


def test_groups_go_with_the_features_and_are_not_split(place: Path, tmp_path: Path, capsys) -> None:
    for name, group in (("a", "anna"), ("b", "bert"), ("c", "anna")):
        (tmp_path / "data" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / group / f"{name}.h5").symlink_to(place / "data" / f"{name}.h5")
    assert extract(place, tmp_path / "out", recordings=[tmp_path / "data"]) == 0
    by_folder = (tmp_path / "out" / "groups.csv").read_text()
    assert by_folder == "recording,group\na,anna\nb,bert\nc,anna\n"
    split = FeatureFolder(tmp_path / "out").split(1)
    assert (split.train, split.test) == (("a", "c"), ("b",))
    # Flat, with a file beside them; the folder of features is held to what it says.
    flat = [tmp_path / "data" / "anna" / "a.h5", tmp_path / "data" / "anna" / "c.h5"]
    (tmp_path / "data" / "anna" / "groups.csv").write_text("recording,group\na,x\nc,y\n")
    assert extract(place, tmp_path / "flat", recordings=flat) == 0
    assert (tmp_path / "flat" / "groups.csv").read_text() == "recording,group\na,x\nc,y\n"
    capsys.readouterr()
    assert extract(place, tmp_path / "out", recordings=flat) == 2
    assert "groups.csv: 'a' is in group 'anna' there and in 'x' where" in capsys.readouterr().err
    extract(place, tmp_path / "plain")
    assert not (tmp_path / "plain" / "groups.csv").exists()
