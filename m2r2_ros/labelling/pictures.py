# SPDX-License-Identifier: Apache-2.0
"""Pictures for the page: small ones to play, whole ones to look at, many in one answer."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import NamedTuple

SMALL_PIXELS, SMALL_QUALITY = 320 * 240, 65
WHOLE_PIXELS, WHOLE_QUALITY = 1280 * 960, 88


class Jpeg(NamedTuple):
    """A picture of the camera with this number in the layout."""

    camera: int
    time_s: float
    data: bytes


def packed(pictures: Sequence[Jpeg]) -> bytes:
    """Length of the index (uint32), the index in JSON ([camera, seconds, bytes] each), pictures."""
    index = json.dumps([[jpeg.camera, jpeg.time_s, len(jpeg.data)] for jpeg in pictures]).encode()
    return struct.pack("<I", len(index)) + index + b"".join(jpeg.data for jpeg in pictures)
