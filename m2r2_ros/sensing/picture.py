# SPDX-License-Identifier: Apache-2.0
"""A frame that is decoded when it is needed, and made smaller when it is far too large."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isqrt
from threading import Lock

import numpy as np

# Rows of a result that are computed at once, so that the sums stay in the processor's cache.
_STRIP = 16
# Pixels of 255 that 16 bits can add up.
_MOST_IN_16_BITS = 257

# uint8 (H, W, 3) RGB, and the (height, width) as the sensor has sent it.
Decoded = tuple[np.ndarray, tuple[int, int]]


@dataclass(eq=False)
class Picture:
    """A frame as it was sent.

    read    gives the picture, with at most as many pixels as it is told (None: all of them). May
            raise M2R2Error.
    nbytes  what the frame takes until then.
    """

    read: Callable[[int | None], Decoded]
    nbytes: int
    # What was decoded ahead, by the number of pixels.
    _kept: dict[int | None, Decoded] = field(default_factory=dict, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __call__(self) -> np.ndarray:
        """All pixels, uint8 (H, W, 3) RGB. May raise M2R2Error."""
        return self.decode(None)[0]

    def decode(self, max_pixels: int | None) -> Decoded:
        """The picture with at most `max_pixels`. May raise M2R2Error."""
        with self._lock:
            return self._kept.get(max_pixels) or self.read(max_pixels)

    def decode_ahead(self, max_pixels: int | None) -> np.ndarray:
        """The pixels that `decode` will give, the very array: in a thread of its own, as a rule."""
        with self._lock:
            if max_pixels not in self._kept:
                self._kept[max_pixels] = self.read(max_pixels)
            return self._kept[max_pixels][0]


def reduction(height: int, width: int, max_pixels: int | None) -> tuple[int, int]:
    """By which whole numbers height and width are divided, so that `max_pixels` are not exceeded.

    The least ones, and the same unless the picture is narrower than that; (1, 1) when it fits.
    """
    if max_pixels is None or height * width <= max_pixels:
        return 1, 1
    factor = isqrt(height * width // max_pixels)
    while (height // min(factor, height)) * (width // min(factor, width)) > max_pixels:
        factor += 1
    return min(factor, height), min(factor, width)


def reduced(pixels: np.ndarray, max_pixels: int | None) -> np.ndarray:
    """A picture uint8 (H, W, C) of at most `max_pixels`: itself, or the means of its blocks.

    Means are rounded to the nearest, halves up. Incomplete blocks at the lower and right edge are
    left out.
    """
    return block_means(pixels, *reduction(*pixels.shape[:2], max_pixels))


def block_means(pixels: np.ndarray, down: int, across: int) -> np.ndarray:
    """The mean of every block of `down` x `across` pixels, uint8 (H // down, W // across, C)."""
    if down == across == 1:
        return pixels
    height, width, channels = pixels.shape
    rows, columns = height // down, width // across
    means = np.empty((rows, columns, channels), np.uint8)
    wide = np.uint16 if down <= _MOST_IN_16_BITS else np.uint32
    for top in range(0, rows, _STRIP):
        bottom = min(rows, top + _STRIP)
        strip = pixels[top * down : bottom * down, : columns * across]
        sums = strip[::down].astype(wide)
        for row in range(1, down):
            sums += strip[row::down]
        sums = sums.reshape(bottom - top, columns, across, channels)
        totals = sums[:, :, 0].astype(np.uint32)
        for column in range(1, across):
            totals += sums[:, :, column]
        means[top:bottom] = (totals + down * across // 2) // (down * across)
    return means
