# SPDX-License-Identifier: Apache-2.0
"""The messages of one camera: pictures of their own, or packets of a video."""

from __future__ import annotations

from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.images import IMAGE_TYPES, decode_image
from m2r2_ros.messages.video import VideoStream
from m2r2_ros.messages.video_packets import VIDEO_TYPES, video_packet
from m2r2_ros.sensing.picture import Picture

CAMERA_TYPES = (*IMAGE_TYPES, *VIDEO_TYPES)


class CameraDecoder:
    """Reads all messages of one camera, in their order."""

    def __init__(self, is_depth: bool = False) -> None:
        """With `is_depth` its pictures are distances."""
        self._is_depth = is_depth
        self._video = VideoStream()

    def forget(self) -> None:
        """What comes next does not continue what came before."""
        self._video.forget()

    def decode(self, type_name: str, message: bytes) -> tuple[int, Picture]:
        """Stamp [ns] and the picture, uint8 (H, W, 3) RGB when it is decoded.

        Both raise MessageError.
        """
        packet = video_packet(type_name, message)
        if packet is None:
            return decode_image(type_name, message, self._is_depth)
        if self._is_depth:
            raise MessageError("video is no picture of distances: choose their own topic")
        return packet.stamp_ns, self._video.decode(packet)
