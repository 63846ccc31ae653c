# SPDX-License-Identifier: Apache-2.0
"""Camera messages as RGB pictures."""

from __future__ import annotations

import io
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
from PIL import Image, UnidentifiedImageError

from m2r2_ros.errors import brief, nearest_name
from m2r2_ros.messages import depth
from m2r2_ros.messages.cdr import CdrReader, MessageError
from m2r2_ros.sensing.picture import Decoded, Picture, block_means, reduced, reduction

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)

# What a message may make us allocate.
MAX_PIXELS = 4096 * 4096

# encoding -> where red, green and blue are among how many bytes of a pixel. Slices, not indices,
# so that rgb8 is a view of the message.
_CHANNELS = {
    "rgb8": (slice(0, 3), 3),
    "bgr8": (slice(2, None, -1), 3),
    "rgba8": (slice(0, 3), 4),
    "bgra8": (slice(2, None, -1), 4),
    "mono8": (slice(0, 1), 1),
    # What cv2_to_imgmsg(x) says of OpenCV's arrays, whose colours are in the order BGR.
    "8UC1": (slice(0, 1), 1),
    "8UC3": (slice(2, None, -1), 3),
    "8UC4": (slice(2, None, -1), 4),
}
# Names of numbers that are not said to be colours, as OpenCV types: 16UC1 and 32FC1 are distances.
_NO_COLOUR = re.compile(r"\d+[A-Z]+C\d+")
_PLAIN_MODES = ("L", "RGB", "RGBA", "P")
# By what a JPEG decoder can divide both sides while it decodes.
_DRAFTS = (8, 4, 2)


def decode_image(type_name: str, message: bytes, is_depth: bool = False) -> tuple[int, Picture]:
    """Stamp [ns] and the picture, uint8 (H, W, 3) RGB when it is decoded.

    Header and sizes are checked at once; pixels are decoded when they are asked for, so a frame
    that is not used costs little. Both raise MessageError. Distances are a picture with `is_depth`
    only: a robot's file says so, for they may also be a colour topic's neighbour.
    """
    if type_name == IMAGE:
        return _raw(CdrReader(message), is_depth)
    if type_name == COMPRESSED_IMAGE:
        return _compressed(CdrReader(message), is_depth)
    raise MessageError(
        f"cannot read pictures from {type_name}{nearest_name(type_name, IMAGE_TYPES)}"
    )


def _raw(reader: CdrReader, is_depth: bool) -> tuple[int, Picture]:
    stamp_ns, _ = reader.header()
    height, width = reader.number("I"), reader.number("I")
    encoding, is_bigendian, step = reader.text(), reader.number("B"), reader.number("I")
    data = reader.array("u1")
    _check_size(width, height)
    if len(data) < step * height:
        raise MessageError(f"image has {len(data)} bytes, {height} rows need {step * height}")
    if encoding in _CHANNELS:
        channels, size = _CHANNELS[encoding]
        if step < width * size:
            raise MessageError(f"image has rows of {step} bytes, {width} x {encoding} need more")
        rows = data[: step * height].reshape(height, step)[:, : width * size]
        pixels = rows.reshape(height, width, size)
        return stamp_ns, Picture(lambda most: _plain(pixels, channels, most), data.nbytes)
    if is_depth and encoding in depth.ENCODINGS:
        return stamp_ns, _distances(data, (height, width, step), encoding, is_bigendian)
    if _NO_COLOUR.fullmatch(encoding):
        return stamp_ns, Picture(lambda _: _refuse_colourless(encoding), data.nbytes)
    image = SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=is_bigendian, step=step
    )
    image.data = data
    return stamp_ns, Picture(lambda most: _through_cv_bridge(image, most), data.nbytes)


def _distances(
    data: np.ndarray, sizes: tuple[int, int, int], encoding: str, is_bigendian: int
) -> Picture:
    height, width, step = sizes
    kind = np.dtype((">" if is_bigendian else "<") + depth.ENCODINGS[encoding])
    if step < width * kind.itemsize:
        raise MessageError(f"image has rows of {step} bytes, {width} x {encoding} need more")
    rows = np.ascontiguousarray(
        data[: step * height].reshape(height, step)[:, : width * kind.itemsize]
    )
    distances = depth.in_millimetres(rows.view(kind), encoding)
    return Picture(lambda most: depth.grey_of(distances, most), data.nbytes)


