# SPDX-License-Identifier: Apache-2.0
"""Frame embeddings of whole videos, computed once and kept on disk.

The frozen visual encoder costs far more than everything that is trained. A cached video is a
folder of .npy files, mapped into memory; it is renamed into place when it is complete, so an
interrupted run goes on with the next video.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from m2r2_ros.datasets.atomic import partial_folder
from m2r2_ros.datasets.video_frames import Frame, video_frames
from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.roboact.frames import FrameEncoder

# Change it when the same video gives other embeddings.
FORMAT = 1
_BATCH = 16

# A video file with "", or a recording with the name of its camera.
Video = tuple[Path, str]


@dataclass(frozen=True)
class VideoEmbeddings:
    """`times_s` float64 (T,), ascending, from the video's start; `rows` float16 (T, d): F_i."""

    times_s: np.ndarray
    rows: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> VideoEmbeddings:
        """Map cached embeddings into memory."""
        return cls(np.load(folder / "times_s.npy"), np.load(folder / "rows.npy", mmap_mode="r"))


def embed_videos(
    videos: Sequence[Video], encoder: FrameEncoder, rate_hz: float, folder: Path
) -> dict[Video, VideoEmbeddings]:
    """Every video at `rate_hz` frames a second, from the cache in `folder` where it is there.

    Raises M2R2Error when a video cannot be read or has no frame.
    """
    fingerprint, found = encoder.fingerprint(), {}
    for video in tqdm(videos, desc="embedding", unit="video", disable=None):
        place = folder / _key(video, fingerprint, rate_hz) / "-".join((video[0].stem, *video[1:]))
        if not place.is_dir():
            _embed(video_frames(*video, rate_hz), encoder, place, f"{video[0]} {video[1]}")
        found[video] = VideoEmbeddings.load(place)
    return found


@torch.no_grad()
def _embed(frames: Iterable[Frame], encoder: FrameEncoder, place: Path, what: str) -> None:
    times, parts = [], []
    for batch in _batches(frames):
        images = torch.from_numpy(np.stack([frame.picture for frame in batch]))
        parts.append(encoder(images).numpy().astype(np.float16))
        times += [frame.time_s for frame in batch]
    if not parts:
        raise M2R2Error(f"{what.strip()}: has no frame")
    with partial_folder(place) as partial:
        partial.mkdir()
        np.save(partial / "times_s.npy", np.array(times))
        np.save(partial / "rows.npy", np.concatenate(parts))


def _batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    iterator = iter(frames)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _key(video: Video, fingerprint: str, rate_hz: float) -> str:
    """Changes with everything that the embeddings depend on."""
    path, camera = video
    try:
        files = [path] if path.is_file() else sorted(path.iterdir())
        states = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    except OSError as error:
        raise M2R2Error(f"cannot read {path}: {error.strerror}") from error
    identity = [FORMAT, fingerprint, rate_hz, camera, states]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
