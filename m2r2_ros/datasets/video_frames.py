# SPDX-License-Identifier: Apache-2.0
"""The pictures of a video file, or of one camera of a recording, thinned to a rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2r2_ros.datasets import media
from m2r2_ros.datasets.source import open_source
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.av_frames import rgb
from m2r2_ros.sensing.layout import SensorLayout

VIDEO_SUFFIX = ".mp4"


@dataclass(frozen=True)
class Frame:
    """`time_s` from the start of the video or recording; `picture` uint8 (H, W, 3) RGB."""

    time_s: float
    picture: np.ndarray


def video_frames(path: Path, camera: str, rate_hz: float) -> Iterator[Frame]:
    """Yield at most `rate_hz` frames a second, in order of time; only these are converted to RGB.

    As in sensing, a frame is taken when it reaches its target time less a quarter of a period.
    Raises M2R2Error when the file cannot be read, is damaged, or has no such camera.
    """
    if path.suffix != VIDEO_SUFFIX and not camera:
        raise M2R2Error(
            f"{path}: is no {VIDEO_SUFFIX}, and no camera of a recording is named: make one by "
            f"`ffmpeg -i {path.name} {path.stem}{VIDEO_SUFFIX}`"
        )
    opened = _file_frames(path) if path.suffix == VIDEO_SUFFIX else _camera_frames(path, camera)
    due_s = None
    for time_s, picture in opened:
        if due_s is None or time_s >= due_s - 0.25 / rate_hz:
            yield Frame(time_s, picture())
            # Against the grid of targets, unless a hole has left it behind.
            due_s = max(due_s or time_s, time_s - 0.5 / rate_hz) + 1 / rate_hz


def _file_frames(path: Path) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
    try:
        payload = path.read_bytes()
    except OSError as error:
        raise M2R2Error(f"cannot read {path}: {error.strerror}") from error
    try:
        for frame in media.decode_video(payload):
            if frame.time is not None:
                yield float(frame.time), lambda frame=frame: rgb(frame)
    except media.MediaError as error:
        raise M2R2Error(f"{path}: {error}") from error


def _camera_frames(path: Path, camera: str) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
    layout = SensorLayout(cameras=(camera,), audio=False, signals=())
    with open_source(path) as source:
        for batch in source.batches(layout):
            for _, stamp_ns, picture in batch.images:
                yield (stamp_ns - source.start_ns) / 1e9, picture
