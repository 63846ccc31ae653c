# SPDX-License-Identifier: Apache-2.0
"""A camera: a window shows the newest frame up to its end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from operator import itemgetter

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.buffer import INTERVAL_SAMPLES, usual_interval
from m2r2_ros.sensing.counters import StreamCounters
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.memory_budget import MemoryBudget
from m2r2_ros.sensing.pending_samples import Batch
from m2r2_ros.sensing.picture import Decoded, Picture, reduced
from m2r2_ros.sensing.stream import Stream

# The stamp of a frame, and what gives its pixels in another thread.
Ahead = tuple[int, Callable[[], np.ndarray]]
# uint8 (H, W, 3) RGB, or what decodes it and may raise M2R2Error.
Image = np.ndarray | Picture | Callable[[], np.ndarray]


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
    """Frames sorted by stamp; only those that a window shows are decoded.

    Pictures of more than `max_pixels` are made smaller: at once where they wait as more bytes than
    they will have then, else when a window shows them.
    """

    def __init__(
        self,
        name: str,
        limits: SensingLimits,
        counters: StreamCounters,
        budget: MemoryBudget,
        max_pixels: int | None = None,
    ) -> None:
        self._capacity = max(2, round(limits.buffer_s * limits.max_camera_rate_hz))
        super().__init__(name, self._capacity, limits.max_camera_age_s, counters)
        self._max_pixels = max_pixels
        self._too_old = f"no frame for more than max_camera_age_s, {limits.max_camera_age_s:g} s"
        self._budget = budget
        budget.share(self)
        self.clear()

    def clear(self) -> None:
        # Stamps of the frames that are held, sorted, and the frames.
        self.stamps: list[int] = []
        self._images: list[Image] = []
        self._image_bytes = 0
        self._recent: list[int] = []
        self._interval_ns: int | None = 0
        self._newest_ns: int | None = None
        # End of the last window.
        self._closed_ns: int | None = None

    def add(self, stamp_ns: int, image: Image) -> None:
        """Take a frame; an array that is no RGB image is refused and counted."""
        self.counters.received += 1
        if not callable(image) and not is_image(image):
            self.counters.reject("malformed", 1)
            return
        fitted = self.fitted(image)
        if fitted is not None:
            self.inbox.add(np.array([stamp_ns], np.int64), fitted, 1)
            self._budget.keep()

    def fitted(self, image: Image) -> Image | None:
        """The frame, made smaller if it takes more bytes than it will have then.

        None when it cannot be decoded, which is counted.
        """
        if self._max_pixels is None or _bytes_of(image) <= 3 * self._max_pixels:
            return image
        return self._decoded(image)

    @property
    def held_bytes(self) -> int:
        """What all frames take, those that were not yet ingested included."""
        return self.inbox.nbytes + self._image_bytes

    def drop_oldest(self) -> None:
        """Let go of the oldest frame and count it."""
        if not self.stamps:
            self.inbox.drop_oldest()
            return
        self._discard(1)
        self.counters.dropped += 1

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
        """Take a frame, but for one that is older than another that was here before it.

        Whether windows still wait for such a one would depend on delivery.
        """
        if self._newest_ns is not None and stamp_ns <= self._newest_ns:
            self.counters.duplicate += stamp_ns == self._newest_ns
            self.counters.out_of_order += stamp_ns < self._newest_ns
            return
        self._note(stamp_ns)
        self.stamps.append(stamp_ns)
        self._images.append(image)
        self._image_bytes += _bytes_of(image)
        if len(self.stamps) > self._capacity:
            self.drop_oldest()

    def _note(self, stamp_ns: int) -> None:
        if self._newest_ns is not None:
            self.counters.gaps += stamp_ns - self._newest_ns > self.max_age_ns
        self._newest_ns = stamp_ns
        self._recent = [*self._recent[1 - INTERVAL_SAMPLES :], stamp_ns]
        self._interval_ns = None

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
        self.counters.absence = self._too_old if result is None else ""
        self._discard(max(0, bisect_right(self.stamps, end_ns) - 1))
        self._closed_ns = end_ns
        self._budget.keep()
        return result

    def held_stamps(self) -> list[int]:
        """Of all frames, those that were not yet ingested included, in order of arrival."""
        waiting = self.inbox.stamps().tolist() if len(self.inbox) else []
        return [*self.stamps, *waiting]

    def shown_at(self, end_ns: int) -> Ahead | None:
        """The frame that a window with this end will show, by what has come.

        None where there is none yet: while another one is due before the end.
        """
        frames = zip(self.held_stamps(), [*self._images, *self.inbox.payloads()], strict=True)
        known = [frame for frame in frames if frame[0] <= end_ns]
        stamp_ns, image = max(known, key=itemgetter(0), default=(None, None))
        if stamp_ns is None or stamp_ns + self.interval_ns() * 3 // 4 < end_ns:
            return None
        if isinstance(image, Picture):
            return stamp_ns, partial(image.decode_ahead, self._max_pixels)
        return None if callable(image) else (stamp_ns, lambda: image)

    def _decode(self, index: int) -> bool:
        """Replace a frame by its pixels, or remove it."""
        image = self._images[index]
        pixels = self._decoded(image) if callable(image) else image
        self._image_bytes -= _bytes_of(image)
        if pixels is None:
            del self.stamps[index], self._images[index]
            return False
        self._images[index] = pixels
        self._image_bytes += pixels.nbytes
        return True

    def _decoded(self, image: Image) -> np.ndarray | None:
        """Pixels of at most `max_pixels`, None when there are none, which is counted."""
        try:
            pixels, size = _decode(image, self._max_pixels)
        except M2R2Error as error:
            self.counters.reason = str(error)
            pixels = None
        else:
            self.counters.reason = ""
        if not is_image(pixels):
            self.counters.reject("undecodable", 1)
            return None
        pixels = reduced(pixels, self._max_pixels)
        self._note_size(size, pixels.shape[:2])
        return pixels

    def _note_size(self, sent: tuple[int, int], kept: tuple[int, int]) -> None:
        self.counters.notice = ""
        if sent != kept:
            self.counters.reduced += 1
            self.counters.notice = (
                f"pictures of {sent[1]} x {sent[0]} are made smaller, {kept[1]} x {kept[0]}: let "
                f"its driver send at most {self._max_pixels} pixels"
            )

    def _discard(self, count: int) -> None:
        """Forget the oldest frames."""
        self._image_bytes -= sum(map(_bytes_of, self._images[:count]))
        del self.stamps[:count], self._images[:count]


def _decode(image: Image, max_pixels: int | None) -> Decoded:
    if isinstance(image, Picture):
        return image.decode(max_pixels)
    pixels = image() if callable(image) else image
    return pixels, np.shape(pixels)[:2]


def _bytes_of(image: Image) -> int:
    return getattr(image, "nbytes", 0)
