# SPDX-License-Identifier: Apache-2.0
"""The shipped models do on the shipped recording what they did when they were measured.

A figure may differ by the largest difference that `tools/shipped_figures.py` measured between runs
that must not matter: threads, order of additions, pieces of audio, the last bits of signals and
pictures. Where a definition changes, that command measures anew; nothing here is set by hand. That
the tolerances are tight enough, models with shuffled weights show.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import shipped_figures as tool

from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.offline import segmentation
from m2r2_ros.sensing.window import SensorWindow

MEASURED = json.loads(tool.FIGURES.read_text("utf-8"))
# The figures are written with four decimals.
ROUNDING = 1e-4


def differences(name: str, found: dict[str, float]) -> list[str]:
    """The figures that are further from those of the run as shipped than any other run was."""
    runs = MEASURED["figures"][name]
    expected = runs[tool.AS_SHIPPED]
    assert found.keys() == expected.keys()
    spread = {key: max(abs(run[key] - expected[key]) for run in runs.values()) for key in expected}
    return [
        f"{name} {key}: {found[key]}, was {expected[key]} +- {spread[key]:.4g}"
        for key in expected
        if not abs(found[key] - expected[key]) <= spread[key] + ROUNDING
    ]


@dataclass(frozen=True)
class Seen:
    """The figures of a run, and by its index each window, without data, and its feature."""

    figures: dict[str, float]
    features: dict[int, tuple[SensorWindow, np.ndarray]]


@pytest.fixture(scope="module")
def taskboard() -> Seen:
    """The compact pair as shipped."""
    features, encode = {}, Encoder.__call__

    def remembered(encoder: Encoder, window: SensorWindow) -> np.ndarray:
        feature = encode(encoder, window)
        features[window.index] = replace(window, images={}, signals={}), feature
        return feature

    with mock.patch.object(Encoder, "__call__", remembered):
        return Seen(measure(tool.MODELS, "taskboard_compact"), features)


def measure(models: Path, name: str) -> dict[str, float]:
    return tool.measure(models / name, tool.SHIPPED[name])


def test_figures_of_the_compact_pair_are_those_that_were_measured(taskboard):
    assert differences("taskboard_compact", taskboard.figures) == []


def test_figures_of_named_actions_are_those_that_were_measured():
    assert differences("roboact_compact", measure(tool.MODELS, "roboact_compact")) == []


def test_figures_were_measured_on_these_files_in_all_ways():
    assert MEASURED["files"] == tool.measured_files()
    assert {name: list(runs) for name, runs in MEASURED["figures"].items()} == {
        name: list(tool.ways()) for name in tool.SHIPPED
    }


def shuffle_weights(path: Path) -> None:
    """Put the numbers of every float tensor in another order."""
    onnx = pytest.importorskip("onnx")
    random, model = np.random.default_rng(0), onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor)
            shuffled = random.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(onnx.numpy_helper.from_array(shuffled, tensor.name))
    onnx.save(model, path)


def shuffle_texts(path: Path) -> None:
    """Give every sentence the features of another one."""
    with np.load(path) as file:
        arrays = dict(file)
    name = max(arrays, key=lambda key: arrays[key].size)
    arrays[name] = np.random.default_rng(0).permutation(arrays[name])
    np.savez(path, **arrays)


def point_to(path: Path, entry: str, target: Path) -> None:
    """Write a file's hash into another one's metadata, as its export would."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    (prop,) = (prop for prop in model.metadata_props if prop.key == "m2r2")
    prop.value = json.dumps(json.loads(prop.value) | {entry: sha256(target)})
    onnx.save(model, path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rehash(models: Path) -> None:
    """Make all hashes right again: of pairs, and of the list."""
    encoder = models / "taskboard_compact/encoder.onnx"
    point_to(models / "taskboard_compact/head.onnx", "encoder_sha256", encoder)
    frame = models / "roboact_compact/frame.onnx"
    point_to(models / "roboact_compact/encoder.onnx", "frame_sha256", frame)
    files = sorted(models.glob("*/*.onnx"))
    lines = [f"{sha256(path)}  {path.relative_to(models)}\n" for path in files]
    (models / "models.sha256").write_text("".join(lines))


def check_that_it_is_noticed(models: Path, file: str, spoil: Callable[[Path], None]) -> None:
    """More than half of the figures show that a file of the shipped models was spoiled."""
    shutil.copytree(tool.MODELS, models)
    spoil(models / file)
    rehash(models)
    name = Path(file).parent.name
    found = measure(models, name)
    assert len(differences(name, found)) > len(found) / 2


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("taskboard_compact/encoder.onnx", shuffle_weights),
        ("roboact_compact/encoder.onnx", shuffle_weights),
        ("roboact_compact/frame.onnx", shuffle_weights),
        ("roboact_compact/sentences.npz", shuffle_texts),
    ],
)
def test_models_with_shuffled_weights_are_noticed(
    file: str, spoil: Callable[[Path], None], tmp_path: Path
):
    check_that_it_is_noticed(tmp_path / "models", file, spoil)


def test_a_head_with_shuffled_weights_is_noticed(taskboard, tmp_path, monkeypatch):
    """On the features of the run as shipped, which its encoder would give again."""
    windows = [window for window, _ in taskboard.features.values()]
    monkeypatch.setattr(segmentation, "watched_windows", lambda *_: iter(windows))
    monkeypatch.setattr(Encoder, "__call__", lambda _, one: taskboard.features[one.index][1])
    assert measure(tool.MODELS, "taskboard_compact") == taskboard.figures
    check_that_it_is_noticed(tmp_path / "models", "taskboard_compact/head.onnx", shuffle_weights)
