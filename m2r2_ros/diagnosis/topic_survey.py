# SPDX-License-Identifier: Apache-2.0
"""What was seen of one topic for some seconds, live or in a bag."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from m2r2_ros.diagnosis.message_content import Content, content_of, has_stamp
from m2r2_ros.messages.cdr import MessageError, stamp_ns
from m2r2_ros.messages.definition import Definitions
from m2r2_ros.messages.transforms import TRANSFORMS, first_transform_ns

# Messages that are kept to be looked into: as many, or as much; those of /tf are small and many
# are needed for a path.
_MOST_KEPT, _MOST_TRANSFORMS, _MOST_BYTES = 100, 2000, 32_000_000
# Forms of messages that are told apart, as two publishers on one topic have them.
_MOST_FORMS = 20

# Whose clock the stamps of a topic are of.
NO_STAMP, ZERO, HERE, OTHER, SINCE_START = "none", "zero", "wall", "other", "since a start"
# From 2001 on a Unix time has more nanoseconds.
_UNIX_NS = 10**18
# Later than this after its stamp no message of this machine's clock arrives.
_LATEST_NS = 5_000_000_000


@dataclass
class TopicSurvey:
    """One topic; `add` its messages in order.

    qos         what its publishers offer, in words.
    publishers  how many there are; 0 where nobody says.
    types       message types that it is published with, more than one being a fault.
    problem     why nothing can be received, else "".
    lost        messages missing by the publishers' own numbers.
    """

    name: str
    type_name: str
    definitions: Definitions
    qos: str = ""
    publishers: int = 0
    types: tuple[str, ...] = ()
    problem: str = ""
    lost: int = 0
    count: int = 0
    bytes: int = 0
    largest: int = 0
    arrivals: list[int] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    # (arrival, message) of those that are kept.
    kept: list[tuple[int, bytes]] = field(default_factory=list)
    contents: Counter[Content] = field(default_factory=Counter)
    _kept_bytes: int = 0

    def add(self, arrival_ns: int, message: bytes) -> None:
        """Take one message that came at `arrival_ns`."""
        self.count += 1
        self.bytes += len(message)
        self.largest = max(self.largest, len(message))
        self.arrivals.append(arrival_ns)
        with suppress(MessageError):
            if self.is_stamped:
                self.stamps.append(self._stamp(message))
        most = _MOST_TRANSFORMS if self.type_name == TRANSFORMS else _MOST_KEPT
        if not self.kept or (len(self.kept) < most and self._kept_bytes < _MOST_BYTES):
            self.kept.append((arrival_ns, message))
            self._kept_bytes += len(message)
            self._look_into(message)

    @cached_property
    def is_stamped(self) -> bool:
        """Whether its messages say when they were measured."""
        return self.type_name == TRANSFORMS or has_stamp(self.type_name, self.definitions)

    @property
    def messages(self) -> list[bytes]:
        """Those that are kept."""
        return [message for _, message in self.kept]

    @property
    def content(self) -> Content:
        """What most of its messages hold besides numbers."""
        return max(self.contents, key=self.contents.__getitem__, default=Content())

    @property
    def rate_hz(self) -> float:
        """Messages a second; 0 for less than two."""
        span_ns = self.arrivals[-1] - self.arrivals[0] if self.arrivals else 0
        return (self.count - 1) * 1e9 / span_ns if span_ns > 0 else 0.0

    @property
    def bytes_per_s(self) -> float:
        return self.rate_hz * self.bytes / self.count if self.count else 0.0

    @property
    def jitter_ms(self) -> float:
        """Standard deviation of the intervals between stamps, else between arrivals."""
        intervals = self._intervals_ns()
        return float(np.std(intervals)) / 1e6 if len(intervals) else 0.0

    @property
    def longest_gap_s(self) -> float:
        intervals = self._intervals_ns()
        return max(0.0, float(intervals.max())) / 1e9 if len(intervals) else 0.0

    @property
    def clock(self) -> str:
        """Whose clock stamps the messages; NO_STAMP also where nothing has come."""
        if not self.stamps:
            return NO_STAMP
        middle_ns = int(np.median(self.stamps))
        if not any(self.stamps):
            return ZERO
        if middle_ns < _UNIX_NS:
            return SINCE_START
        return HERE if abs(self.delay_ns) < _LATEST_NS else OTHER

    @property
    def delay_ns(self) -> int:
        """How long after their stamps messages come, the median; 0 without stamps."""
        if not self.stamps or len(self.stamps) != len(self.arrivals):
            return 0
        return int(np.median(np.subtract(self.arrivals, self.stamps)))

    def _intervals_ns(self) -> np.ndarray:
        times = self.stamps if any(self.stamps) else self.arrivals
        return np.diff(np.array(times, np.int64))

    def _stamp(self, message: bytes) -> int:
        return (first_transform_ns if self.type_name == TRANSFORMS else stamp_ns)(message)

    def _look_into(self, message: bytes) -> None:
        if len(self.contents) < _MOST_FORMS:
            with suppress(MessageError):
                self.contents[content_of(self.type_name, message, self.definitions)] += 1
