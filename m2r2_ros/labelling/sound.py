# SPDX-License-Identifier: Apache-2.0
"""A recording's sound as one WAV file of one channel, filled in as its parts are read."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import soxr

# Read around a stretch, so that the resampling filter is at home at its edges.
_MARGIN_NS = 20_000_000
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_SAMPLE_BYTES = 2
# What the header's 32 bits can say.
MAX_WAV_SAMPLES = 2**30


def mono(
    chunks: list[tuple[int, np.ndarray, int]], start_ns: int, end_ns: int, rate_hz: int
) -> np.ndarray:
    """Samples float32 of [start_ns, end_ns) at a rate, placed by their stamps, 0 in holes.

    Empty where there is no chunk.
    """
    count = (end_ns - start_ns) * rate_hz // 10**9
    if not chunks:
        return np.zeros(0, np.float32)
    native = chunks[0][2]
    from_ns = start_ns - _MARGIN_NS
    placed = np.zeros((end_ns - start_ns + 2 * _MARGIN_NS) * native // 10**9, np.float32)
    for stamp_ns, samples, chunk_rate in chunks:
        first = (stamp_ns - from_ns) * native // 10**9
        low, high = max(0, -first), min(len(samples), len(placed) - first)
        if chunk_rate == native and low < high:
            placed[first + low : first + high] = samples[low:high].mean(axis=1)
    placed = np.nan_to_num(placed, posinf=0.0, neginf=0.0)
    resampled = soxr.resample(placed, native, rate_hz) if native != rate_hz else placed
    skip = _MARGIN_NS * rate_hz // 10**9
    return np.resize(resampled[skip : skip + count], count)


class WavFile:
    """A WAV of `samples` samples, silent where nothing was put."""

    def __init__(self, path: Path, samples: int, rate_hz: int) -> None:
        self.path, self._samples = path, min(samples, MAX_WAV_SAMPLES)
        size = self._samples * _SAMPLE_BYTES
        if not path.exists() or path.stat().st_size != _HEADER.size + size:
            with path.open("wb") as file:
                file.write(_header(size, rate_hz))
                # Takes no room on the disk until it is filled in.
                file.truncate(_HEADER.size + size)

    def put(self, first: int, samples: np.ndarray) -> None:
        """Write samples float32 in [-1, 1] from number `first` on."""
        samples = samples[: max(0, self._samples - first)]
        whole = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
        with self.path.open("r+b") as file:
            file.seek(_HEADER.size + first * _SAMPLE_BYTES)
            file.write(whole.tobytes())


def _header(size: int, rate_hz: int) -> bytes:
    form = (16, 1, 1, rate_hz, rate_hz * _SAMPLE_BYTES, _SAMPLE_BYTES, 8 * _SAMPLE_BYTES)
    return _HEADER.pack(b"RIFF", 36 + size, b"WAVE", b"fmt ", *form, b"data", size)
