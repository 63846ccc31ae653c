# SPDX-License-Identifier: Apache-2.0
"""Pictures as small JPEGs, and as many of them as eyes need."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.picture import Picture, reduced

# Pictures a second while a recording is played.
PLAYED_HZ = 15.0

# A camera, a stamp [ns], what decodes the picture.
Frame = tuple[str, int, Callable[[], np.ndarray]]


def small_picture(picture: Callable[[], np.ndarray], max_pixels: int) -> np.ndarray | None:
    """uint8 (H, W, 3) RGB of at most `max_pixels`; None when it cannot be decoded."""
    try:
        if isinstance(picture, Picture):
            return picture.decode(max_pixels)[0]
        return reduced(picture(), max_pixels)
    except M2R2Error:
        return None


def jpeg_of(pixels: np.ndarray, quality: int) -> bytes:
    """uint8 (H, W, 3) RGB as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def to_jpeg(picture: Callable[[], np.ndarray], max_pixels: int, quality: int) -> bytes | None:
    """None when it cannot be decoded."""
    pixels = small_picture(picture, max_pixels)
    return None if pixels is None else jpeg_of(pixels, quality)


def thinned(frames: Iterable[Frame], rate_hz: float) -> list[Frame]:
    """At most `rate_hz` a second of each camera, on one grid of time wherever the frames begin."""
    kept: dict[tuple[str, int], Frame] = {}
    for camera, stamp_ns, picture in frames:
        kept.setdefault((camera, int(stamp_ns * rate_hz / 1e9)), (camera, stamp_ns, picture))
    return list(kept.values())


def newest(frames: Iterable[Frame]) -> dict[str, Frame]:
    """The last frame of each camera."""
    return {frame[0]: frame for frame in sorted(frames, key=lambda frame: frame[1])}
