# SPDX-License-Identifier: Apache-2.0
"""Frames of an MP3 stream, as their headers tell them (ISO 11172-3 2.4.1, 13818-3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from m2r2_ros.messages.cdr import NANOSECONDS, MessageError

HEADER_BYTES = 4
# The header, the bytes that protect it, and the number of bytes that a frame borrows.
LEAST_BYTES = 8

_MPEG1, _LAYER3 = 3, 1
# By the two bits of the version: MPEG 2.5, MPEG 2, MPEG 1.
_RATES_HZ = {0: (11025, 12000, 8000), 2: (22050, 24000, 16000), _MPEG1: (44100, 48000, 32000)}
_KBITS = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MONO, _CRC_BYTES = 3, 2
# (MPEG 1, mono) -> bytes of the side information, which stands before the sound.
_SIDE_BYTES = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}


@dataclass(frozen=True)
class Mp3Frame:
    """What a header says.

    size      bytes of the frame.
    samples   of each channel.
    kind      what is the same in all frames of a stream: version, rate, whether it is mono.
    borrowed  bytes of earlier frames that hold a part of this one's sound.
    own       bytes of this frame that hold sound, its own or a later one's.
    """

    size: int
    samples: int
    rate_hz: int
    kind: tuple[int, int, bool]
    borrowed: int
    own: int


def frame_at(data: bytes, start: int) -> Mp3Frame | None:
    """The frame whose `LEAST_BYTES` begin at `start`; None where none does."""
    head = int.from_bytes(data[start : start + HEADER_BYTES], "big")
    version, layer, kbits, rate = head >> 19 & 3, head >> 17 & 3, head >> 12 & 15, head >> 10 & 3
    is_sync = head >> 21 == 0x7FF and version in _RATES_HZ and layer == _LAYER3
    if not is_sync or kbits in (0, 15) or rate == 3:
        return None
    is_mpeg1, is_mono = version == _MPEG1, head >> 6 & 3 == _MONO
    rate_hz = _RATES_HZ[version][rate]
    samples = 1152 if is_mpeg1 else 576
    size = samples // 8 * 1000 * _KBITS[is_mpeg1][kbits - 1] // rate_hz + (head >> 9 & 1)
    before = HEADER_BYTES + (0 if head >> 16 & 1 else _CRC_BYTES)
    side = data[start + before : start + before + 2]
    borrowed = int.from_bytes(side, "big") >> (7 if is_mpeg1 else 8)
    own = size - before - _SIDE_BYTES[is_mpeg1, is_mono]
    return Mp3Frame(size, samples, rate_hz, (version, rate_hz, is_mono), borrowed, own)


def first_frame(data: bytes) -> int:
    """Where a stream that is joined in mid-way begins; the number of bytes where it does not yet.

    What looks like a frame is one if another of its kind follows it, or nothing does.
    """
    start = data.find(b"\xff")
    while start >= 0:
        if len(data) - start < LEAST_BYTES:
            return start
        frame = frame_at(data, start)
        end = start + frame.size if frame else 0
        if frame and (len(data) - end < LEAST_BYTES or is_alike(frame, frame_at(data, end))):
            return start
        start = data.find(b"\xff", start + 1)
    return len(data)


def is_alike(frame: Mp3Frame, other: Mp3Frame | None) -> bool:
    """Whether both may be of one stream."""
    return other is not None and other.kind == frame.kind


def whole_frames(data: bytes, start: int) -> Iterator[tuple[int, Mp3Frame]]:
    """Where each frame begins that is complete, one behind the other from `start` on.

    Raises MessageError where no frame of the same kind follows.
    """
    first = None
    while len(data) - start >= LEAST_BYTES:
        frame = frame_at(data, start)
        first = first or frame
        if first is None or not is_alike(first, frame):
            raise MessageError("bytes between two frames of mp3 are none")
        if start + frame.size > len(data):
            return
        yield start, frame
        start += frame.size


def duration_ns(data: bytes) -> int:
    """How long the frames sound that are complete in `data`. Raises MessageError on damage."""
    frames = [frame for _, frame in whole_frames(data, first_frame(data))]
    return sum(frame.samples * NANOSECONDS // frame.rate_hz for frame in frames)
