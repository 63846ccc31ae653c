# SPDX-License-Identifier: Apache-2.0
"""Microphone messages as samples."""

from __future__ import annotations

import numpy as np

from m2r2_ros.messages.cdr import CdrReader, MessageError

AUDIO_CHUNK = "m2r2_msgs/msg/AudioChunk"

MAX_RATE_HZ = 1_000_000


def decode_audio(message: bytes) -> tuple[int, np.ndarray, int]:
    """Read an AudioChunk: stamp of the first sample [ns], float32 (n, channels), rate [Hz].

    Raises MessageError.
    """
    reader = CdrReader(message)
    stamp_ns, _ = reader.header()
    rate_hz, channels = reader.number("I"), reader.number("H")
    return checked_audio(stamp_ns, reader.array("f4"), rate_hz, channels)


def checked_audio(
    stamp_ns: int, samples: np.ndarray, rate_hz: int, channels: int
) -> tuple[int, np.ndarray, int]:
    """Samples (n * channels,) as `decode_audio` gives them. Raises MessageError."""
    if not 0 < rate_hz <= MAX_RATE_HZ:
        raise MessageError(f"audio at {rate_hz} Hz")
    if channels <= 0 or len(samples) % channels:
        raise MessageError(f"{len(samples)} audio samples in {channels} channels")
    return stamp_ns, samples.reshape(-1, channels).astype(np.float32), rate_hz
