# SPDX-License-Identifier: Apache-2.0
"""A spectrogram of audio that comes in chunks, in bounded memory however long it is."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# Long enough for the pitch of a motor, short enough for the stroke of a contact.
_WINDOW_S = 0.025
_MOST_CELLS = 4096
# Quieter than anything that 16-bit audio holds, and no logarithm of zero.
_SILENCE = 1e-12


class Spectrogram:
    """The loudest moment of every cell of time; cells grow as the audio does.

    `rate_hz` is the sample rate; frequencies reach from 0 to half of it.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._size = 2 ** max(4, round(np.log2(rate_hz * _WINDOW_S)))
        self._hop = self._size // 2
        self._window = np.hanning(self._size) / (self._size / 4)
        self._cell_s = self._hop / rate_hz
        self._cells: dict[int, np.ndarray] = {}
        self._rest, self._rest_s = np.zeros(0, np.float32), 0.0

    def add(self, start_s: float, samples: np.ndarray, gapless: bool) -> None:
        """Add mono samples (N,), NaN where there is none.

        `gapless` when they follow those that were added before.
        """
        if not gapless:
            self._rest, self._rest_s = samples[:0], start_s
        samples = np.concatenate([self._rest, samples])
        if len(samples) >= self._size:
            frames = sliding_window_view(samples, self._size)[:: self._hop]
            power = np.abs(np.fft.rfft(frames * self._window)) ** 2
            for index, spectrum in enumerate(power):
                self._keep(self._rest_s + (index * self._hop + self._hop) / self.rate_hz, spectrum)
            samples = samples[len(frames) * self._hop :]
            self._rest_s += len(frames) * self._hop / self.rate_hz
        self._rest = samples

    def decibels(self, start_s: float, end_s: float, columns: int) -> np.ndarray:
        """Power over [start_s, end_s) in dB, 0 a tone of full scale: (frequencies, columns).

        NaN where there is no audio.
        """
        grid = np.full((columns, self._hop + 1), np.nan)
        width_s = (end_s - start_s) / columns
        for cell, power in self._cells.items():
            first = (cell * self._cell_s - start_s) / width_s
            # A cell that is wider than a column fills every column that it touches.
            reach = slice(max(0, int(first)), max(0, int(np.ceil(first + self._cell_s / width_s))))
            grid[reach] = np.fmax(grid[reach], power)
        return 10 * np.log10(grid.T + _SILENCE)

    def _keep(self, time_s: float, spectrum: np.ndarray) -> None:
        _louder(self._cells, int(time_s // self._cell_s), spectrum)
        if len(self._cells) > _MOST_CELLS:
            self._cell_s *= 2
            halved: dict[int, np.ndarray] = {}
            for cell, power in self._cells.items():
                _louder(halved, cell // 2, power)
            self._cells = halved


def _louder(cells: dict[int, np.ndarray], cell: int, power: np.ndarray) -> None:
    cells[cell] = np.fmax(cells[cell], power) if cell in cells else power
