# SPDX-License-Identifier: Apache-2.0
"""A camera: the newest frame not after a window's end is what it shows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.buffer import INTERVAL_SAMPLES, usual_interval
from m2r2_ros.sensing.counters import StreamCounters
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.pending_samples import Batch
from m2r2_ros.sensing.stream import Stream

# uint8 (H, W, 3) RGB, or a function that decodes it and may raise M2R2Error.
Image = np.ndarray | Callable[[], np.ndarray]


def is_image(image: object) -> bool:
    """Whether this is uint8 (H, W, 3) with at least one pixel."""
    return (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
    )


class CameraStream(Stream):
    """Frames sorted by stamp; only those that a window shows are decoded."""

    def __init__(self, name: str, limits: SensingLimits, counters: StreamCounters) -> None:
        self._capacity = max(2, round(limits.buffer_s * limits.max_camera_rate_hz))
        super().__init__(name, self._capacity, limits.max_camera_age_s, counters)
        self.clear()

    def clear(self) -> None:
        # Stamps of the frames that are held, sorted, and the frames.
        self.stamps: list[int] = []
        self._images: list[Image] = []
        self._recent: list[int] = []
        self._interval_ns: int | None = 0
        self._newest_ns: int | None = None
        # End of the last window.
        self._closed_ns: int | None = None

    def add(self, stamp_ns: int, image: Image) -> None:
        """Take a frame; an array that is no RGB image is refused and counted."""
        self.counters.received += 1
        if callable(image) or is_image(image):
            self.inbox.add(np.array([stamp_ns], np.int64), image, 1)
        else:
            self.counters.reject("malformed", 1)

    @property
    def newest_ns(self) -> int | None:
        return self._newest_ns

    @property
    def oldest_ns(self) -> int | None:
        return self.stamps[0] if self.stamps else None

    def interval_ns(self) -> int:
        if self._interval_ns is None:
            self._interval_ns = usual_interval(np.array(self._recent))
        return self._interval_ns

    def ingest(self, batches: list[Batch]) -> None:
        for stamps, image in batches:
            stamp_ns = int(stamps[0])
            # A frame at a window's end belongs to that window.
            self.counters.late += self._closed_ns is not None and stamp_ns <= self._closed_ns
            self._insert(stamp_ns, image)

    def _insert(self, stamp_ns: int, image: Image) -> None:
        index = bisect_left(self.stamps, stamp_ns)
        if self.stamps[index : index + 1] == [stamp_ns]:
            self.counters.duplicate += 1
            return
        self.stamps.insert(index, stamp_ns)
        self._images.insert(index, image)
        self._note(stamp_ns)
        if len(self.stamps) > self._capacity:
            del self.stamps[0], self._images[0]
            self.counters.dropped += 1

    def _note(self, stamp_ns: int) -> None:
        if self._newest_ns is None or stamp_ns > self._newest_ns:
            if self._newest_ns is not None:
                self.counters.gaps += stamp_ns - self._newest_ns > self.max_age_ns
            self._newest_ns = stamp_ns
            self._recent = [*self._recent[1 - INTERVAL_SAMPLES :], stamp_ns]
            self._interval_ns = None
        else:
            self.counters.out_of_order += 1

    def window(self, start_ns: int, end_ns: int) -> np.ndarray | None:
        """Return the newest decodable frame stamped in [end - max age, end], uint8 (H, W, 3)."""
        index = bisect_right(self.stamps, end_ns) - 1
        while index >= 0 and end_ns - self.stamps[index] <= self.max_age_ns:
            if self._decode(index):
                break
            index -= 1
        else:
            index = -1
        result = self._images[index] if index >= 0 else None
        self._discard_before(end_ns)
        self._closed_ns = end_ns
        return result

    def _decode(self, index: int) -> bool:
        """Replace a frame by its pixels, or remove it."""
        image = self._images[index]
        try:
            pixels = image() if callable(image) else image
            self.counters.reason = ""
        except M2R2Error as error:
            pixels = None
            self.counters.reason = str(error)
        if is_image(pixels):
            self._images[index] = pixels
            return True
        self.counters.reject("undecodable", 1)
        del self.stamps[index], self._images[index]
        return False

    def _discard_before(self, end_ns: int) -> None:
        """Keep the newest frame not after `end_ns` (the next window may show it) and later ones."""
        index = max(0, bisect_right(self.stamps, end_ns) - 1)
        del self.stamps[:index], self._images[:index]
