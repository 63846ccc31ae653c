# SPDX-License-Identifier: Apache-2.0
"""One demonstration that is being recorded: its bag, and the labels beside it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf
from pathlib import Path
from typing import NamedTuple

from m2r2_ros.datasets.bag_description import RecordedTopic
from m2r2_ros.datasets.bag_recording import BagRecording
from m2r2_ros.datasets.labels_file import labels_path, write_labels
from m2r2_ros.datasets.marks import Marks
from m2r2_ros.datasets.recording_labels import RecordingLabels
from m2r2_ros.datasets.stream_clocks import OTHER_CLOCK_NS
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.vocabulary import Vocabulary

# Labels are written so often while they grow.
_LABELS_S = 1.0
_NUMBER = "{n}"
_MOST_TAKES = 100_000
# Of a topic that is kept for late subscribers.
_MOST_KEPT = 200


class Received(NamedTuple):
    """A message, when it came, and its header stamp; None for one that has none."""

    topic: RecordedTopic
    arrival_ns: int
    stamp_ns: int | None
    data: bytes


class StampClock:
    """From this machine's time to that of header stamps, which may be simulated or another's."""

    def __init__(self) -> None:
        self._offsets: dict[str, int] = {}

    def note(self, message: Received) -> None:
        if message.stamp_ns:
            self._offsets[message.topic.name] = message.stamp_ns - message.arrival_ns

    @property
    def is_known(self) -> bool:
        return bool(self._offsets)

    def has(self, message: Received) -> bool:
        """Whether a message is stamped by the clock that most topics are on."""
        apart_ns = (message.stamp_ns or 0) - self.stamp_of(message.arrival_ns)
        return abs(apart_ns) <= OTHER_CLOCK_NS

    def stamp_of(self, time_ns: int) -> int:
        """Offsets within OTHER_CLOCK_NS are the way of messages, not another clock."""
        return time_ns + self._offset_ns

    def arrival_of(self, stamp_ns: int) -> int:
        """The inverse of `stamp_of`."""
        return stamp_ns - self._offset_ns

    @property
    def _offset_ns(self) -> int:
        offsets = sorted(self._offsets.values())
        middle = offsets[len(offsets) // 2] if offsets else 0
        return middle if abs(middle) > OTHER_CLOCK_NS else 0


class KeptMessages:
    """Of topics that are kept for late subscribers (/tf_static): every take begins with them."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[Received]] = {}

    def note(self, message: Received) -> None:
        if message.topic.qos.transient_local:
            self._kept.setdefault(message.topic.name, deque(maxlen=_MOST_KEPT)).append(message)

    def at(self, now_ns: int, came_before_ns: float = inf) -> list[Received]:
        """What a take that begins now has to begin with."""
        return [
            each._replace(arrival_ns=now_ns)
            for kept in self._kept.values()
            for each in kept
            if each.arrival_ns < came_before_ns
        ]


class GrowingLabels:
    """`<bag>.labels.json` beside a bag that grows."""

    def __init__(
        self, bag: Path, clock: StampClock, labels: Callable[[int, int], RecordingLabels]
    ) -> None:
        """`labels` makes those of a recording from one header stamp to another."""
        self._path, self._clock, self._labels = labels_path(bag), clock, labels
        self._epoch_ns = 0
        self._written_s = time.monotonic()

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self._written_s >= _LABELS_S

    def note(self, message: Received) -> None:
        """The first header stamp of the common clock is where the recording begins."""
        if not self._epoch_ns and self._clock.has(message):
            self._epoch_ns = message.stamp_ns or 0

    def write(self, until_ns: int) -> None:
        """Up to this machine's time. Raises M2R2Error where there is no room."""
        self._written_s = time.monotonic()
        last_ns = self._clock.stamp_of(until_ns)
        write_labels(self._path, self._labels(self._epoch_ns or last_ns, last_ns))


class Take:
    """A bag folder that grows, and `<bag>.labels.json` from the first mark on."""

    def __init__(self, folder: Path, clock: StampClock, vocabulary: Vocabulary | None) -> None:
        """Raises M2R2Error where the folder is there, or cannot be made."""
        self.bag, self.marks = BagRecording(folder), Marks(vocabulary)
        self.messages = 0
        self._clock = clock
        self._labels = GrowingLabels(folder, clock, self.marks.labels)
        self._now_ns = 0
        self._began_s = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began_s

    def add(self, messages: Sequence[Received], now_ns: int) -> None:
        """Take messages in order of their arrival, all up to now."""
        self._now_ns = now_ns
        for message in messages:
            self._labels.note(message)
            self.messages += self.bag.add(message.topic, message.arrival_ns, message.data)

    def mark(self, label: str, time_ns: int) -> bool:
        """`label` begins at this machine's time; whether it is new. Raises M2R2Error."""
        is_new = self.marks.begin(label, self._clock.stamp_of(time_ns))
        self._now_ns = max(self._now_ns, time_ns)
        if is_new:
            self._labels.write(self._now_ns)
        return is_new

    def pace(self) -> None:
        """Write what is due; call it many times a second. Raises M2R2Error on a full disk."""
        self.bag.pace()
        if self.bag.problem:
            raise M2R2Error(self.bag.problem)
        if self.marks.current and self._labels.is_due:
            self._labels.write(self._now_ns)

    def close(self) -> None:
        """Raises M2R2Error where there is no room for all; what there is can be read."""
        try:
            if self.marks.current:
                self._labels.write(self._now_ns)
        finally:
            self.bag.close()


def next_folder(out: Path, pattern: str) -> Path:
    """Where the next take goes: `pattern` with the codes of strftime, and {n} for its number.

    Raises M2R2Error when the pattern makes no name of a folder, or `out` cannot be looked into.
    """
    for number in range(1, _MOST_TAKES):
        text = datetime.now().strftime(pattern.replace(_NUMBER, f"{number:03d}"))
        if _NUMBER not in pattern and number > 1:
            text = f"{text}_{number}"
        if not text or text in (".", "..") or text != Path(text).name or not text.isprintable():
            raise M2R2Error(f"--name {brief(pattern)} makes no name of a folder: {brief(text)}")
        folder = out / text
        try:
            if not folder.exists() and not labels_path(folder).exists():
                return folder
        except OSError as error:  # a name that is too long, a folder that may not be entered
            raise M2R2Error(f"cannot write {out}: {error.strerror or error}") from error
    raise M2R2Error(f"{out}: has {_MOST_TAKES} takes of that name")
