# SPDX-License-Identifier: Apache-2.0
"""`m2r2 extract` with an encoder that carries a state from window to window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recordings import recording

from m2r2_ros.cli import main as command
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.roboact_encoder import RoboActEncoder
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.extraction import encode_recording

NAMES = ("a", "b")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("extract_roboact")
    for name in NAMES:
        data = recording(2.0, name, cameras=("hama1", "hama2"))
        write_recording(folder / f"{name}.h5", data)
    return folder


def extract(data: Path, models: Path, out: Path, *more: str) -> int:
    arguments = ["extract", data, "--encoder", models / "encoder.onnx", "--out", out, *more]
    return command.main(list(map(str, arguments)))


def alone(path: Path, models: Path) -> np.ndarray:
    """The features of a recording by an encoder that has seen nothing else."""
    encoder = RoboActEncoder(models / "encoder.onnx")
    with open_source(path) as source:
        return np.stack([encoder(window) for window in windows(source, encoder.layout)])


def test_every_recording_begins_anew(data, roboact, tmp_path):
    assert extract(data, roboact.folder, tmp_path) == 0
    folder = FeatureFolder(tmp_path)
    for name in NAMES:
        expected = alone(data / f"{name}.h5", roboact.folder)
        assert np.array_equal(folder.features(name), expected)


def test_even_where_the_windows_before_would_go_on_with_it(data, roboact):
    encoder = RoboActEncoder(roboact.folder / "encoder.onnx")
    with open_source(data / "a.h5") as source:
        first = next(iter(windows(source, encoder.layout)))
    period_ns = encoder.layout.period_ns
    before = replace(
        first, index=-1, start_ns=first.start_ns - period_ns, end_ns=first.end_ns - period_ns
    )
    dark = {name: np.zeros_like(image) for name, image in before.images.items()}
    encoder(replace(before, images=dark))
    with open_source(data / "a.h5") as source:
        found, _ = encode_recording(source, encoder, Deployment())
    assert np.array_equal(found, alone(data / "a.h5", roboact.folder))


def test_batches_are_refused(data, roboact, tmp_path, capsys):
    assert extract(data, roboact.folder, tmp_path / "out", "--batch", "8") == 2
    assert "its state goes from each to the next: no --batch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
