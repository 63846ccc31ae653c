# SPDX-License-Identifier: Apache-2.0
"""Pictures for the page: small ones to play, whole ones to look at, many in one answer."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.picture import Picture, reduced

SMALL_PIXELS, SMALL_QUALITY = 320 * 240, 65
WHOLE_PIXELS, WHOLE_QUALITY = 1280 * 960, 88
# Pictures a second while a recording is played.
PLAYED_HZ = 15.0

# A camera, a stamp [ns], what decodes the picture.
Frame = tuple[str, int, Callable[[], np.ndarray]]


class Jpeg(NamedTuple):
    """A picture of the camera with this number in the layout."""

    camera: int
    time_s: float
    data: bytes


def to_jpeg(picture: Callable[[], np.ndarray], max_pixels: int, quality: int) -> bytes | None:
    """None when it cannot be decoded."""
    try:
        if isinstance(picture, Picture):
            pixels = picture.decode(max_pixels)[0]
        else:
            pixels = reduced(picture(), max_pixels)
    except M2R2Error:
        return None
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def thinned(frames: Iterable[Frame], rate_hz: float) -> list[Frame]:
    """At most `rate_hz` a second of each camera, on one grid of time wherever the frames begin."""
    kept: dict[tuple[str, int], Frame] = {}
    for camera, stamp_ns, picture in frames:
        kept.setdefault((camera, int(stamp_ns * rate_hz / 1e9)), (camera, stamp_ns, picture))
    return list(kept.values())


def newest(frames: Iterable[Frame]) -> dict[str, Frame]:
    """The last frame of each camera."""
    return {frame[0]: frame for frame in sorted(frames, key=lambda frame: frame[1])}


def packed(pictures: Sequence[Jpeg]) -> bytes:
    """Length of the index (uint32), the index in JSON ([camera, seconds, bytes] each), pictures."""
    index = json.dumps([[jpeg.camera, jpeg.time_s, len(jpeg.data)] for jpeg in pictures]).encode()
    return struct.pack("<I", len(index)) + index + b"".join(jpeg.data for jpeg in pictures)
