# SPDX-License-Identifier: Apache-2.0
"""What the nodes that record have in common: topics are followed and drained, losses are told.

They give way: where processors are scarce the chain comes first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.timer import Timer

from m2r2_ros.datasets.take import Received
from m2r2_ros.diagnosis.recent import RecentRises
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.nodes.diagnostics import OK, WARN, Report
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.process import run
from m2r2_ros.nodes.recorder import TopicRecorder
from m2r2_ros.nodes.topics import SEGMENT_TOPIC, WINDOW_TOPIC
from m2r2_ros.parallel.priority import program_gives_way

TOO_SLOW = "messages are dropped: the disk is too slow"
_TAKE_S, _FOLLOW_S = 0.02, 0.25
# Longest wait for the last words of a chain: until it is seen to end at the same time, and from
# then on, for it empties its queues first. launch waits 30 s before it insists.
_LAST_WORDS_S, _ENDING_S = 3.0, 25.0


class RecorderNode(ManagedNode):
    """A subclass makes `self._recorder` in `configure` and keeps what it is handed by `keep`."""

    _recorder: TopicRecorder | None = None
    _ticking: Sequence[Timer] = ()

    def __init__(self, name: str, values: dict[str, Any] | None = None) -> None:
        super().__init__(name, values)
        self._recent = RecentRises()

    def keep(self, messages: Sequence[Received], until_ns: int) -> None:
        """All that had come by then. Raises M2R2Error where it cannot be written."""
        raise NotImplementedError

    def finish_recording(self) -> None:
        """Close what is open. Raises M2R2Error where it cannot be written."""
        raise NotImplementedError

    def state(self) -> tuple[dict[str, Any], Iterable[str]]:
        """Values and troubles for the diagnostics."""
        raise NotImplementedError

    def losses(self) -> dict[str, float]:
        """What is lost for good, a line -> how much: said for a minute after there was more."""
        return {}

    def activate(self) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._recorder.follow()
        self._ticking = [
            self.create_timer(_TAKE_S, self.guard(self._drain), clock=steady),
            self.create_timer(_FOLLOW_S, self.guard(self._recorder.follow), clock=steady),
        ]

    def deactivate(self) -> None:
        for timer in self._ticking:
            self.destroy_timer(timer)
        self._ticking = ()
        began_s = time.monotonic()
        # At Ctrl-C the segmenter ends, too: its last ENDED belongs to what is kept.
        while self.is_ending and time.monotonic() < began_s + self._patience_s():
            self._drain()
            time.sleep(_TAKE_S)
        self._drain()
        self.attempt(self.finish_recording)

    def _patience_s(self) -> float:
        """How long to wait for the segmenter in all. Of a chain that ends, windows go first."""
        if not self.count_publishers(SEGMENT_TOPIC):
            return 0.0
        return _LAST_WORDS_S if self.count_publishers(WINDOW_TOPIC) else _ENDING_S

    def cleanup(self) -> None:
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    def report(self) -> Report:
        values, troubles = self.state()
        lost = self._recorder.lost
        values["lost"] = sum(lost.values())
        on_the_way = {f"{topic}: messages were lost on their way": n for topic, n in lost.items()}
        losses = self.losses() | on_the_way
        recent = self._recent.of(losses)
        troubles = [*troubles, *(line for line in losses if line in recent)]
        if self.is_active:
            troubles += self._recorder.problems.values()
        message = "; ".join(troubles) or ("active" if self.is_active else "inactive")
        return Report(WARN if troubles else OK, printable(message), values)

    def attempt(self, step: Callable[[], None]) -> None:
        """Do what needs a disk; where it is full, that is logged and the node goes on."""
        try:
            step()
        except M2R2Error as error:
            self.get_logger().error(printable(error), throttle_duration_sec=5.0)

    def _drain(self) -> None:
        until_ns = time.time_ns()
        messages = self._recorder.take(until_ns)
        self.attempt(lambda: self.keep(messages, until_ns))


def run_beside(build: Callable[[], Sequence[ManagedNode]], description: str) -> int:
    """As `process.run`, of lower priority than the chain."""
    # Messages of two seconds may wait meanwhile.
    program_gives_way()
    return run(build, description)
