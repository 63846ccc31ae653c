# SPDX-License-Identifier: Apache-2.0
"""Features that do not fit in memory: read when they are used, to the same numbers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import yaml
from foreign_features import SETTINGS, write_kitchen

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.feature_file import StoredFeatures
from m2r2_ros.datasets.feature_vocabulary import folder_vocabulary
from m2r2_ros.datasets.mstcn import FeatureFolder, LabelledFeatures
from m2r2_ros.errors import M2R2Error

torch = pytest.importorskip("torch")
sequences = pytest.importorskip("m2r2_ros.training.sequences")
streaming_method = pytest.importorskip("m2r2_ros.training.streaming_method")

SMALL = {
    "causal": SETTINGS | {"optimiser": {"epochs": 2, "batch_size": 2}},
    "mstcn": {"model": {"stages": 1, "layers": 3, "channels": 8}, "optimiser": {"epochs": 2}},
}


@pytest.mark.parametrize("head", SMALL)
def test_training_from_files_is_training_from_memory(head, tmp_path, monkeypatch):
    folder = write_kitchen(tmp_path / "kitchen", 5)
    if head == "causal":  # Its export takes seconds and reads no features.
        monkeypatch.setattr(streaming_method, "export_head", lambda *arguments: 0.0)
    config = tmp_path / "settings.yaml"
    config.write_text(yaml.safe_dump(SMALL[head]))
    place = ["--data", str(folder), "--split", "1", "--head", head, "--config", str(config)]
    one_file = (folder / "features" / "rgb-00.npy").stat().st_size
    for name, kept in (("memory", 2**30), ("files", 0), ("both", 2 * one_file)):
        monkeypatch.setattr(sequences, "KEPT_BYTES", kept)
        assert main(["train", *place, "--rate", "5", "--out", str(tmp_path / name)]) == 0
    for file in ("metrics.jsonl", "best.safetensors"):
        found = {(tmp_path / name / file).read_bytes() for name in ("memory", "files", "both")}
        assert len(found) == 1, file


def stored(tmp_path, shape, name="x.npy"):
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.save(tmp_path / name, rows.T)
    return rows, StoredFeatures(tmp_path / name, *shape)


def test_a_label_is_in_memory_once(tmp_path):
    folder = FeatureFolder(write_kitchen(tmp_path / "kitchen", 5))
    vocabulary = folder_vocabulary(folder).vocabulary
    found, learned = sequences.read_sequences(folder, folder.recordings[0], vocabulary)
    said = [label for sequence in found for label in sequence.labels]
    assert len({id(label) for label in said}) == len(set(said)) <= len(learned.labels)


def test_slices_are_those_of_the_array(tmp_path):
    random = np.random.default_rng(1)
    rows, lazy = stored(tmp_path, (23, 3))
    for _ in range(200):
        expected, found = rows, lazy
        for _ in range(int(random.integers(1, 4))):
            start, stop = sorted(random.integers(0, len(expected) + 1, 2).tolist())
            part = slice(start, max(stop, start + 1), int(random.integers(1, 4)))
            if not len(expected[part]):
                break
            expected, found = expected[part], found[part]
        assert found.shape == expected.shape and len(found) == len(expected)
        read = np.asarray(found)
        np.testing.assert_array_equal(read, expected)
        assert read.dtype == np.float32 and read.flags.c_contiguous


def test_a_file_that_changes_is_one_line(tmp_path):
    _, lazy = stored(tmp_path, (23, 3))
    stored(tmp_path, (22, 3))
    with pytest.raises(M2R2Error, match=r"x\.npy: has changed since it was first read"):
        np.asarray(lazy)
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(M2R2Error, match=r"x\.npy: not a \.npy file"):
        np.asarray(lazy)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_are_those_of_all_frames_at_once(offset, tmp_path):
    """In float64: a mean far from zero costs no digits."""
    random = np.random.default_rng(2)
    parts, whole = [], []
    for index, frames in enumerate([1, 7, 300, 2]):
        rows = (random.normal(size=(frames, 4)) * [1, 5, 1e-3, 0] + offset).astype(np.float32)
        np.save(tmp_path / f"{index}.npy", rows.T)
        lazy = StoredFeatures(tmp_path / f"{index}.npy", *rows.shape)
        parts.append(LabelledFeatures(str(index), lazy if index % 2 else rows, [], np.zeros(0)))
        whole.append(rows)
    exact = np.concatenate(whole).astype(np.longdouble)
    mean, std = sequences.feature_moments(parts)
    np.testing.assert_array_equal(mean, exact.mean(0).astype(np.float32))
    np.testing.assert_allclose(std[:3], exact.std(0).astype(np.float32)[:3], rtol=1e-6)
    assert std[3] == np.float32(1e-6)


# A child for each, so that both begin with the same memory, and torch is imported once.
MEASURED = """
import os, sys
from m2r2_ros.cli.main import main
from m2r2_ros.training import sequences, streaming_method
streaming_method.export_head = lambda *arguments: 0.0
for kept, out in ((0, "nothing"), (2**40, "everything")):
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        continue
    sequences.KEPT_BYTES = kept
    status = main([*sys.argv[2:], "--out", f"{sys.argv[1]}/{out}"])
    # Unlike ru_maxrss, without what the process was before it became this program.
    with open("/proc/self/status") as file:
        print(next(line.split()[1] for line in file if line.startswith("VmHWM")), flush=True)
    os._exit(status)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_data(tmp_path):
    """Recordings of which most is a hole in the file: 92 MB that take no disk."""
    dimension, frames, count = 4096, 400, 14
    names = [f"v{index:02d}" for index in range(count)]
    for part in ("features", "groundTruth", "splits"):
        (tmp_path / "big" / part).mkdir(parents=True)
    for name in names:
        path = tmp_path / "big" / "features" / f"{name}.npy"
        np.lib.format.open_memmap(path, "w+", np.float32, (dimension, frames))[:, :2] = 1
        truth = ["pour\n"] * (frames // 2) + ["stir\n"] * (frames - frames // 2)
        (tmp_path / "big" / "groundTruth" / f"{name}.txt").write_text("".join(truth))
    (tmp_path / "big" / "mapping.txt").write_text("0 pour\n1 stir\n")
    bundle = "".join(f"{name}.txt\n" for name in names)
    for part in ("train", "test"):
        (tmp_path / "big" / "splits" / f"{part}.split1.bundle").write_text(bundle)
    config = tmp_path / "causal.yaml"
    small = {"model": {"channels": 4, "layers": 2}, "optimiser": {"epochs": 1, "batch_size": 1}}
    config.write_text(yaml.safe_dump(small))
    words = ["train", "--data", str(tmp_path / "big"), "--split", "1", "--head", "causal"]
    command = [sys.executable, "-c", MEASURED, str(tmp_path), *words]
    command += ["--config", str(config), "--rate", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Among what the command says.
    nothing, everything = (1024 * int(n) for n in done.stdout.split("\n") if n.isdigit())
    data = 4 * dimension * frames * count
    assert everything - nothing > 0.6 * data
