# SPDX-License-Identifier: Apache-2.0
"""Message types of drivers whose packages are not installed here, and messages of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from ros_messages import STORE as COMMON
from ros_messages import header
from rosbags.typesys import get_types_from_msg

from m2r2_ros.messages.definition import Fields, FieldType
from m2r2_ros.messages.definitions import stored_definitions

XARM = "xarm_msgs/msg/RobotMsg"
INTERFACE, DYNAMIC = "control_msgs/msg/InterfaceValue", "control_msgs/msg/DynamicJointState"
PACKET, VIDEO = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket", "foxglove_msgs/msg/CompressedVideo"

# The .msg files, without their comments.
FILES = {
    XARM: "std_msgs/Header header\nint16 state\nint16 mode\nint16 cmdnum\nint16 mt_brake\n"
    "int16 mt_able\nint16 err\nint16 warn\nfloat32[] angle\nfloat32[6] pose\nfloat32[6] offset",
    INTERFACE: "string[] interface_names\nfloat64[] values",
    DYNAMIC: "std_msgs/Header header\nstring[] joint_names\nInterfaceValue[] interface_values",
    PACKET: "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n"
    "uint8 flags\nbool is_bigendian\nuint8[] data",
    VIDEO: "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format",
}
# Two packages are called so. Of the one in apt:
AUDIO_BYTES = {
    "audio_common_msgs/msg/AudioData": "uint8[] data",
    "audio_common_msgs/msg/AudioDataStamped": "std_msgs/Header header\nAudioData audio",
    "audio_common_msgs/msg/AudioInfo": "uint8 channels\nuint32 sample_rate\nstring sample_format\n"
    "uint32 bitrate\nstring coding_format",
}
# And the other.
AUDIO_ARRAYS = {
    "audio_common_msgs/msg/AudioData": "float32[] float32_data\nint32[] int32_data\n"
    "int16[] int16_data\nint8[] int8_data\nuint8[] uint8_data",
    "audio_common_msgs/msg/AudioInfo": "uint16 format\nuint16 channels\nuint32 rate\nuint32 chunk",
    "audio_common_msgs/msg/Audio": "AudioData audio_data\nAudioInfo info",
    "audio_common_msgs/msg/AudioStamped": "std_msgs/Header header\nAudio audio",
}


def store_of(files: dict[str, str]) -> Any:
    """A typestore with these types beside the common ones."""
    store = type(COMMON)()
    store.register(COMMON.fielddefs)
    types: dict[str, Any] = {}
    for name, text in files.items():
        types.update(get_types_from_msg(text, name))
    store.register(types)
    return store


def definitions_of(files: dict[str, str]):
    """As a bag with these types gives them, each with what it needs."""
    texts = {}
    for name, text in files.items():
        package = name.partition("/")[0]
        others = {n: t for n, t in files.items() if n != name and n.startswith(package)}
        parts = [f"MSG: {n.replace('/msg/', '/')}\n{t}" for n, t in others.items()]
        texts[name] = f"\n{'=' * 80}\n".join([text, *parts])
    return stored_definitions(texts)


STORE = store_of(FILES)
DEFINITIONS = definitions_of(FILES)


def driver_message(type_name: str, stamp_ns: int = 1, store: Any = STORE, **given: Any) -> bytes:
    """A serialised message; fields that are not given are zero, or empty."""
    return bytes(store.serialize_cdr(made(type_name, stamp_ns, store, **given), type_name))


def made(type_name: str, stamp_ns: int = 1, store: Any = STORE, **given: Any) -> Any:
    """The message itself."""
    values = {}
    for name, kind in fields_of(type_name, store):
        values[name] = given.pop(name) if name in given else _default(kind, stamp_ns, store)
    assert not given, given
    return store.types[type_name](**values)


def fields_of(type_name: str, store: Any) -> Fields:
    from m2r2_ros.messages.definitions import _fields

    return _fields(store.fielddefs[type_name][1])


def _default(kind: FieldType, stamp_ns: int, store: Any) -> Any:
    if kind.name == "std_msgs/msg/Header":
        return header(stamp_ns)
    if kind.name == "builtin_interfaces/msg/Time":
        return header(stamp_ns).stamp
    if kind.name in store.fielddefs:
        return made(kind.name, stamp_ns, store) if kind.count is None else []
    if kind.name == "string":
        return "" if kind.count is None else []
    return 0 if kind.count is None else np.zeros(kind.count, kind.name)
