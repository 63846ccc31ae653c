# SPDX-License-Identifier: Apache-2.0
"""Pictures of distances as grey ones: 16UC1 [mm], 32FC1 [m], and both as compressedDepth.

One level of grey is 16 mm; what is further away than 4.08 m, or not measured, is 255 and 0.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

from m2r2_ros.errors import brief
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.sensing.picture import Decoded, reduced

MILLIMETRES, METRES = "16UC1", "32FC1"
ENCODINGS = {MILLIMETRES: "u2", "mono16": "u2", METRES: "f4"}
COMPRESSED = "compressedDepth"

_LEVEL_MM = 16
# In front of the PNG: its kind, and the two numbers by which distances [m] were made whole.
_HEADER = struct.Struct("<iff")


def grey_of(distances_mm: np.ndarray, max_pixels: int | None) -> Decoded:
    """The picture of distances (H, W); 0 and NaN are not measured."""
    measured = np.nan_to_num(distances_mm, nan=0.0, posinf=np.inf, neginf=0.0)
    grey = np.clip(measured // _LEVEL_MM, 0, 255).astype(np.uint8)
    rows = reduced(grey[:, :, None], max_pixels)
    return np.ascontiguousarray(np.broadcast_to(rows, (*rows.shape[:2], 3))), grey.shape


def in_millimetres(values: np.ndarray, encoding: str) -> np.ndarray:
    """Distances as they are sent in an encoding."""
    return values * np.float32(1000) if encoding == METRES else values


def decode_compressed(image_format: str, data: np.ndarray, max_pixels: int | None) -> Decoded:
    """Read what compressed_depth_image_transport publishes. Raises MessageError."""
    encoding = image_format.partition(";")[0].strip()
    if encoding not in ENCODINGS or len(data) <= _HEADER.size or "rvl" in image_format:
        raise MessageError(f"cannot read {COMPRESSED} as {brief(image_format)}: png of 16UC1 is")
    _, near, far = _HEADER.unpack_from(data)
    try:
        with Image.open(io.BytesIO(data[_HEADER.size :]), formats=("PNG",)) as image:
            raw = np.asarray(image)
    except Exception as error:  # Pillow has no common exception for damaged files
        raise MessageError(f"{COMPRESSED} is damaged: {error}") from error
    if raw.ndim != 2:
        raise MessageError(f"{COMPRESSED} holds a picture of {raw.ndim} dimensions")
    if encoding != METRES:
        return grey_of(raw, max_pixels)
    with np.errstate(divide="ignore", invalid="ignore"):
        metres = np.where(raw > 0, np.float32(near) / (raw - np.float32(far)), np.float32(0))
    return grey_of(metres * np.float32(1000), max_pixels)
