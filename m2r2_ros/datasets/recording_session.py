# SPDX-License-Identifier: Apache-2.0
"""Demonstrations recorded one after the other, one bag each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from m2r2_ros.datasets.take import KeptMessages, Received, StampClock, Take, next_folder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.vocabulary import Vocabulary


@dataclass(frozen=True)
class SessionPlan:
    """Where takes go and what ends them.

    pattern   of their names, see `take.next_folder`.
    takes     after so many the session is over; inf: when somebody ends it.
    seconds   length of each take; inf: until it is stopped. With a length the first one begins by
              itself.
    """

    out: Path
    pattern: str
    vocabulary: Vocabulary | None = None
    takes: float = inf
    seconds: float = inf


class RecordingSession:
    """Feed it all that comes; what comes between takes is not recorded.

    take      the one under way, None between takes.
    finished  the bags so far.
    problem   why nothing more can be recorded (a full disk), else "".
    """

    def __init__(self, plan: SessionPlan) -> None:
        self.plan = plan
        self.take: Take | None = None
        self.finished: list[Path] = []
        self.problem = ""
        self._clock = StampClock()
        self._kept = KeptMessages()
        self._newest_ns = 0

    @property
    def is_over(self) -> bool:
        return self.take is None and (bool(self.problem) or len(self.finished) >= self.plan.takes)

    def start(self) -> Path:
        """Begin a take; returns its bag. Raises M2R2Error while one is under way."""
        if self.take is not None:
            raise M2R2Error(f"{self.take.bag.folder.name} is being recorded")
        if self.is_over:
            raise M2R2Error(f"all {self.plan.takes:.0f} takes are recorded")
        folder = next_folder(self.plan.out, self.plan.pattern)
        self.take = Take(folder, self._clock, self.plan.vocabulary)
        self.take.add(self._kept.at(self._newest_ns), self._newest_ns)
        return folder

    def stop(self) -> Path:
        """End the take; returns its bag. Raises M2R2Error where there is none, or no room."""
        if self.take is None:
            raise M2R2Error("nothing is being recorded")
        take, self.take = self.take, None
        self.finished.append(take.bag.folder)
        try:
            take.close()
        except M2R2Error as error:
            self.problem = str(error)
            raise
        return take.bag.folder

    def mark(self, label: str, time_ns: int) -> bool:
        """`label` begins now, "" ends the one before; whether it is new. Raises M2R2Error."""
        if self.take is None:
            raise M2R2Error("nothing is being recorded, so nothing can be marked")
        return self.take.mark(label, time_ns)

    def add(self, messages: Sequence[Received], until_ns: int) -> None:
        """All that had come by then, in order of arrival. Raises M2R2Error on a full disk."""
        for message in messages:
            self._clock.note(message)
            self._kept.note(message)
        self._newest_ns = until_ns
        if self.take is not None:
            self.take.add(messages, until_ns)
            self._pace()

    def _pace(self) -> None:
        """Write what is due; a take that cannot be written is ended."""
        try:
            self.take.pace()
        except M2R2Error:
            self.stop()
            raise