def _plain(pixels: np.ndarray, channels: slice, max_pixels: int | None) -> Decoded:
    """Made smaller before the colours are put in order: that is the smaller copy."""
    size = pixels.shape[:2]
    pixels = reduced(pixels, max_pixels)
    colours = np.broadcast_to(pixels[:, :, channels], (*pixels.shape[:2], 3))
    return np.ascontiguousarray(colours), size


def _through_cv_bridge(image: SimpleNamespace, max_pixels: int | None) -> Decoded:
    """Bayer, YUV and 16 bit, where a robot's ROS brings cv_bridge."""
    try:
        from cv_bridge import CvBridge
    except Exception as error:  # built against another NumPy, it fails with more than ImportError
        raise MessageError(
            f"encoding {brief(image.encoding)} needs the ROS package cv_bridge ({error}); "
            f"without it: {', '.join(_CHANNELS)}"
        ) from error
    try:
        picture = np.ascontiguousarray(CvBridge().imgmsg_to_cv2(image, "rgb8"))
    except Exception as error:  # cv_bridge and OpenCV have exceptions of their own
        why = " ".join(str(error).split())
        raise MessageError(f"cv_bridge cannot read {brief(image.encoding)}: {why}") from error
    if picture.dtype != np.uint8 or picture.shape != (image.height, image.width, 3):
        made = f"{picture.dtype} {picture.shape}"
        raise MessageError(f"cv_bridge made {made} of {brief(image.encoding)}")
    return reduced(picture, max_pixels), picture.shape[:2]


def _compressed(reader: CdrReader, is_depth: bool) -> tuple[int, Picture]:
    stamp_ns, _ = reader.header()
    image_format = reader.text()
    data = reader.array("u1")
    if not len(data):
        raise MessageError("compressed image is empty")
    if depth.COMPRESSED in image_format:
        if is_depth:
            decode = partial(depth.decode_compressed, image_format, data)
            return stamp_ns, Picture(decode, data.nbytes)
        return stamp_ns, Picture(lambda _: _refuse_colourless(depth.COMPRESSED), data.nbytes)
    return stamp_ns, Picture(lambda most: _decompressed(data, most), data.nbytes)


def _refuse_colourless(encoding: str) -> Decoded:
    raise MessageError(
        f"{encoding} is no colour: choose the camera's colour topic, or say by "
        "signals.<camera>.unit: m that it is a picture of distances"
    )


def picture_format(type_name: str, reader: CdrReader) -> str:
    """What may not change in mid-run unnoticed: "640 x 480 rgb8", or the compression.

    The reader stands behind the header. Raises MessageError.
    """
    if type_name == COMPRESSED_IMAGE:
        return reader.text()
    height, width = reader.number("I"), reader.number("I")
    return f"{width} x {height} {reader.text()}"


def decode_picture(data: bytes | np.ndarray) -> np.ndarray:
    """Decode the bytes of a PNG or JPEG file to uint8 (H, W, 3) RGB. Raises MessageError."""
    return _decompressed(data, None)[0]


def _decompressed(data: bytes | np.ndarray, max_pixels: int | None) -> Decoded:
    """A JPEG that is far too large is made smaller in decoding, which spares most of the work."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            _check_size(*image.size)
            if image.mode not in _PLAIN_MODES:
                raise MessageError(f"compressed image has pixels '{image.mode}', not 8-bit colour")
            width, height = image.size
            down, across = reduction(height, width, max_pixels)
            draft = _draft(image, down, across)
            pixels = block_means(np.asarray(image.convert("RGB")), down // draft, across // draft)
            # A decoder rounds sides up.
            kept = np.ascontiguousarray(pixels[: height // down, : width // across])
            return kept, (height, width)
    except UnidentifiedImageError as error:
        raise MessageError("compressed image is neither PNG nor JPEG") from error
    except MessageError:
        raise
    except Exception as error:  # Pillow has no common exception for damaged files
        raise MessageError(f"compressed image is damaged: {error}") from error


def _draft(image: Image.Image, down: int, across: int) -> int:
    """Let a JPEG's decoder divide the sides as far as it can; returns by how much it will."""
    width, height = image.size
    for factor in _DRAFTS:
        smaller = -(-width // factor), -(-height // factor)
        if image.format == "JPEG" and down == across and down % factor == 0:
            image.draft(None, (width // factor, height // factor))
            return factor if image.size == smaller else 1
    return 1


def _check_size(width: int, height: int) -> None:
    if not 0 < width * height <= MAX_PIXELS:
        raise MessageError(f"image of {width} x {height}; the limit is {MAX_PIXELS} pixels")
