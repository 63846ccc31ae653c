# SPDX-License-Identifier: Apache-2.0
"""Recordings as what the trained part of an encoder sees, computed once and kept on disk.

A cached recording is a folder of .npy files, mapped into memory; it is renamed into place when it
is complete, so an interrupted run goes on with the next recording.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from m2r2_ros.datasets.labels_file import labels_digest
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.metadata import REDUCE_ABOVE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.networks.m2r2 import M2R2, ROBOACT
from m2r2_ros.parallel.spread import ALONE, Workers
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.cached_arrays import is_intact, map_array
from m2r2_ros.training.onnx_export import export_preparation
from m2r2_ros.training.preparation import LABELS_FILE, PreparationJob, Reader, prepare_all

# Change it when windows or `M2R2.prepare` give other values for the same recording.
FORMAT = 3
GRAPH_FILE = "prepare.onnx"


@dataclass(frozen=True)
class PreparedRecording:
    """`arrays`: outputs of `M2R2.prepare`, one row a window; `labels`: fine label of each."""

    name: str
    arrays: dict[str, np.ndarray]
    labels: list[str]

    @classmethod
    def load(cls, folder: Path) -> PreparedRecording:
        """Map a cached recording into memory. Raises M2R2Error when it is damaged."""
        try:
            labels = json.loads((folder / LABELS_FILE).read_text(encoding="utf-8"))
            if not labels or not all(isinstance(label, str) for label in labels):
                raise ValueError("it holds no labels")
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise M2R2Error(f"{folder / LABELS_FILE}: damaged: {error}") from error
        arrays = {file.stem: map_array(file) for file in sorted(folder.glob("*.npy"))}
        for name, array in arrays.items():
            if len(array) != len(labels) or (array.dtype == bool) != _is_mask(name):
                raise M2R2Error(f"{folder / name}.npy: damaged: {array.dtype} {array.shape}")
        # One string a label, not one a window.
        return cls(folder.name, arrays, list(map(sys.intern, labels)))

    def restricted(self, layout: SensorLayout, modalities: Sequence[str]) -> PreparedRecording:
        """The arrays for an encoder of these `modalities`, or of the whole `layout` if of none."""
        if not modalities:
            return self
        left_out = set(layout.modalities) - set(modalities)
        arrays = {
            name: array
            for name, array in self.arrays.items()
            if name.removeprefix("image_").removesuffix("_valid") not in left_out
        }
        kept = [name not in left_out for name in layout.modalities]
        return PreparedRecording(
            self.name, arrays | {"mask": self.arrays["mask"][:, kept]}, self.labels
        )

    def rows(self, frames: np.ndarray | slice) -> dict[str, np.ndarray]:
        """The arrays at these frames."""
        return {name: array[frames] for name, array in self.arrays.items()}


def prepare_recordings(
    paths: Sequence[Path],
    encoder: M2R2,
    folder: Path,
    read: Reader,
    workers: Workers = ALONE,
    roboact: Path | None = None,
) -> list[PreparedRecording]:
    """Every recording through `encoder.prepare`, from the cache in `folder` where it is there.

    `workers` share the others. `roboact`: the encoder.onnx that gives the cameras'
    features to an M2R2 which takes those. Raises M2R2Error when a recording cannot be read or
    gives no window; those that are finished by then are kept.
    """
    max_pixels = most_pixels(encoder.config.image_size, roboact)
    folder = folder / _encoder_key(encoder, max_pixels)
    graph = folder / GRAPH_FILE
    places = [folder / _recording_key(path) / path.stem for path in paths]
    jobs = [
        PreparationJob(path, encoder.layout, graph, place, max_pixels, roboact)
        for path, place in zip(paths, places, strict=True)
        if not is_intact(place, partial(_load_whole, layout=encoder.layout))
    ]
    if jobs and not graph.exists():
        export_preparation(encoder, graph)
    prepare_all(jobs, read, workers)
    return [PreparedRecording.load(place) for place in places]


def most_pixels(image_size: int, roboact: Path | None) -> int:
    """Pictures of more pixels are made smaller for the encoder: `EncoderMetadata.max_pixels`."""
    return read_encoder_metadata(roboact).max_pixels if roboact else REDUCE_ABOVE * image_size**2


def _load_whole(folder: Path, layout: SensorLayout) -> None:
    """Raise M2R2Error unless the folder holds all of this layout."""
    names = {"mask", *(f"image_{camera}" for camera in layout.cameras)}
    names |= {f"{name}{part}" for name in _sampled(layout) for part in ("", "_valid")}
    found = PreparedRecording.load(folder).arrays.keys()
    if found != names:
        raise M2R2Error(f"{folder}: damaged: without {', '.join(sorted(names - found)) or 'more'}")


def _sampled(layout: SensorLayout) -> list[str]:
    return [name for name in layout.modalities if name not in layout.cameras]


def _is_mask(name: str) -> bool:
    return name == "mask" or name.endswith("_valid")


def collate(rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Tensor]:
    """Rows of several windows as one batch, without the oldest rows that no sample fills."""
    batch = {name: np.concatenate([part[name] for part in rows]) for name in rows[0]}
    for name in [n for n in batch if n.endswith("_valid")]:
        used = max(1, int(batch[name].sum(1).max()))
        for aligned in (name, name.removesuffix("_valid")):
            batch[aligned] = batch[aligned][:, -used:]
    return {name: torch.from_numpy(_widened(array)) for name, array in batch.items()}


def _encoder_key(encoder: M2R2, max_pixels: int) -> str:
    """Changes with everything in the encoder that the prepared values depend on."""
    config, digest = encoder.config, hashlib.sha256()
    if encoder.layout.cameras and config.image_backbone == ROBOACT:
        digest.update(config.roboact_sha256.encode())
    elif encoder.layout.cameras and not config.image_trained:
        for value in encoder.image_grid.state_dict().values():
            digest.update(value.numpy().tobytes())
    of_images = [config.image_backbone, config.image_trained, config.image_size]
    sizes = [FORMAT, *of_images, config.image_stages, config.image_cells, max_pixels]
    digest.update(json.dumps([encoder.layout.to_dict(), sizes]).encode())
    return digest.hexdigest()[:16]


def _recording_key(path: Path) -> str:
    state = path.stat()
    digest = labels_digest(path)
    beside = [digest] if digest else []
    identity = json.dumps([path.stem, state.st_size, state.st_mtime_ns, *beside])
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float16 else np.ascontiguousarray(array)
