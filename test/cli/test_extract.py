# SPDX-License-Identifier: Apache-2.0
"""`m2r2 extract`: recordings in, a feature folder in MS-TCN's layout out."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recordings import recording
from tiny_models import FEATURE_DIMENSION, write_encoder
from tiny_windows import random_window, without

from m2r2_ros.cli import main as command
from m2r2_ros.cli.convert import convert
from m2r2_ros.datasets import media, reassemble
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.labels import FINE_LABELS, label_from_text
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
    assert "made with another batch" in capsys.readouterr().err


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
    job = extraction.Job(place / "data" / "a.h5", good)
    assert not extraction.extract(job, False).error
    other = replace(job, encoder=replace(good, sha256="0" * 64))
    assert "is not the encoder that the command was given" in extraction.extract(other).error
    gpu = replace(job, encoder=replace(good, provider="CUDAExecutionProvider"))
    assert "runs on CPUExecutionProvider here" in extraction.extract(gpu).error


def test_features_of_two_providers_are_never_mixed(place: Path, monkeypatch) -> None:
    """A GPU that fails in the middle of a recording leaves an error, not half of each."""
    path = place / "encoder.onnx"
    choice = extraction.EncoderChoice(path, Encoder(path).sha256, "CPUExecutionProvider")
    job = extraction.Job(place / "data" / "a.h5", choice)
    provider = ["CPUExecutionProvider"]
    monkeypatch.setattr(Encoder, "providers", property(lambda self: provider))

    def encode_and_fail(some: list, encoder: Encoder) -> list[np.ndarray]:
        provider[0] = "OtherExecutionProvider"
        return [np.zeros(FEATURE_DIMENSION, np.float32)] * len(some)

    monkeypatch.setattr(extraction, "_encode", encode_and_fail)
    assert "runs on OtherExecutionProvider here" in extraction.extract(job, False).error


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

    def __call__(self, job: extraction.Job, show_progress: bool = True) -> extraction.Result:
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


def test_refuses_to_mix_encoders(place: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "features"
    extract(place, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    other = write_encoder(tmp_path / "other.onnx", LAYOUT, seed=1)
    assert extract(place, out, "--encoder", other) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert "made with another encoder_sha256: choose another --out" in complaint
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
    "no cluster": (lambda p, t: ["--ray", "127.0.0.1:1"], "no Ray cluster answers there"),
    "bad address": (lambda p, t: ["--ray", "here"], 'neither host:port nor "local"'),
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
