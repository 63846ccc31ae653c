# SPDX-License-Identifier: Apache-2.0
"""Frame embeddings of whole videos, computed once and kept on disk.

The frozen visual encoder costs far more than everything that is trained, so it runs as an ONNX
graph, over several videos at a time; the processes that do it need no torch. A cached video is a
folder of .npy files, mapped into memory; it is renamed into place when it is complete, so an
interrupted run goes on with the next video.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2r2_ros.datasets.atomic import partial_folder
from m2r2_ros.datasets.video_frames import Frame, video_frames
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.session import open_session
from m2r2_ros.parallel.spread import ALONE, Workers, every, spread
from m2r2_ros.training.cached_arrays import is_intact, map_array

if TYPE_CHECKING:
    from m2r2_ros.networks.roboact.frames import FrameEncoder

# Change it when the same video gives other embeddings.
FORMAT = 2
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
        """Map cached embeddings into memory. Raises M2R2Error when they are damaged."""
        times_s, rows = np.array(map_array(folder / "times_s.npy")), map_array(folder / "rows.npy")
        fits = times_s.dtype == np.float64 and rows.dtype == np.float16 and rows.ndim == 2
        if not fits or times_s.shape != rows.shape[:1] or not (np.diff(times_s) >= 0).all():
            raise M2R2Error(f"{folder}: damaged: {times_s.shape} times of {rows.shape} rows")
        return cls(times_s, rows)


@dataclass(frozen=True)
class _Task:
    """One video: `graph` is run over its frames, the results fill the new folder `place`."""

    video: Video
    rate_hz: float
    graph: Path
    place: Path


def embed_videos(
    videos: Sequence[Video],
    encoder: FrameEncoder,
    rate_hz: float,
    folder: Path,
    workers: Workers = ALONE,
) -> dict[Video, VideoEmbeddings]:
    """Every video at `rate_hz` frames a second, from the cache in `folder` where it is there.

    `workers` embed the others. Raises M2R2Error when a video cannot be read or
    has no frame.
    """
    fingerprint = encoder.fingerprint()
    graph = folder / f"frame_{FORMAT}_{fingerprint[:16]}.onnx"
    places = {
        video: folder / _key(video, fingerprint, rate_hz) / "-".join((video[0].stem, *video[1:]))
        for video in videos
    }
    missing = [
        _Task(video, rate_hz, graph, place)
        for video, place in places.items()
        if not is_intact(place, VideoEmbeddings.load)
    ]
    if missing:
        # Late: the other processes do without torch.
        from m2r2_ros.training.roboact.frame_graph import write_frame_graph

        write_frame_graph(encoder, graph)
        done = spread(_embed, missing, workers, "embedding", "videos")
        every(done, lambda task: task.place.name)
    return {video: VideoEmbeddings.load(place) for video, place in places.items()}


def _embed(task: _Task) -> None:
    session = _open(task.graph)
    times, parts = [], []
    for batch in _batches(video_frames(*task.video, task.rate_hz)):
        images = np.stack([frame.picture for frame in batch])
        parts.append(session.run(None, {"image": images})[0].astype(np.float16))
        times += [frame.time_s for frame in batch]
    if not parts:
        raise M2R2Error(f"{task.video[0]} {task.video[1]}".strip() + ": has no frame")
    with partial_folder(task.place) as partial:
        partial.mkdir()
        np.save(partial / "times_s.npy", np.array(times))
        np.save(partial / "rows.npy", np.concatenate(parts))


@lru_cache(maxsize=1)
def _open(graph: Path) -> Any:
    return open_session(read_model(graph), threads=1)


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
