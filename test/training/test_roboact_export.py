# SPDX-License-Identifier: Apache-2.0
"""A RoboAct models folder from a small CLIP of `transformers`: what the robot runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tiny_roboact import CAMERAS, FRAMES, STRIDES  # noqa: E402

from m2r2_ros.descriptions import clip_sentence  # noqa: E402
from m2r2_ros.errors import M2R2Error  # noqa: E402
from m2r2_ros.inference.models import Models, open_encoder  # noqa: E402
from m2r2_ros.inference.text_features import text_features  # noqa: E402
from m2r2_ros.sensing.window import SensorWindow  # noqa: E402


@pytest.fixture(scope="module")
def trained(roboact):
    return roboact.trained


@pytest.fixture(scope="module")
def folder(roboact):
    return roboact.folder


def make_window(index: int, mask: tuple[bool, bool] = (True, True)) -> SensorWindow:
    random = np.random.default_rng(index)
    images = {
        name: random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        for name, there in zip(CAMERAS, mask, strict=True)
        if there
    }
    return SensorWindow(
        index=index,
        start_ns=index * 10**8,
        end_ns=(index + 1) * 10**8,
        images=images,
        audio=np.empty(0, np.float32),
        signals={},
        mask=dict(zip(CAMERAS, mask, strict=True)),
    )


def recomputed(trained, windows) -> np.ndarray:
    """The last window's feature with nothing cached: every frame of it through CLIP again."""
    blocks = []
    for camera in CAMERAS:
        for stride in STRIDES:
            chosen = [len(windows) - 1 - stride * (FRAMES - 1 - k) for k in range(FRAMES)]
            rows, valid = [], []
            for index in chosen:
                there = index >= 0 and camera in windows[index].images
                image = windows[index].images[camera] if there else np.zeros((20, 30, 3), np.uint8)
                rows.append(trained.frames(torch.from_numpy(image)[None])[0])
                valid.append(there)
            found = trained.module.video(torch.stack(rows)[None], torch.tensor([valid]))
            blocks.append(found.video[0])
    return torch.cat(blocks).detach().numpy()


def test_graphs_are_torch(roboact):
    assert roboact.difference < 1e-4


def test_cached_streaming_equals_recomputing_every_frame(trained, folder):
    encoder = open_encoder(folder / "encoder.onnx")
    windows = []
    for index in range(12):
        mask = (index not in (3, 4), index != 7)
        windows.append(make_window(index, mask))
        found = encoder(windows[-1])
        np.testing.assert_allclose(found, recomputed(trained, windows), atol=1e-5)


def test_a_new_frame_is_embedded_once(folder, monkeypatch):
    encoder = open_encoder(folder / "encoder.onnx")
    calls = []
    embed = encoder.embed
    monkeypatch.setattr(encoder, "embed", lambda image: (calls.append(1), embed(image))[1])
    for index in range(10):
        encoder(make_window(index))
    assert len(calls) == 10 * 2, "one forward pass a camera and window"


def test_gaps_jumps_and_restarts_begin_anew_and_skipped_windows_do_not(trained, folder):
    encoder = open_encoder(folder / "encoder.onnx")
    fresh = encoder(make_window(0))
    for index in range(1, 6):
        encoder(make_window(index))
    assert np.array_equal(encoder(make_window(0)), fresh), "the index went back"
    for index in range(1, 4):
        encoder(make_window(index))
    later = replace(make_window(0), index=4, start_ns=10**11, end_ns=10**11 + 10**8)
    assert np.array_equal(encoder(later), fresh), "a hole of a minute"
    encoder.reset()
    windows = [make_window(0), make_window(1)]
    for window in windows:
        encoder(window)
    windows += [make_window(index, (False, False)) for index in (2, 3)] + [make_window(4)]
    np.testing.assert_allclose(encoder(windows[-1]), recomputed(trained, windows), atol=1e-5)


def test_a_refused_window_leaves_the_past_as_it_was(folder):
    one, other = (open_encoder(folder / "encoder.onnx") for _ in range(2))
    for encoder in (one, other):
        for index in range(3):
            encoder(make_window(index))
    bad = replace(make_window(3), images={CAMERAS[0]: np.zeros((2, 2), np.uint8)})
    with pytest.raises(M2R2Error):
        one(bad)
    assert np.array_equal(one(make_window(4)), other(make_window(4)))


def test_texts_are_those_of_training_known_or_new(trained, folder, tmp_path):
    known = [
        clip_sentence("Robot", action, name)
        for action in ("pick", "insert")
        for name in ("usb", "bnc")
    ]
    new = ["Robot place the gear.", "Pick."]
    width = trained.settings.model.feature_dimension
    found = text_features(folder, [*known, *new], width)
    with torch.no_grad():
        expected = trained.module.text_features([*known, *new]).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for name in ("encoder.onnx", "sentences.npz"):
        shutil.copy(folder / name, tmp_path / name)
    assert len(text_features(tmp_path, known, width)) == 4
    with pytest.raises(M2R2Error, match="has no text encoder"):
        text_features(tmp_path, new, width)


def test_named_actions_are_scored_by_their_similarity(trained, folder):
    models = Models.load(folder, actions=("Pick usb", "insert bnc", "Robot place the gear."))
    pipeline = models.pipeline()
    windows = [make_window(index) for index in range(5)]
    for window in windows:
        feature, prediction, _ = pipeline.process(window)
    sentences = [
        clip_sentence("Robot", "pick", "usb"),
        clip_sentence("Robot", "insert", "bnc"),
        "Robot place the gear.",
    ]
    with torch.no_grad():
        texts = torch.nn.functional.normalize(trained.module.text_features(sentences), dim=-1)
    blocks = torch.nn.functional.normalize(torch.from_numpy(feature).view(4, -1), dim=-1)
    expected = ((blocks @ texts.T).mean(0) / 0.07).softmax(0)
    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-5)
    assert prediction.boundary == 0
    assert models.head.labels == ("Pick usb", "insert bnc", "Robot place the gear.")


@pytest.mark.parametrize("actions", [("pick usb",), ("pick usb", "pick usb"), ("pick usb", " ")])
def test_actions_that_cannot_be_told_apart_are_refused(folder, actions):
    with pytest.raises(M2R2Error, match="two or more different"):
        Models.load(folder, actions=actions)


def test_a_folder_without_a_head_needs_actions(folder):
    with pytest.raises(M2R2Error, match=r"has no head\.onnx"):
        Models.load(folder)


def test_graphs_that_do_not_belong_together_are_refused(folder, tmp_path):
    for file in folder.iterdir():
        shutil.copy(file, tmp_path / file.name)
    data = (tmp_path / "frame.onnx").read_bytes()
    (tmp_path / "frame.onnx").write_bytes(data + b"\x72\x00")
    with pytest.raises(M2R2Error, match="belongs to another"):
        open_encoder(tmp_path / "encoder.onnx")
    (tmp_path / "frame.onnx").unlink()
    with pytest.raises(M2R2Error, match=r"frame\.onnx"):
        open_encoder(tmp_path / "encoder.onnx")


def test_the_robot_needs_no_torch(folder):
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'transformers', 'onnx')))\n"
        "from m2r2_ros.inference.models import Models\n"
        f"Models.load({str(folder)!r}, actions=('pick usb', 'Robot place the gear.'))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
