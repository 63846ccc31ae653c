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
from m2r2_ros.datasets.labels_file import labels_path, write_labels
from m2r2_ros.datasets.message_ring import MessageRing
from m2r2_ros.datasets.segment_proposals import SegmentProposals
from m2r2_ros.datasets.take import KeptMessages, Received, StampClock, next_folder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.vocabulary import UNKNOWN, Vocabulary

# Events that follow one another make one take, for so long after the first.
_LONGEST_NS = 300 * 10**9
# Proposals are written so often while a take grows.
_LABELS_S = 1.0
_GONE = "nothing is held of that time: it was told too late, or ring_mb is too small"
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

    take      the one under way, else None.
    finished  bags so far.
    reasons   events by what they were.
    not_kept  events that no take was made of.
    cut_s     of what should have been kept, the time that the ring no longer had.
    problem   why the last event was not kept, or not all of it; "" after one that was.
    """

    def __init__(self, plan: EventPlan) -> None:
        self.plan = plan
        self.take: _EventTake | None = None
        self.finished: list[Path] = []
        self.reasons: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.not_kept, self.cut_s, self.problem = 0, 0.0, ""
        self.ring = MessageRing(plan.ring_bytes)
        self.written_bytes = _size_of(plan.out)
        self._clock, self._kept = StampClock(), KeptMessages()
        self._newest_ns = 0
        self._proposals = SegmentProposals(plan.vocabulary)

    def add(self, messages: Sequence[Received], until_ns: int) -> None:
        """All that had come by then, in order of arrival. Raises M2R2Error on a full disk."""
        for message in messages:
            self._clock.note(message)
            self._kept.note(message)
        self.ring.add(messages)
        self._newest_ns = until_ns
        if self.take is None:
            return
        is_over = until_ns >= self.take.until_ns or self.take.is_too_old
        is_over |= self.written_bytes + self.take.bag.size > self.plan.folder_bytes
        try:
            self.take.add(messages)
        except M2R2Error:
            is_over = True
        if is_over or self.take.bag.problem:
            self.close()

    def hear(self, event: SegmentEvent) -> None:
        """An event of /action_segment. Raises M2R2Error where a take cannot be begun."""
        self._proposals.note(event)
        reason = self._reason(event) if event.status == SegmentStatus.ENDED else ""
        if not reason:
            return
        self.reasons[reason] += 1
        # Nothing lies ahead of now: stamps do where their clock has just been set back.
        start_ns, end_ns = (
            min(self._clock.arrival_of(stamp_ns), self._newest_ns)
            for stamp_ns in (event.start_ns, event.end_ns)
        )
        until_ns = end_ns + self.plan.around_ns
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
        except M2R2Error as error:
            self.problem = str(error)
            raise
        finally:
            self.written_bytes += take.bag.size
            self.dropped += take.bag.dropped

    def _reason(self, event: SegmentEvent) -> str:
        if event.label == UNKNOWN:
            return UNKNOWN
        if event.outcome == ActionOutcome.FAILURE:
            return FAILED
        return UNSURE if event.confidence < self.plan.unsure_below else ""

    def _begin(self, first_ns: int, until_ns: int) -> None:
        """A take with what the ring still has of that time. Raises M2R2Error."""
        held = self.ring.since(first_ns)
        messages = [each for each in held if each.arrival_ns <= until_ns]
        try:
            self._check_room()
            if not messages:
                has_come = self.ring.evicted or held
                raise M2R2Error(_GONE if has_come else "nothing has come of the sensors")
            folder = next_folder(self.plan.out, self.plan.pattern)
            self.take = _EventTake(folder, self._clock, self._proposals, self.plan.ring_bytes)
        except M2R2Error as error:
            self.not_kept, self.problem = self.not_kept + 1, str(error)
            raise
        self.cut_s += self.ring.lacks_ns(first_ns) / 1e9
        self.take.until_ns, self.take.latest_ns = until_ns, until_ns + _LONGEST_NS
        began_ns = messages[0].arrival_ns
        early = self._kept.at(began_ns, came_before_ns=began_ns)
        self.take.add([*early, *messages], is_live=False)

    def _check_room(self) -> None:
        """Raise M2R2Error where the folder is full, also after somebody has made room in it."""
        if self.written_bytes >= self.plan.folder_bytes:
            self.written_bytes = _size_of(self.plan.out)
        if self.written_bytes >= self.plan.folder_bytes:
            raise M2R2Error(f"the takes in {self.plan.out} have reached events_mb")


class _EventTake:
    """until_ns: when it is to end, latest_ns: when at the latest; times of arrival."""

    until_ns = latest_ns = 0

    def __init__(
        self, folder: Path, clock: StampClock, proposals: SegmentProposals, ring_bytes: int
    ) -> None:
        self.bag = BagRecording(folder, ring_bytes)
        self._clock, self._proposals = clock, proposals
        self._epoch_ns = self._last_ns = 0
        self._began_s = self._labelled_s = time.monotonic()

    @property
    def is_too_old(self) -> bool:
        """Also where this machine's clock was set back, so that its end does not come."""
        return (time.monotonic() - self._began_s) * 1e9 > 2 * _LONGEST_NS

    def add(self, messages: Sequence[Received], is_live: bool = True) -> None:
        for message in messages:
            if is_live and message.arrival_ns > self.until_ns:
                break
            if self._clock.has(message):
                self._epoch_ns = self._epoch_ns or message.stamp_ns or 0
            self._last_ns = message.arrival_ns
            self.bag.add(message.topic, message.arrival_ns, message.data)
            self.bag.pace()
        if time.monotonic() - self._labelled_s >= _LABELS_S:
            self._write_labels()

    def close(self) -> None:
        try:
            self._write_labels()
        finally:
            self.bag.close()

    def _write_labels(self) -> None:
        self._labelled_s = time.monotonic()
        last_ns = self._clock.stamp_of(self._last_ns)
        labels = self._proposals.labels(self._epoch_ns or last_ns, last_ns)
        write_labels(labels_path(self.bag.folder), labels)


def _size_of(folder: Path) -> int:
    """Bytes of all files below that can be seen, 0 without the folder."""
    found = 0
    with suppress(OSError):
        for path in folder.rglob("*"):
            with suppress(OSError):
                found += path.lstat().st_size
    return found
