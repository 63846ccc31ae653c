# SPDX-License-Identifier: Apache-2.0
"""The README's way from recordings to own models, command by command, at a small size."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from recordings import recording
from source_tree import ROOT
from tiny_models import write_encoder, write_head

from m2r2_ros.cli.export import _in_folder
from m2r2_ros.cli.main import main
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import Models
from m2r2_ros.sensing.layout import SensorLayout

HEADING = "## From recordings to your own models"
# The same commands with settings that take seconds instead of hours.
SETTINGS = {
    "pretrain": """
model:
  {feature_dimension: 8, heads: 2, image_size: 32, image_stages: 3, image_cells: 2, audio_width: 8}
window: {samples: 6, padding: 2}
optimiser: {epochs: 1, batch_size: 2}
fusion_layers: 1
imagenet: false
windows_per_epoch: 2
""",
    "causal": "model: {channels: 4, layers: 2}\noptimiser: {epochs: 1}\n",
    "asrf": "model: {channels: 4, layers: 2}\noptimiser: {epochs: 1}\n",
}
# A table of the paper takes a data set with its splits: see test_reproduce.
LEFT_OUT = {"reproduce"}


def commands() -> list[list[str]]:
    section = (ROOT / "README.md").read_text().partition(HEADING)[2]
    block = section.split("```")[1]
    return [shlex.split(line, comments=True) for line in block.splitlines() if line.strip()]


def settings_for(words: list[str], folder: Path) -> list[str]:
    head = words[words.index("--head") + 1] if "--head" in words else words[0]
    if head not in SETTINGS:
        return []
    file = folder / f"{head}_settings.yaml"
    file.write_text(SETTINGS[head])
    return ["--config", str(file)]


def test_every_command_of_the_readme_gives_what_the_next_one_needs(tmp_path, monkeypatch):
    pytest.importorskip("torch").set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / "2025-01-10-15-28-50.h5", recording(3.0))
    for name in ("a", "b", "c"):
        write_recording(tmp_path / "my_recordings" / f"{name}.h5", recording(3.0, name))
    done = []
    for program, verb, *words in commands():
        assert program == "m2r2"
        if verb in LEFT_OUT:
            continue
        extra = settings_for([verb, *words], tmp_path)
        status = main([verb, *words, *extra])
        assert status == 0, shlex.join([program, verb, *words])
        done.append(verb)
    assert {"pretrain", "export", "train", "evaluate", "segment"} <= set(done)
    assert Models.load("my_models").head.labels
    for file in ("scores.json", "segments.json", "timeline.png"):
        assert Path(file).stat().st_size


def test_a_head_is_put_beside_its_own_encoder_only(tmp_path, capsys):
    run, models = tmp_path / "run", tmp_path / "models"
    run.mkdir()
    models.mkdir()
    encoder = write_encoder(models / "encoder.onnx", SensorLayout())
    write_head(run / "head.onnx", read_model(encoder).sha256)
    export = ["export", str(run), "--out"]
    assert main([*export, str(tmp_path / "elsewhere" / "head.onnx")]) == 2
    assert "export the encoder of this head there first" in capsys.readouterr().err
    assert main([*export, str(models / "causal.onnx")]) == 2
    assert "nodes look for a head in a models folder's head.onnx" in capsys.readouterr().err
    assert main([*export, str(models)]) == 0
    assert (models / "head.onnx").read_bytes() == (run / "head.onnx").read_bytes()
    write_head(run / "head.onnx", "0" * 64)
    assert main([*export, str(models / "head.onnx")]) == 2
    assert "was trained on another encoder" in capsys.readouterr().err


def test_one_recording_is_refused_before_anything_is_read(tmp_path, capsys):
    write_recording(tmp_path / "data" / "a.h5", recording(1.0))
    run = tmp_path / "run"
    arguments = ["--encoder", "m2r2", "--data", str(tmp_path / "data"), "--out", str(run)]
    assert main(["pretrain", *arguments]) == 2
    assert "1 recording: pretraining takes two at least" in capsys.readouterr().err
    assert not run.exists()


@pytest.mark.parametrize(
    ("out", "file"),
    [("mine", "mine/encoder.onnx"), ("mine/e.onnx", "mine/e.onnx"), ("v1.0", "v1.0/encoder.onnx")],
)
def test_a_models_folder_is_what_has_no_ending_or_is_there(out, file, tmp_path):
    (tmp_path / "v1.0").mkdir()
    assert _in_folder(tmp_path / out, "encoder.onnx") == tmp_path / file
