# SPDX-License-Identifier: Apache-2.0
"""A recording of arrays as the messages of a bag, each signal as its preset's type."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from m2r2_ros.datasets.array_file import ArrayFile
from m2r2_ros.datasets.array_mapping import ArrayMapping, CameraArray
from m2r2_ros.datasets.array_recording import ArrayRecording, Pictures, Track
from m2r2_ros.datasets.bag_label_streams import LABEL_TYPES, label_streams
from m2r2_ros.datasets.bag_writer import BagContent, Timed
from m2r2_ros.datasets.media import encode_png
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.encode import encode_compressed_image, encode_joints, encode_vectors
from m2r2_ros.messages.images import COMPRESSED_IMAGE
from m2r2_ros.parallel.map_ahead import map_ahead
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.signal_presets import JOINTS

# How the bytes of a picture's file begin.
_FILES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png"}
_JOINT_ARGUMENTS = {"position": "positions", "velocity": "velocities", "effort": "efforts"}


def bag_content(
    file: ArrayFile, recording: ArrayRecording, mapping: ArrayMapping, layout: SensorLayout
) -> BagContent:
    """All streams and labels. Pictures are read while they are written."""
    types, streams = {}, []
    for name, track in recording.signals.items():
        signal, topic = layout.signals[name], mapping.topic(name)
        types[topic] = message_type(signal)
        streams.append(_signal(signal, topic, track))
    for name, pictures in recording.cameras.items():
        types[mapping.topic(name)] = COMPRESSED_IMAGE
        topic, camera = mapping.topic(name), mapping.cameras[name]
        streams.append(_pictures(file, pictures, camera, topic, f"{name}_optical_frame"))
    if recording.actions is not None:
        types |= LABEL_TYPES
        stated = mapping.labels and mapping.labels.vocabulary
        labels = recording.actions, recording.epoch_ns, recording.complete
        streams += label_streams(*labels, stated)
    return BagContent(types, streams, recording.epoch_ns)


def message_type(signal: Signal) -> str:
    """The type that carries a signal in a bag: of any package none, for it may not be there."""
    return next((name for name in signal.kind.types if not name.startswith("*")), JOINTS)


def _signal(signal: Signal, topic: str, track: Track) -> Iterator[Timed]:
    type_name = message_type(signal)
    if type_name == JOINTS:
        quantity = {_JOINT_ARGUMENTS[signal.kind.joint_field]: track.values}
        messages = encode_joints(track.stamps, signal.columns, **quantity)
    else:
        messages = encode_vectors(type_name, track.stamps, track.values, "")
    for stamp_ns, message in zip(track.stamps.tolist(), messages, strict=True):
        yield stamp_ns, topic, message


class _Stored(NamedTuple):
    row: int
    stamp_ns: int
    content: np.ndarray


def _pictures(
    file: ArrayFile, pictures: Pictures, camera: CameraArray, topic: str, frame_id: str
) -> Iterator[Timed]:
    encode = partial(_as_file, pictures.array, camera.pixels)
    for stamp_ns, kind, data in map_ahead(encode, _rows(file, pictures)):
        yield stamp_ns, topic, encode_compressed_image(stamp_ns, frame_id, kind, data)


def _rows(file: ArrayFile, pictures: Pictures) -> Iterator[_Stored]:
    row = 0
    for block in file.blocks(pictures.array):
        for content in block:
            yield _Stored(row, int(pictures.stamps[row]), content)
            row += 1


def _as_file(array: str, pixels: str, stored: _Stored) -> tuple[int, str, bytes]:
    """Stamp, format and bytes of one picture. Raises M2R2Error that names array and row."""
    content = stored.content
    if content.dtype == np.uint8 and content.ndim == 3 and content.shape[2] == 3:
        colours = content[..., ::-1] if pixels == "bgr" else content
        return stored.stamp_ns, "png", encode_png(colours)
    is_bytes = content.dtype.kind in "SV" or (content.dtype == np.uint8 and content.ndim == 1)
    # Rows of one length are filled up with zeros, with which neither format ends.
    data = content.tobytes().rstrip(b"\0") if is_bytes else b""
    kind = next((kind for magic, kind in _FILES.items() if data.startswith(magic)), "")
    if not kind:
        raise M2R2Error(
            f"'{array}', row {stored.row}: {content.dtype} {content.shape} is no picture: give "
            "uint8 (rows, height, width, 3), or the bytes of JPEG or PNG files"
        )
    return stored.stamp_ns, kind, data
