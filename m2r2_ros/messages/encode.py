# SPDX-License-Identifier: Apache-2.0
"""Arrays as serialised ROS 2 messages (little-endian CDR), for bags."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK
from m2r2_ros.messages.cdr import NANOSECONDS
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.messages.images import COMPRESSED_IMAGE, IMAGE
from m2r2_ros.messages.signals import IMU_COLUMNS, IMU_NUMBERS
from m2r2_ros.signal_presets import IMU, JOINTS, POSE, TWIST, WRENCH

ACTION_SEGMENT = "m2r2_msgs/msg/ActionSegment"
FRAME_PREDICTION = "m2r2_msgs/msg/FramePrediction"
TEXT = "std_msgs/msg/String"

_NOTHING = np.zeros(0)


def encode_vectors(
    type_name: str, stamps: np.ndarray, values: np.ndarray, frame_id: str
) -> Iterator[bytes]:
    """Yield one WrenchStamped, PoseStamped, TwistStamped or Imu a row of `values` (N, 6 or 7).

    They differ in stamp and numbers only, so the first is serialised and serves as the mould of
    the others.
    """
    if not len(stamps):
        return
    values = _imu_numbers(values) if type_name == IMU else values
    body = _BODIES[type_name](values[0].tolist())
    mould = _serialised(type_name, _header(int(stamps[0]), frame_id), *body)
    seconds, nanoseconds = np.divmod(stamps, NANOSECONDS)
    block = np.tile(np.frombuffer(mould, np.uint8), (len(stamps), 1))
    block[:, 4:8] = _little_endian(seconds, "<i4")
    block[:, 8:12] = _little_endian(nanoseconds, "<u4")
    block[:, -8 * values.shape[1] :] = _little_endian(values, "<f8")
    for row in block:
        yield row.tobytes()


def encode_joints(
    stamps: np.ndarray,
    names: Sequence[str],
    positions: np.ndarray | None = None,
    velocities: np.ndarray | None = None,
    efforts: np.ndarray | None = None,
) -> Iterator[bytes]:
    """Yield one JointState a row; each quantity is float64 (N, joints) or absent."""
    given = (positions, velocities, efforts)
    columns = [np.ascontiguousarray(q) if q is not None else None for q in given]
    for index, stamp_ns in enumerate(stamps.tolist()):
        rows = [_NOTHING if column is None else column[index] for column in columns]
        yield _serialised(JOINTS, _header(stamp_ns, ""), list(names), *rows)


def encode_compressed_image(stamp_ns: int, frame_id: str, image_format: str, data: bytes) -> bytes:
    """Encode the bytes of a picture file; `image_format` is "png" or "jpeg"."""
    pixels = np.frombuffer(data, np.uint8)
    return _serialised(COMPRESSED_IMAGE, _header(stamp_ns, frame_id), image_format, pixels)


def encode_image(stamp_ns: int, frame_id: str, picture: np.ndarray) -> bytes:
    """Encode uint8 (H, W, 3) RGB as an rgb8 Image."""
    height, width, channels = picture.shape
    sizes = height, width, "rgb8", 0, width * channels
    return _serialised(IMAGE, _header(stamp_ns, frame_id), *sizes, np.ravel(picture))


def encode_audio(stamp_ns: int, frame_id: str, samples: np.ndarray, rate_hz: int) -> bytes:
    """Encode samples float32 (n, channels) as an AudioChunk."""
    header = _header(stamp_ns, frame_id)
    return _serialised(AUDIO_CHUNK, header, rate_hz, samples.shape[1], np.ravel(samples))


def encode_segment(stamp_ns: int, start_ns: int, end_ns: int, **fields: Any) -> bytes:
    """Encode an ActionSegment; `fields` are its other fields, by name.

    Nothing is known of outcome and progress unless they are given.
    """
    fields = {"outcome": 0, "outcome_confidence": 0.0, "progress": math.nan, **fields}
    message = typestore().types[ACTION_SEGMENT](
        header=_header(stamp_ns, ""), start_time=_time(start_ns), end_time=_time(end_ns), **fields
    )
    return bytes(typestore().serialize_cdr(message, ACTION_SEGMENT))


def encode_prediction(stamp_ns: int, **fields: Any) -> bytes:
    """Encode a FramePrediction; `fields` are its other fields, by name."""
    message = typestore().types[FRAME_PREDICTION](header=_header(stamp_ns, ""), **fields)
    return bytes(typestore().serialize_cdr(message, FRAME_PREDICTION))


def encode_text(text: str) -> bytes:
    """Encode a std_msgs/String."""
    return _serialised(TEXT, text)


def _serialised(type_name: str, *fields: Any) -> bytes:
    store = typestore()
    return bytes(store.serialize_cdr(store.types[type_name](*fields), type_name))


def _little_endian(values: np.ndarray, code: str) -> np.ndarray:
    """The bytes of each row, uint8 (N, ...)."""
    return np.ascontiguousarray(values, dtype=code).reshape(len(values), -1).view(np.uint8)


def _time(stamp_ns: int) -> Any:
    return _new("builtin_interfaces/msg/Time", *divmod(stamp_ns, NANOSECONDS))


def _header(stamp_ns: int, frame_id: str) -> Any:
    return _new("std_msgs/msg/Header", _time(stamp_ns), frame_id)


def _wrench(row: list[float]) -> list[Any]:
    return [_new("geometry_msgs/msg/Wrench", _vector(row[:3]), _vector(row[3:]))]


def _twist(row: list[float]) -> list[Any]:
    return [_new("geometry_msgs/msg/Twist", _vector(row[:3]), _vector(row[3:]))]


def _pose(row: list[float]) -> list[Any]:
    position = _new("geometry_msgs/msg/Point", *row[:3])
    return [_new("geometry_msgs/msg/Pose", position, _quaternion(row[3:]))]


def _imu(row: list[float]) -> list[Any]:
    spread = [np.array(row[start : start + 9]) for start in (4, 16, 28)]
    turning, push = _vector(row[13:16]), _vector(row[25:28])
    return [_quaternion(row[:4]), spread[0], turning, spread[1], push, spread[2]]


def _imu_numbers(values: np.ndarray) -> np.ndarray:
    """All numbers of an Imu (N, 37): the orientation is unknown, which is a covariance of -1."""
    numbers = np.zeros((len(values), IMU_NUMBERS))
    numbers[:, 3], numbers[:, 4] = 1.0, -1.0
    numbers[:, IMU_COLUMNS] = values
    return numbers


# The fields behind the header, from a row.
_BODIES = {WRENCH: _wrench, POSE: _pose, TWIST: _twist, IMU: _imu}


def _quaternion(row: list[float]) -> Any:
    return _new("geometry_msgs/msg/Quaternion", *row)


def _vector(row: list[float]) -> Any:
    return _new("geometry_msgs/msg/Vector3", *row)


def _new(type_name: str, *fields: Any) -> Any:
    return typestore().types[type_name](*fields)
