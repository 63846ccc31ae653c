# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP's feature as M2R2's image token: prepared, trained, exported, extracted, refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from recordings import recording  # noqa: E402
from tiny_sentences import write_sentence_encoder  # noqa: E402

from m2r2_ros.cli.main import main  # noqa: E402
from m2r2_ros.datasets.mstcn import FeatureFolder  # noqa: E402
from m2r2_ros.datasets.reassemble_writer import write_recording  # noqa: E402
from m2r2_ros.datasets.recording import Action  # noqa: E402
from m2r2_ros.datasets.source import open_source, windows  # noqa: E402
from m2r2_ros.errors import M2R2Error  # noqa: E402
from m2r2_ros.inference.encoder_inputs import WindowPacker  # noqa: E402
from m2r2_ros.inference.models import open_encoder, open_head  # noqa: E402
from m2r2_ros.inference.roboact_encoder import RoboActEncoder  # noqa: E402
from m2r2_ros.networks.m2r2 import ROBOACT, M2R2Config  # noqa: E402
from m2r2_ros.sensing.layout import SensorLayout  # noqa: E402
from m2r2_ros.training.pretraining import load_encoder  # noqa: E402
from m2r2_ros.training.roboact.image_token import with_roboact  # noqa: E402
from m2r2_ros.training.settings import PretrainSettings  # noqa: E402

# No microphone: most of the export's time would be the spectrogram's.
CONFIG = """
layout: {{cameras: [hama1, hama2], audio: false, signals: [wrench, gripper]}}
model: {{image_backbone: roboact, feature_dimension: 8, heads: 2}}
image_weights: {models}
window: {{samples: 12, padding: 4}}
optimiser: {{epochs: 1, batch_size: 4}}
fusion_layers: 1
sentence_encoder: {sentences}
validation: 0.5
"""
NAMES = ("a", "b")


@pytest.fixture(scope="module")
def place(tmp_path_factory, roboact) -> Path:
    """Recordings, what was trained on them, and its models folder."""
    folder = tmp_path_factory.mktemp("image_token")
    for name in NAMES:
        data = recording(4.0, name, cameras=("hama1", "hama2"))
        texts = ("Pick USB.", "Insert USB.", "Remove USB.")
        data.actions[:] = [Action(i + 0.2, i + 1.0, text) for i, text in enumerate(texts)]
        write_recording(folder / "data" / f"{name}.h5", data)
    sentences = write_sentence_encoder(folder / "bert")
    config = CONFIG.format(models=roboact.folder, sentences=sentences)
    (folder / "config.yaml").write_text(config)
    places = ["--data", folder / "data", "--out", folder / "run", "--config"]
    command = ["pretrain", "--encoder", "m2r2", *places, folder / "config.yaml"]
    assert main(list(map(str, command))) == 0
    assert main(["export", str(folder / "run"), "--out", str(folder / "models")]) == 0
    return folder


def one_after_the_other(place: Path, roboact, path: Path) -> np.ndarray:
    """The features by RoboAct-CLIP's own graph, then M2R2 in torch."""
    video = RoboActEncoder(roboact.folder / "encoder.onnx")
    encoder, _ = load_encoder(place / "run")
    pack, found = WindowPacker(encoder.layout), []
    with open_source(path) as source:
        for window in windows(source, encoder.layout):
            inputs = {name: torch.tensor(value) for name, value in pack([window]).items()}
            parts = np.split(video(window), 2)
            for camera, part in zip(encoder.layout.cameras, parts, strict=True):
                inputs[f"image_{camera}"] = torch.tensor(part[np.newaxis])
            with torch.no_grad():
                found.append(encoder(inputs).numpy()[0])
    return np.stack(found)


def test_the_exported_graph_gives_what_was_trained(place, roboact, tmp_path):
    out = tmp_path / "features"
    encoder = str(place / "models" / "encoder.onnx")
    assert main(["extract", str(place / "data"), "--encoder", encoder, "--out", str(out)]) == 0
    for name in NAMES:
        found = FeatureFolder(out).features(name)
        expected = one_after_the_other(place, roboact, place / "data" / f"{name}.h5")
        assert found.shape == expected.shape and found.shape[1] == 8
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_cache_holds_the_features_of_the_stream(place, roboact):
    (prepared,) = (place / "run" / "cache").glob("*/*/a")
    video = RoboActEncoder(roboact.folder / "encoder.onnx")
    with open_source(place / "data" / "a.h5") as source:
        expected = np.stack([video(w) for w in windows(source, open_encoder_layout(place))])
    for index, camera in enumerate(("hama1", "hama2")):
        rows = np.load(prepared / f"image_{camera}.npy")
        # In half precision.
        np.testing.assert_allclose(rows, np.split(expected, 2, axis=1)[index], atol=2e-3)


def open_encoder_layout(place: Path) -> SensorLayout:
    return open_encoder(place / "models" / "encoder.onnx").layout


def test_it_says_what_it_is_and_takes_the_other_sensors(place):
    encoder = open_encoder(place / "models" / "encoder.onnx")
    assert isinstance(encoder, RoboActEncoder) and encoder.metadata.image_token
    assert encoder.layout.cameras == ("hama1", "hama2")
    assert tuple(encoder.layout.signals) == ("wrench", "gripper") and not encoder.layout.audio
    assert encoder.metadata.training_data.startswith("2 recordings")
    with pytest.raises(M2R2Error, match="actions can be named for a RoboAct encoder only"):
        open_head(place / "models", ["Pick USB", "Insert USB"])


def test_other_cameras_and_another_file_are_refused(place, roboact, capsys):
    layout = SensorLayout(cameras=("hama1",))
    model = M2R2Config(image_backbone=ROBOACT)
    wrong = PretrainSettings(layout=layout, model=model, image_weights=str(roboact.folder))
    with pytest.raises(M2R2Error, match="sees hama1, hama2 at 10 Hz, the layout has hama1"):
        with_roboact(wrong)
    with pytest.raises(M2R2Error, match="image_weights must name"):
        with_roboact(replace(wrong, image_weights=""))
    both = replace(wrong, layout=SensorLayout(cameras=("hama1", "hama2")))
    completed = with_roboact(both)
    assert completed.model.roboact_length == 2 * 24 and with_roboact(completed) == completed
    other = replace(both, model=replace(model, roboact_sha256="0" * 64))
    with pytest.raises(M2R2Error, match="is not the RoboAct-CLIP that this encoder was trained on"):
        with_roboact(other)
    joined = replace(both, image_weights=str(place / "models"))
    with pytest.raises(M2R2Error, match="is no encoder of RoboAct-CLIP"):
        with_roboact(joined)
    assert main(["export", str(place / "run"), "--out", "x", "--precision", "float16"]) == 2
    assert main(["extract", str(place / "data"), "--encoder", str(place / "models/encoder.onnx"),
                 "--out", str(place / "never"), "--batch", "4"]) == 2  # fmt: skip
    assert "no --batch" in capsys.readouterr().err
