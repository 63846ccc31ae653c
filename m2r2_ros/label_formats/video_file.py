# SPDX-License-Identifier: Apache-2.0
"""A camera's pictures as an MP4 file, written picture by picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from m2r2_ros.datasets.media import REPEATABLE
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.av_frames import CONVERSION


class VideoFile:
    """H.264 of RGB pictures uint8 (H, W, 3), every other one a key frame, for quick random access.

    shape  of the pictures, None before the first.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.shape: tuple[int, ...] | None = None
        self._container = av.open(str(path), "w", format="mp4")
        rate = Fraction(rate_hz).limit_denominator(1000)
        options = {"preset": "veryfast", "crf": "23", "bf": "0", "g": "2", "threads": "1"}
        self._stream = self._container.add_stream(
            "libx264", rate=rate, options={**options, **REPEATABLE}
        )
        self._time_base = self._stream.codec_context.time_base = 1 / rate
        self._count = 0

    def add(self, picture: np.ndarray) -> None:
        """Raises M2R2Error when it is of another size than the others."""
        if self.shape is None:
            self._begin(picture)
        if picture.shape != self.shape:
            raise M2R2Error(f"pictures change from {self.shape} to {picture.shape}")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = frame.reformat(format=self._stream.pix_fmt, **CONVERSION)
        frame.pts, frame.time_base = self._count, self._time_base
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if self._count:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def _begin(self, picture: np.ndarray) -> None:
        self.shape = picture.shape
        self._stream.height, self._stream.width = picture.shape[:2]
        # 4:2:0 chroma needs even sides.
        is_even = picture.shape[0] % 2 == picture.shape[1] % 2 == 0
        self._stream.pix_fmt = "yuv420p" if is_even else "yuv444p"
