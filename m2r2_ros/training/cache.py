# SPDX-License-Identifier: Apache-2.0
"""Recordings as what the trained part of an encoder sees, computed once and kept on disk.

Decoding, windowing and the frozen backbone cost far more than a training step. A cached recording
is a folder of .npy files, mapped into memory; it is renamed into place when it is complete, so an
interrupted run goes on with the next recording.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from m2r2_ros.datasets.atomic import partial_folder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.packing import WindowPacker
from m2r2_ros.networks.m2r2 import M2R2
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow

LabelledWindows = Iterable[tuple[SensorWindow, str]]
# Change it when `M2R2.prepare` gives other values for the same recording.
FORMAT = 1
LABELS_FILE = "labels.json"
_BATCH = 16


@dataclass(frozen=True)
class PreparedRecording:
    """`arrays`: outputs of `M2R2.prepare`, one row a window; `labels`: fine label of each."""

    name: str
    arrays: dict[str, np.ndarray]
    labels: list[str]

    @classmethod
    def load(cls, folder: Path) -> PreparedRecording:
        """Map a cached recording into memory."""
        labels = json.loads((folder / LABELS_FILE).read_text(encoding="utf-8"))
        files = sorted(folder.glob("*.npy"))
        return cls(folder.name, {f.stem: np.load(f, mmap_mode="r") for f in files}, labels)

    def rows(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays at these frames."""
        return {name: array[frames] for name, array in self.arrays.items()}


def prepare_recordings(
    paths: Sequence[Path],
    encoder: M2R2,
    folder: Path,
    read: Callable[[Path, SensorLayout], LabelledWindows],
) -> list[PreparedRecording]:
    """Every recording through `encoder.prepare`, from the cache in `folder` where it is there.

    `read` yields a recording's windows with their labels. Raises M2R2Error when a recording gives
    no window.
    """
    prepared = []
    for path in tqdm(paths, desc="preparing", unit="recording", disable=None):
        place = folder / _key(encoder, path) / path.stem
        if not place.is_dir():
            _prepare(read(path, encoder.layout), encoder, place)
        prepared.append(PreparedRecording.load(place))
    return prepared


def collate(rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Tensor]:
    """Rows of several windows as one batch, without the oldest rows that no sample fills."""
    batch = {name: np.concatenate([part[name] for part in rows]) for name in rows[0]}
    for name in [n for n in batch if n.endswith("_valid")]:
        used = max(1, int(batch[name].sum(1).max()))
        for aligned in (name, name.removesuffix("_valid")):
            batch[aligned] = batch[aligned][:, -used:]
    return {name: torch.from_numpy(_widened(array)) for name, array in batch.items()}


@torch.no_grad()
def _prepare(windows: LabelledWindows, encoder: M2R2, place: Path) -> None:
    encoder.eval()
    labels: list[str] = []
    parts: list[dict[str, np.ndarray]] = []
    for batch in _batches(windows):
        pack = WindowPacker(encoder.layout, len(batch))
        packed = pack([window for window, _ in batch])
        inputs = {name: torch.from_numpy(array) for name, array in packed.items()}
        prepared = encoder.prepare(inputs)
        parts.append({name: _narrowed(name, value) for name, value in prepared.items()})
        labels += [label for _, label in batch]
    if not parts:
        raise M2R2Error(f"recording '{place.name}' gives no window of this sensor layout")
    with partial_folder(place) as partial:
        partial.mkdir()
        for name in parts[0]:
            np.save(partial / f"{name}.npy", np.concatenate([part[name] for part in parts]))
        (partial / LABELS_FILE).write_text(json.dumps(labels), encoding="utf-8")


def _batches(windows: LabelledWindows) -> Iterator[list[tuple[SensorWindow, str]]]:
    iterator = iter(windows)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _key(encoder: M2R2, path: Path) -> str:
    """Changes with everything that the prepared values depend on."""
    config, state = encoder.config, path.stat()
    digest = hashlib.sha256()
    if encoder.layout.cameras:
        for value in encoder.image_grid.state_dict().values():
            digest.update(value.numpy().tobytes())
    sizes = [FORMAT, config.image_size, config.image_stages, config.image_cells]
    identity = [encoder.layout.to_dict(), sizes, state.st_size, state.st_mtime_ns]
    digest.update(json.dumps(identity).encode())
    return digest.hexdigest()[:16]


def _narrowed(name: str, value: Tensor) -> np.ndarray:
    """Image grids and decibels in half precision: their error is far below their noise."""
    array = value.numpy().copy()
    half = name.startswith("image_") or name == "audio"
    return array.astype(np.float16) if half else array


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float16 else np.ascontiguousarray(array)
