# SPDX-License-Identifier: Apache-2.0
"""Small pictures of a camera at regular times, in bounded memory however long it films."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image

HEIGHT_PX = 150
_MOST_PICTURES = 400
_FIRST_INTERVAL_S = 0.25


class Thumbnail(NamedTuple):
    """A picture uint8 (HEIGHT_PX, W, 3) and when it was taken."""

    time_s: float
    picture: np.ndarray


class FilmStrip:
    """Keeps a frame every now and then, ever more rarely as the film gets longer."""

    def __init__(self) -> None:
        self.thumbnails: list[Thumbnail] = []
        self._interval_s = _FIRST_INTERVAL_S

    def add(self, time_s: float, picture: Callable[[], np.ndarray]) -> None:
        """Show a frame; `picture()` is called only if it is kept, and may raise."""
        if self.thumbnails and abs(time_s - self.thumbnails[-1].time_s) < self._interval_s:
            return
        self.thumbnails.append(Thumbnail(time_s, _small(picture())))
        if len(self.thumbnails) > _MOST_PICTURES:
            del self.thumbnails[1::2]
            self._interval_s *= 2

    @property
    def aspect(self) -> float:
        """Width over height of the first picture."""
        height, width = self.thumbnails[0].picture.shape[:2]
        return width / height

    def slots(self, start_s: float, end_s: float, count: int) -> list[Thumbnail | None]:
        """The picture nearest to the middle of each of `count` equal stretches of time.

        None for a stretch in which none was taken.
        """
        edges = np.linspace(start_s, end_s, count + 1)
        return [self._nearest(*pair) for pair in pairwise(edges)]

    def _nearest(self, start_s: float, end_s: float) -> Thumbnail | None:
        inside = (shot for shot in self.thumbnails if start_s <= shot.time_s < end_s)
        middle_s = (start_s + end_s) / 2
        return min(inside, key=lambda shot: abs(shot.time_s - middle_s), default=None)


def _small(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    size = max(1, round(width * HEIGHT_PX / height)), HEIGHT_PX
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
