# SPDX-License-Identifier: Apache-2.0
"""H.264 and H.265 as a camera streams them: each packet one picture, which needs those before it.

A picture is given only if all that it is made of was there: not before the first key frame, nor
from a lost or damaged packet to the next one.
"""

from __future__ import annotations

from typing import Any

from m2r2_ros.messages.cdr import NANOSECONDS, MessageError
from m2r2_ros.messages.images import MAX_PIXELS
from m2r2_ros.messages.video_packets import H264, VideoPacket, video_packet
from m2r2_ros.messages.video_units import H264Numbers, Look, look_h265
from m2r2_ros.sensing.picture import Decoded, Picture, reduced

# Stamps that are further apart are of another time: the pictures' numbers may have gone round.
_LONGEST_STEP_NS = 5 * NANOSECONDS


class VideoStream:
    """One camera's stream."""

    def __init__(self) -> None:
        self._name = ""
        self._count = 0
        self.forget()

    def forget(self) -> None:
        """What comes next does not continue what came before."""
        self._last_ns: int | None = None
        self._wait("video waits for its first key frame")

    def _wait(self, reason: str) -> None:
        """No picture until the next key frame, for this reason."""
        self._reason = reason
        # What has failed once does not decode right again, for all that is flushed.
        self._codec: Any = None
        self._numbers = H264Numbers()

    def decode(self, packet: VideoPacket) -> Picture:
        """The picture of the next packet. Raises MessageError where there is none."""
        self._follow(packet)
        try:
            self._find_way_in(packet.data)
            return self._picture(packet.data)
        except MessageError as error:
            self._wait(str(error))
            raise

    def _follow(self, packet: VideoPacket) -> None:
        """Begin anew where this packet cannot belong to what came before."""
        name = packet.known_codec()
        before = packet.stamp_ns if self._last_ns is None else self._last_ns
        if name != self._name:
            self._name = name
            self.forget()
        elif not 0 <= packet.stamp_ns - before <= _LONGEST_STEP_NS:
            self.forget()
        self._last_ns = packet.stamp_ns

    def _find_way_in(self, data: bytes) -> None:
        """Raise MessageError unless the packet continues what was decoded, or begins it."""
        look = _look(self._numbers, self._name, data)
        if self._codec is None and look.is_key:
            if not look.has_parameters:
                raise MessageError(
                    "a key frame of the video has no parameters (SPS, PPS): let its encoder repeat "
                    "them with each"
                )
            self._codec = _decoder(self._name)
        if self._codec is None:
            raise MessageError(self._reason)
        if not look.follows:
            raise MessageError("a packet of the video was lost: it waits for the next key frame")

    def _picture(self, data: bytes) -> Picture:
        import av

        packet = av.Packet(data)
        self._count += 1
        packet.pts = self._count
        try:
            frames = self._codec.decode(packet)
        except (av.FFmpegError, ValueError) as error:
            raise MessageError(f"a packet of the video is damaged: {error}") from error
        if [frame.pts for frame in frames] != [self._count]:
            raise MessageError(
                "pictures of the video come later than their packets: let its encoder send no "
                "B-frames, one picture a message (x264: bframes=0, tune=zerolatency)"
            )
        (frame,) = frames
        if frame.is_corrupt:
            raise MessageError("a packet of the video is damaged")
        return Picture(lambda most: _decoded(frame, most), sum(p.buffer_size for p in frame.planes))


def _decoder(name: str) -> Any:
    # Loaded where there is video: it takes time and memory.
    import av

    codec = av.CodecContext.create(name, "r")
    # A decoder on several threads is some pictures late.
    codec.thread_count = 1
    codec.options = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
    return codec


def _decoded(frame: Any, max_pixels: int | None) -> Decoded:
    from m2r2_ros.messages.av_frames import rgb

    pixels = rgb(frame)
    return reduced(pixels, max_pixels), pixels.shape[:2]


def is_key_frame(type_name: str, message: bytes) -> bool:
    """Whether the video of a camera can be decoded from this packet on."""
    try:
        packet = video_packet(type_name, message)
        look = _look(H264Numbers(), packet.known_codec(), packet.data)
    except MessageError:
        return False
    return look.is_key and look.has_parameters


def _look(numbers: H264Numbers, codec: str, data: bytes) -> Look:
    return numbers.look(data) if codec == H264 else look_h265(data)
