# SPDX-License-Identifier: Apache-2.0
"""MP3 as lamemp3enc of GStreamer hands it out: one frame a buffer, stamped with its first sample.

That is what `audio_capture` of ros-drivers publishes.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np

START_NS = 1_700_000_000 * 10**9


@dataclass(frozen=True)
class Stream:
    """The sound that was encoded, float32 (n, channels), and its frames."""

    sound: np.ndarray
    rate_hz: int
    frames: list[bytes]
    samples: int

    def stamp(self, frame: int) -> int:
        """When the first sample of a frame was heard."""
        return START_NS + frame * self.samples * 10**9 // self.rate_hz


def chirp(count: int, rate_hz: int, channels: int) -> np.ndarray:
    """A rising tone that swells, and its mirror image at half the volume in the second channel."""
    t = np.arange(count) / rate_hz
    tone = 0.4 * np.sin(2 * np.pi * (200 + 400 * t) * t) * (0.6 + 0.4 * np.sin(6 * np.pi * t))
    return np.stack([tone, tone[::-1] / 2], axis=1)[:, :channels].astype(np.float32)


def stream(rate_hz: int, channels: int = 1, bits: int = 0, seconds: float = 1.0) -> Stream:
    """A stream as LAME makes it. `bits` a second, 64000 a channel if none are named."""
    sound = chirp(round(seconds * rate_hz), rate_hz, channels)
    encoder = av.CodecContext.create("libmp3lame", "w")
    encoder.sample_rate, encoder.format = rate_hz, "fltp"
    encoder.layout = "mono" if channels == 1 else "stereo"
    encoder.bit_rate = bits or 64_000 * channels
    encoder.open()
    samples, packets = encoder.frame_size, []
    for begin in range(0, len(sound) - samples + 1, samples):
        planes = np.ascontiguousarray(sound[begin : begin + samples].T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=encoder.layout.name)
        frame.sample_rate, frame.pts = rate_hz, begin
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return Stream(sound, rate_hz, [bytes(packet) for packet in packets], samples)
