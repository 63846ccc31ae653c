# SPDX-License-Identifier: Apache-2.0
"""Slips on the README's way from recordings to own models; test_page_commands walks it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from recordings import recording
from tiny_models import write_encoder, write_head

from m2r2_ros.cli.export import _in_folder
from m2r2_ros.cli.main import main
from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.inference.model_file import read_model

# What is built before its settings are refused: seconds less than the default encoder.
REFUSED = {
    "validation_recordings": ["c"],
    "layout": {"cameras": ["hama1"], "audio": False, "signals": ["wrench"]},
    "model": {"feature_dimension": 8, "heads": 2, "image_size": 32, "image_stages": 2},
    "fusion_layers": 1,
    "imagenet": False,
}


def test_a_head_is_put_beside_its_own_encoder_only(tmp_path, capsys):
    run, models = tmp_path / "run", tmp_path / "models"
    run.mkdir()
    models.mkdir()
    encoder = write_encoder(models / "encoder.onnx", REASSEMBLE_LAYOUT)
    write_head(run / "head.onnx", read_model(encoder).sha256)
    export = ["export", str(run), "--out"]
    assert main([*export, str(tmp_path / "elsewhere" / "head.onnx")]) == 2
    assert "export the encoder of this head there first" in capsys.readouterr().err
    assert main([*export, str(models / "causal.onnx")]) == 2
    assert "nodes look for a head in a models folder's head.onnx" in capsys.readouterr().err
    assert main([*export, str(models)]) == 0
    assert (models / "head.onnx").read_bytes() == (run / "head.onnx").read_bytes()
    assert not capsys.readouterr().err
    (models / "models.sha256").write_text(f"{read_model(encoder).sha256}  encoder.onnx\n")
    assert main([*export, str(models)]) == 0
    assert "models.sha256 does not list it" in capsys.readouterr().err
    (models / "models.sha256").unlink()
    write_head(run / "head.onnx", "0" * 64)
    assert main([*export, str(models / "head.onnx")]) == 2
    assert "was trained on another encoder" in capsys.readouterr().err
    # Of features that nobody knows the encoder of: no robot would run it beside this one.
    write_head(run / "head.onnx", "")
    assert main([*export, str(models)]) == 2
    error = capsys.readouterr().err
    assert "does not say which encoder it was trained on" in error and str(encoder) in error
    assert main([*export, str(tmp_path / "elsewhere" / "head.onnx")]) == 0


def test_one_recording_is_refused_before_anything_is_read(tmp_path, capsys):
    write_recording(tmp_path / "data" / "a.h5", recording(1.0))
    run = tmp_path / "run"
    arguments = ["--encoder", "m2r2", "--data", str(tmp_path / "data"), "--out", str(run)]
    assert main(["pretrain", *arguments]) == 2
    assert "1 recording: pretraining takes two at least" in capsys.readouterr().err
    assert not run.exists()


def test_pretraining_says_at_once_what_it_begins_with(tmp_path, capsys):
    for name in ("a", "b"):
        write_recording(tmp_path / "data" / f"{name}.h5", replace(recording(1.0), name=name))
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(REFUSED))
    run, settings = tmp_path / "run", tmp_path / "settings.yaml"
    arguments = ["--encoder", "m2r2", "--data", tmp_path / "data", "--out", run]
    assert main(["pretrain", *map(str, arguments), "--config", str(settings)]) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "2 recordings: building the encoder"
    assert "no recording 'c' to validate on" in last


@pytest.mark.parametrize(
    ("out", "file"),
    [("mine", "mine/encoder.onnx"), ("mine/e.onnx", "mine/e.onnx"), ("v1.0", "v1.0/encoder.onnx")],
)
def test_a_models_folder_is_what_has_no_ending_or_is_there(out, file, tmp_path):
    (tmp_path / "v1.0").mkdir()
    assert _in_folder(tmp_path / out, "encoder.onnx") == tmp_path / file
