# SPDX-License-Identifier: Apache-2.0
"""Messages made by rosbags' own serialiser: an oracle that shares no code with ours."""

from __future__ import annotations

import numpy as np

from m2r2_ros.messages.definitions import typestore

STORE = typestore()


def new(type_name, *fields, **named):
    return STORE.types[type_name](*fields, **named)


def header(stamp_ns=0, frame_id="frame"):
    time = new("builtin_interfaces/msg/Time", *divmod(stamp_ns, 1_000_000_000))
    return new("std_msgs/msg/Header", time, frame_id)


def serialised(message, little_endian=True) -> bytes:
    return bytes(STORE.serialize_cdr(message, message.__msgtype__, little_endian=little_endian))


def vector(row):
    return new("geometry_msgs/msg/Vector3", *row)


def wrench(stamp_ns, row, frame_id="ft_sensor"):
    body = new("geometry_msgs/msg/Wrench", vector(row[:3]), vector(row[3:]))
    return new("geometry_msgs/msg/WrenchStamped", header(stamp_ns, frame_id), body)


def twist(stamp_ns, row, frame_id="base"):
    body = new("geometry_msgs/msg/Twist", vector(row[:3]), vector(row[3:]))
    return new("geometry_msgs/msg/TwistStamped", header(stamp_ns, frame_id), body)


def pose(stamp_ns, row, frame_id="base"):
    body = new(
        "geometry_msgs/msg/Pose",
        new("geometry_msgs/msg/Point", *row[:3]),
        new("geometry_msgs/msg/Quaternion", *row[3:]),
    )
    return new("geometry_msgs/msg/PoseStamped", header(stamp_ns, frame_id), body)


def joints(stamp_ns, names, positions, velocities=(), efforts=(), frame_id=""):
    arrays = (np.array(a, dtype=np.float64) for a in (positions, velocities, efforts))
    return new("sensor_msgs/msg/JointState", header(stamp_ns, frame_id), list(names), *arrays)


def image(stamp_ns, encoding, array, step, is_bigendian=0, frame_id="camera"):
    height, width = array.shape[:2]
    rows = np.zeros((height, step), np.uint8)
    flat = np.ascontiguousarray(array).reshape(height, -1).view(np.uint8)
    rows[:, : flat.shape[1]] = flat
    return new(
        "sensor_msgs/msg/Image",
        header(stamp_ns, frame_id),
        height,
        width,
        encoding,
        is_bigendian,
        step,
        rows.reshape(-1),
    )


def compressed(stamp_ns, text, data, frame_id="camera"):
    pixels = np.frombuffer(data, np.uint8)
    return new("sensor_msgs/msg/CompressedImage", header(stamp_ns, frame_id), text, pixels)


def audio(stamp_ns, rate, channels, samples, frame_id="microphone"):
    values = np.asarray(samples, np.float32)
    return new("m2r2_msgs/msg/AudioChunk", header(stamp_ns, frame_id), rate, channels, values)
