# SPDX-License-Identifier: Apache-2.0
"""MP3 as a microphone streams it: bytes in messages, each stamped when its first frame begins.

A decoder needs what came before: a frame borrows bytes of earlier ones, and overlaps with the last.
What is decoded follows from the bytes and stamps in their order, however many come at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from m2r2_ros.messages.cdr import NANOSECONDS, MessageError
from m2r2_ros.messages.mp3_frames import Mp3Frame, first_frame, is_alike, whole_frames

# By how many samples encoding (LAME: 576) and decoding (529) delay sound. As many are left out
# where a stream is joined: the decoder has not heard all that sounds in them.
DELAY_SAMPLES = 1105
# No frame borrows more.
_MOST_BORROWED = 511
# Half a minute at the highest rate.
MAX_MESSAGE_BYTES = 1 << 20

# Stamp of the first sample [ns], float32 (n, channels), rate [Hz].
Sound = tuple[int, np.ndarray, int]


class Mp3Stream:
    """One microphone's stream.

    Sound that is not known is left out: at the start, after a hole, after damage, until the decoder
    has heard enough again.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: what comes next does not continue what came before."""
        self._codec: Any = None
        # The newest frame; the bytes of one that is not yet complete.
        self._frame: Mp3Frame | None = None
        self._pending = b""
        # Time of the newest message's first frame, and how many frames have come since.
        self._base_ns, self._since = 0, 0
        # Bytes that the next frame may borrow, and decoded samples to be left out.
        self._lent, self._silent = 0, DELAY_SAMPLES

    def decode(self, stamp_ns: int, data: bytes, slack_ns: int = 0) -> list[Sound]:
        """The sound that is complete now, each frame's with a stamp of its own.

        `stamp_ns` is that of the first frame that begins in `data`. It may be off by half a frame,
        by one more where frames are cut, and by `slack_ns`: more is a hole. Raises MessageError on
        damage: the message is left out.
        """
        if len(data) > MAX_MESSAGE_BYTES:
            raise MessageError(f"{len(data)} bytes of mp3; the limit is {MAX_MESSAGE_BYTES}")
        if self._frame and self._is_off(stamp_ns, slack_ns):
            self.forget()
        try:
            return self._decode(stamp_ns, data)
        except MessageError:
            self.forget()
            raise

    def _is_off(self, stamp_ns: int, slack_ns: int) -> bool:
        """Whether something is missing before this message, or it is of another time."""
        is_cut = bool(self._pending)
        length_ns = self._frame.samples * NANOSECONDS // self._frame.rate_hz
        due_ns = self._time_ns(self._since + is_cut)
        return abs(stamp_ns - due_ns) > length_ns // 2 + is_cut * length_ns + slack_ns

    def _time_ns(self, frames: int, samples: int = 0) -> int:
        """Time so many frames and samples behind the newest message's first frame."""
        samples += frames * self._frame.samples
        return self._base_ns + samples * NANOSECONDS // self._frame.rate_hz

    def _decode(self, stamp_ns: int, data: bytes) -> list[Sound]:
        carried = len(self._pending)
        data = self._pending + data
        end = 0 if self._frame else first_frame(data)
        sounds, is_based = [], False
        for start, frame in whole_frames(data, end):
            if self._frame and not is_alike(self._frame, frame):
                raise MessageError("mp3 of another rate or number of channels follows")
            self._frame = frame
            end = start + frame.size
            if start >= carried and not is_based:
                self._base_ns, self._since, is_based = stamp_ns, 0, True
            sounds += self._sound(frame, data[start:end])
            self._since += 1
        if end >= carried and not is_based:
            self._base_ns, self._since = stamp_ns, 0
        self._pending = data[end:]
        return sounds

    def _sound(self, frame: Mp3Frame, data: bytes) -> list[Sound]:
        """What a frame adds, if all that it needs was there."""
        decoded = self._samples(frame, data)
        is_whole = frame.borrowed <= self._lent
        self._lent = min(_MOST_BORROWED, self._lent + frame.own)
        if not is_whole:
            self._silent = DELAY_SAMPLES
            return []
        begin = min(self._silent, frame.samples)
        self._silent -= begin
        if begin == frame.samples:
            return []
        stamp_ns = self._time_ns(self._since, begin - DELAY_SAMPLES)
        return [(stamp_ns, decoded[begin:], frame.rate_hz)]

    def _samples(self, frame: Mp3Frame, data: bytes) -> np.ndarray:
        """float32 (samples, channels)."""
        # Loaded where there is mp3: it takes time and memory.
        import av

        if self._codec is None:
            self._codec = av.CodecContext.create("mp3float", "r")
            self._codec.options = {"err_detect": "crccheck+explode"}
        try:
            (decoded,) = self._codec.decode(av.Packet(data))
        except (av.FFmpegError, ValueError) as error:
            raise MessageError(f"mp3 is damaged: {error}") from error
        if (decoded.samples, decoded.sample_rate) != (frame.samples, frame.rate_hz):
            raise MessageError("mp3 is damaged: its frames are not as long as they say")
        return np.ascontiguousarray(decoded.to_ndarray().T)
