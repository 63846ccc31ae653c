# SPDX-License-Identifier: Apache-2.0
"""Messages that are packets of a video: which codec, and its bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from m2r2_ros.errors import brief
from m2r2_ros.messages.cdr import CdrReader, MessageError
from m2r2_ros.messages.images import COMPRESSED_IMAGE

FFMPEG_PACKET = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"
VIDEO_TYPES = (FFMPEG_PACKET, COMPRESSED_VIDEO)

H264, H265 = "h264", "hevc"
# As drivers write it: h264, h265, hevc, libx264, hevc_nvenc; more may stand behind a semicolon.
_NAMES = {"264": H264, "avc": H264, "265": H265, "hevc": H265}
_OF_IMAGES = ("h264", "h265", "hevc", "avc")
MAX_PACKET_BYTES = 1 << 24


@dataclass(frozen=True)
class VideoPacket:
    """`codec` is as the driver calls it."""

    stamp_ns: int
    codec: str
    data: bytes

    def known_codec(self) -> str:
        """H264 or H265. Raises MessageError for any other."""
        found = re.search("264|265|hevc|avc", self.codec.lower())
        if found is None:
            raise MessageError(
                f"video as {brief(self.codec)}: let its driver send h264 or h265, or pictures "
                "(`compressed`)"
            )
        return _NAMES[found.group()]


def video_packet(type_name: str, message: bytes) -> VideoPacket | None:
    """The packet that a camera's message is, None where it is a picture. Raises MessageError."""
    if type_name not in (*VIDEO_TYPES, COMPRESSED_IMAGE):
        return None
    reader = CdrReader(message)
    stamp_ns, _ = reader.header()
    if type_name == FFMPEG_PACKET:
        for code in "ii":
            reader.number(code)
        codec = reader.text()
        for code in "QBB":
            reader.number(code)
        data = reader.array("u1")
    elif type_name == COMPRESSED_VIDEO:
        data = reader.array("u1")
        codec = reader.text()
    else:
        codec = reader.text()
        if not _first_word(codec).startswith(_OF_IMAGES):
            return None
        data = reader.array("u1")
    if not 0 < len(data) <= MAX_PACKET_BYTES:
        limit = f"the limit is {MAX_PACKET_BYTES}"
        raise MessageError(f"a packet of video of {len(data)} bytes; {limit}")
    return VideoPacket(stamp_ns, _first_word(codec), data.tobytes())


def _first_word(codec: str) -> str:
    return codec.partition(";")[0].strip().lower()


def is_video(type_name: str, message: bytes) -> bool:
    """Whether a camera's message is a packet that needs those before it."""
    try:
        return video_packet(type_name, message) is not None
    except MessageError:
        return type_name in VIDEO_TYPES
