# SPDX-License-Identifier: Apache-2.0
"""Keeps what was around segments that are worth a look: unknown, failed or unsure ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from m2r2_ros.datasets.bag_recording import BagRecording
from m2r2_ros.datasets.message_ring import MessageRing
from m2r2_ros.datasets.segment_proposals import SegmentProposals
from m2r2_ros.datasets.take import (
    GrowingLabels,
    KeptMessages,
    Received,
    StampClock,
    next_folder,
)
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.vocabulary import UNKNOWN, Vocabulary

# Events that follow one another make one take, for so long after the first.
_LONGEST_NS = 300 * 10**9
_GONE = "nothing is held of that time: it was told too late, or ring_mb is too small"
_NOTHING = "nothing has come of the sensors"
# Beside its first message a take begins with descriptions of all topics.
_LEAST_BYTES = 100_000
FAILED, UNSURE = "failed", "unsure"


@dataclass(frozen=True)
class EventPlan:
    """What is kept, where, and how much of it.

    around_ns     before the segment's start and after its end.
    ring_bytes    of what may have to be kept; as much may wait for the disk in addition.
    folder_bytes  of the folder, what was there before included; beyond it nothing is kept.
    unsure_below  a segment of less confidence is unsure.
    """

    out: Path
    pattern: str
    around_ns: int
    ring_bytes: int
    folder_bytes: int
    unsure_below: float
    vocabulary: Vocabulary | None = None


class EventRecording:
    """Feed it all that comes; it writes a bag an event, and `<bag>.labels.json` beside it.

    take          the one under way, else None.
    finished      bags so far.
    reasons       events by what they were.
    before_start  events that had ended before there was anything to hear them.
    not_kept      other events that no take was made of, and `why_not` of the last one.
    cut_s         of what should have been kept, the time that the ring no longer had.
    problem       why takes cannot be written, or not to their end; "" after one that was.
    """

    def __init__(self, plan: EventPlan) -> None:
        self.plan = plan
        self.take: _EventTake | None = None
        self.finished: list[Path] = []
        self.reasons: Counter[str] = Counter()
        self.before_start = self.not_kept = 0
        self.why_not, self.cut_s, self.problem = "", 0.0, ""
        self.ring = MessageRing(plan.ring_bytes)
        self.written_bytes = _size_of(plan.out)
        self._dropped: Counter[str] = Counter()
        self._clock, self._kept = StampClock(), KeptMessages()
        self._began_ns = self._newest_ns = 0
        self._last: SegmentEvent | None = None
        self._has_heard = False
        self._proposals = SegmentProposals(plan.vocabulary)

    @property
    def dropped(self) -> Counter[str]:
        """Messages of takes that a slow disk left no room for, by topic."""
        return self._dropped + (self.take.bag.dropped if self.take else Counter())

    def add(self, messages: Sequence[Received], until_ns: int) -> None:
        """All that had come by then, in order of arrival. Raises M2R2Error on a full disk."""
        for message in messages:
            self._clock.note(message)
            self._kept.note(message)
        self.ring.add(messages)
        self._began_ns, self._newest_ns = self._began_ns or until_ns, until_ns
        if self.take is None:
            return
        is_over = until_ns >= self.take.until_ns or self.take.is_too_old
        try:
            self.take.add(messages)
        except M2R2Error:
            is_over = True
        if is_over or self.take.is_full or self.take.bag.problem:
            self.close()

    def hear(self, event: SegmentEvent) -> None:
        """An event of /action_segment. Raises M2R2Error where a take cannot be begun."""
        self._proposals.note(event)
        is_first, self._has_heard = not self._has_heard, True
        reason = self._reason(event) if event.status == SegmentStatus.ENDED else ""
        # The last event is repeated to whoever subscribes anew.
        if not reason or event == self._last:
            return
        self._last = event
        # Nothing lies ahead of now: stamps do where their clock has just been set back.
        start_ns, end_ns = (
            min(self._clock.arrival_of(stamp_ns), self._newest_ns)
            for stamp_ns in (event.start_ns, event.end_ns)
        )
        until_ns = end_ns + self.plan.around_ns
        if is_first and self._was_before_start(until_ns):
            self.before_start += 1
            return
        self.reasons[reason] += 1
        if self.take is not None:
            self.take.until_ns = min(max(self.take.until_ns, until_ns), self.take.latest_ns)
        else:
            self._begin(start_ns - self.plan.around_ns, until_ns)

    def close(self) -> None:
        """End the take that is under way. Raises M2R2Error where there was no room for it."""
        if self.take is None:
            return
        take, self.take = self.take, None
        self.finished.append(take.bag.folder)
        try:
            take.close()
            self.problem = ""
            if take.is_full:
                raise M2R2Error(f"{take.bag.folder.name} ends early: {self._full}")
        except M2R2Error as error:
            self.problem = str(error)
            raise
        finally:
            self.written_bytes = _size_of(self.plan.out)
            self._dropped += take.bag.dropped

    def _reason(self, event: SegmentEvent) -> str:
        if event.label == UNKNOWN:
            return UNKNOWN
        if event.outcome == ActionOutcome.FAILURE:
            return FAILED
        return UNSURE if event.confidence < self.plan.unsure_below else ""

    def _was_before_start(self, until_ns: int) -> bool:
        """Whether an event that ends then was over before there was anything to keep it."""
        # Nothing of the sensors has come by the first news, and those are of an end: its beginning
        # was told to others.
        return not self._clock.is_known or until_ns < self._began_ns

    def _begin(self, first_ns: int, until_ns: int) -> None:
        """A take with what the ring still has of that time. Raises M2R2Error."""
        held = self.ring.since(first_ns)
        messages = [each for each in held if each.arrival_ns <= until_ns]
        try:
            if not messages:
                self.why_not = _GONE if self.ring.evicted else _NOTHING
                raise M2R2Error(self.why_not)
            self.take = self._new_take(messages[0])
        except M2R2Error as error:
            self.not_kept, self.why_not = self.not_kept + 1, str(error)
            raise
        self.cut_s += self.ring.lacks_ns(first_ns) / 1e9
        self.take.until_ns, self.take.latest_ns = until_ns, until_ns + _LONGEST_NS
        began_ns = messages[0].arrival_ns
        early = self._kept.at(began_ns, came_before_ns=began_ns)
        self.take.add([*early, *messages], is_live=False)

    def _new_take(self, first: Received) -> _EventTake:
        """Raises M2R2Error where the folder is full, or nothing can be written."""
        try:
            room = self._room_for(first)
            folder = next_folder(self.plan.out, self.plan.pattern)
            bag = BagRecording(folder, self.plan.ring_bytes)
        except M2R2Error as error:
            self.problem = str(error)
            raise
        return _EventTake(bag, GrowingLabels(folder, self._clock, self._proposals.labels), room)

    def _room_for(self, first: Received) -> int:
        """What the folder has room for, also after somebody has made some. Raises M2R2Error."""
        least = len(first.data) + _LEAST_BYTES
        if self.written_bytes + least > self.plan.folder_bytes:
            self.written_bytes = _size_of(self.plan.out)
        room = self.plan.folder_bytes - self.written_bytes
        if room < least:
            raise M2R2Error(self._full)
        return room

    @property
    def _full(self) -> str:
        return f"the takes in {self.plan.out} have reached events_mb"


class _EventTake:
    """until_ns: when it is to end, latest_ns: when at the latest; times of arrival.

    is_full  whether a message had no room.
    """

    until_ns = latest_ns = 0
    is_full = False

    def __init__(self, bag: BagRecording, labels: GrowingLabels, room_bytes: int) -> None:
        self.bag, self._labels, self._room_bytes = bag, labels, room_bytes
        self._last_ns = 0
        self._began_s = time.monotonic()

    @property
    def is_too_old(self) -> bool:
        """Also where this machine's clock was set back, so that its end does not come."""
        return (time.monotonic() - self._began_s) * 1e9 > 2 * _LONGEST_NS

    def add(self, messages: Sequence[Received], is_live: bool = True) -> None:
        for message in messages:
            if is_live and message.arrival_ns > self.until_ns:
                break
            self.is_full |= self.bag.size_with(message.topic, message.data) > self._room_bytes
            if self.is_full:
                break
            self._labels.note(message)
            self._last_ns = message.arrival_ns
            self.bag.add(message.topic, message.arrival_ns, message.data)
            self.bag.pace()
        if self._labels.is_due:
            self._labels.write(self._last_ns)

    def close(self) -> None:
        try:
            self._labels.write(self._last_ns)
        finally:
            self.bag.close()


def _size_of(folder: Path) -> int:
    """Bytes of all files below that can be seen, 0 without the folder."""
    found = 0
    with suppress(OSError):
        for path in folder.rglob("*"):
            with suppress(OSError):
                found += path.lstat().st_size
    return found
