# SPDX-License-Identifier: Apache-2.0
"""Pictures as small JPEGs, and as many of them as eyes need."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import suppress

import numpy as np
from PIL import Image

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.picture import Picture, reduced

# Pictures a second while a recording is played.
PLAYED_HZ = 15.0
# Of libjpeg [pixels].
_LONGEST = 65_500

# A camera, a stamp [ns], what decodes the picture.
Frame = tuple[str, int, Callable[[], np.ndarray]]


def small_jpeg(
    picture: Callable[[], np.ndarray], max_pixels: int, quality: int
) -> tuple[bytes, tuple[int, int]]:
    """A JPEG of at most `max_pixels`, and its (height, width).

    Raises M2R2Error when the picture cannot be decoded, or is longer than a JPEG can be.
    """
    if isinstance(picture, Picture):
        pixels, _ = picture.decode(max_pixels)
    else:
        pixels = reduced(picture(), max_pixels)
    height, width = pixels.shape[:2]
    if max(height, width) > _LONGEST:
        raise M2R2Error(f"image of {width} x {height}; a JPEG has up to {_LONGEST} on a side")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue(), (height, width)


def to_jpeg(picture: Callable[[], np.ndarray], max_pixels: int, quality: int) -> bytes | None:
    """None when it cannot be shown."""
    with suppress(M2R2Error):
        return small_jpeg(picture, max_pixels, quality)[0]
    return None


def thinned(frames: Iterable[Frame], rate_hz: float) -> list[Frame]:
    """At most `rate_hz` a second of each camera, on one grid of time wherever the frames begin."""
    kept: dict[tuple[str, int], Frame] = {}
    for camera, stamp_ns, picture in frames:
        kept.setdefault((camera, int(stamp_ns * rate_hz / 1e9)), (camera, stamp_ns, picture))
    return list(kept.values())


def newest(frames: Iterable[Frame]) -> dict[str, Frame]:
    """The last frame of each camera."""
    return {frame[0]: frame for frame in sorted(frames, key=lambda frame: frame[1])}
