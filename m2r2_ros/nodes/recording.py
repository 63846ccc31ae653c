# SPDX-License-Identifier: Apache-2.0
"""The process of `m2r2 record`: topics in, bags out, led by keys, services, marks and a button."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from m2r2_ros.datasets.recording_session import RecordingSession
from m2r2_ros.datasets.take import Take
from m2r2_ros.diagnosis.rate_watch import RateWatch
from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.name_lock import NameLock
from m2r2_ros.nodes.own_node import own_node
from m2r2_ros.nodes.record_controls import RecordControls
from m2r2_ros.nodes.recorder import TopicRecorder
from m2r2_ros.parallel.held_signals import held_back

EXIT_DISK = 1
_TAKE_S, _FOLLOW_S, _SHOW_S = 0.02, 0.25, 0.5
# What is missing is said when publishers have had this time to be found.
_PATIENCE_S = 3.0
# An answer is on its way so long, at the end.
_ANSWER_S = 0.3
_LOST = "they were not taken in time: on a busy machine `chrt -r 1 m2r2 record ...` goes first"
# The last one comes when the terminal or the connection to it is gone.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ELSEWHERE = "set another ROS_DOMAIN_ID"


class Console(Protocol):
    """Where it is shown, and keys come from."""

    def say(self, line: str) -> None:
        """A line that stays."""
        ...

    def show(self, state: RecordingState) -> None:
        """How it stands; called twice a second."""
        ...

    def pressed(self) -> Sequence[str]:
        """Keys that were pressed since the last time."""
        ...


@dataclass(frozen=True)
class RecordingState:
    """`take`: name of the bag under way, "" between takes; `free_bytes`: of its disk."""

    take: str
    seconds: float
    messages: int
    size: int
    label: str
    rates: dict[str, float]
    silent: dict[str, float]
    lost: int
    dropped: int
    free_bytes: int


@dataclass(frozen=True)
class RecordedInputs:
    """Topics to record, those that may be lacking, and the joystick's topic and button."""

    topics: Sequence[str]
    may_lack: Sequence[str] = ()
    joystick: tuple[str, int] | None = None


def record(
    session: RecordingSession, inputs: RecordedInputs, console: Console, labels: dict[str, str]
) -> int:
    """Record until the session is over, a signal comes, or the disk is full.

    `labels`: key -> what it marks. Returns the exit status.
    """
    with _alone() as node, held_back(*_obeyed(_SIGNALS)) as ended:
        run = _Run(session, TopicRecorder(node, inputs.topics, inputs.may_lack), console, labels)
        # Kept, for its subscriptions live as long as it does.
        run.controls = RecordControls(node, run, inputs.joystick)
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        try:
            while not (ended or run.is_over):
                executor.spin_once(timeout_sec=_TAKE_S)
                run.step()
        finally:
            run.end()
            _linger(executor)
            executor.shutdown()
        return EXIT_DISK if session.problem else 0


class _Run:
    """One recording session under way; see `record_controls.Led`."""

    controls: RecordControls

    def __init__(
        self,
        session: RecordingSession,
        recorder: TopicRecorder,
        console: Console,
        labels: dict[str, str],
    ) -> None:
        self._session, self._recorder, self._console = session, recorder, console
        self._labels, self._watch = labels, RateWatch()
        self._problems: dict[str, str] = {}
        self._began_s = time.monotonic()
        self._followed_s = self._shown_s = 0.0
        self._is_ending = self._has_begun = False

    @property
    def is_over(self) -> bool:
        return self._is_ending or self._session.is_over

    def start(self) -> tuple[bool, str]:
        if self._is_ending:
            return self._said(False, "the recorder ends")
        try:
            bag = self._session.start()
        except M2R2Error as error:
            return self._said(False, str(error))
        self._watch.forget_gaps()
        return self._said(True, f"{bag}: recording")

    def stop(self) -> tuple[bool, str]:
        self._drain()
        take = self._session.take
        try:
            bag = self._session.stop()
        except M2R2Error as error:
            return self._said(False, str(error))
        self._said(True, f"{bag}: {_contents(take)}" if take else str(bag))
        for topic, (count, longest_s) in self._watch.gaps().items():
            self._console.say(f"{topic}: {count} gaps, the longest {longest_s:.1f} s")
        return True, str(bag)

    def toggle(self) -> tuple[bool, str]:
        return self.start() if self._session.take is None else self.stop()

    def mark(self, label: str) -> tuple[bool, str]:
        try:
            is_new = self._session.mark(label, time.time_ns())
        except M2R2Error as error:
            return self._said(False, str(error))
        text = f"mark: {label or '(end)'}"
        return self._said(True, text) if is_new else (True, text)

    def step(self) -> None:
        """What is due now; many times a second."""
        now_s = time.monotonic()
        if now_s - self._followed_s >= _FOLLOW_S:
            self._followed_s = now_s
            self._recorder.follow()
            self._tell_problems(now_s)
        self._drain()
        if self._is_timed and not self._has_begun:
            self._begin_by_itself(now_s)
        take = self._session.take
        if take is not None and take.seconds >= self._session.plan.seconds:
            self.stop()
        for key in self._console.pressed():
            self._press(key)
        if now_s - self._shown_s >= _SHOW_S:
            self._shown_s = now_s
            for line in self._watch.changes(time.time_ns()):
                self._console.say(line)
            self._console.show(self._state())

    def end(self) -> None:
        self._is_ending = True
        if self._session.take is not None:
            self.stop()
        for topic, count in self._recorder.lost.items():
            self._console.say(f"{topic}: {count} messages were lost on their way")
        if self._recorder.lost:
            self._console.say(_LOST)
        self._recorder.close()

    @property
    def _is_timed(self) -> bool:
        return self._session.plan.seconds < float("inf")

    def _begin_by_itself(self, now_s: float) -> None:
        """Once all topics are there, or have had their time to be."""
        if not self._recorder.problems or now_s - self._began_s >= _PATIENCE_S:
            self._has_begun = True
            self.start()

    def _drain(self) -> None:
        """Take what has come; a full disk ends everything."""
        until_ns = time.time_ns()
        messages = self._recorder.take(until_ns)
        arrivals: dict[str, list[int]] = {}
        for message in messages:
            arrivals.setdefault(message.topic.name, []).append(message.arrival_ns)
        for topic, times in arrivals.items():
            self._watch.note(topic, times)
        try:
            self._session.add(messages, until_ns)
        except M2R2Error as error:
            self._console.say(str(error))

    def _press(self, key: str) -> None:
        if key == " ":
            self.toggle()
        elif key == "q":
            self._is_ending = True
        elif key in self._labels:
            self.mark(self._labels[key])

    def _tell_problems(self, now_s: float) -> None:
        """Say once of each topic why nothing can come of it, and when that has changed."""
        if now_s - self._began_s < _PATIENCE_S:
            return
        problems = self._recorder.problems
        for topic, why in problems.items():
            if self._problems.get(topic) != why:
                self._console.say(f"{topic} is not recorded: {why.removeprefix(f'{topic}: ')}")
        for topic in self._problems.keys() - problems.keys():
            self._console.say(f"{topic} is recorded now")
        self._problems = problems

    def _said(self, is_done: bool, text: str) -> tuple[bool, str]:
        self._console.say(text)
        return is_done, text

    def _state(self) -> RecordingState:
        now_ns, take = time.time_ns(), self._session.take
        free_bytes = _free_bytes(self._session.plan.out)
        rates, silent = self._watch.rates(now_ns), self._watch.silent(now_ns)
        lost = sum(self._recorder.lost.values())
        if take is None:
            return RecordingState("", 0.0, 0, 0, "", rates, silent, lost, 0, free_bytes)
        return RecordingState(
            take.bag.folder.name,
            take.seconds,
            take.messages,
            take.bag.size,
            take.marks.current,
            rates,
            silent,
            lost,
            take.bag.dropped.total(),
            free_bytes,
        )


def _contents(take: Take) -> str:
    """What a take has come to, in words."""
    parts = [f"{take.messages} messages", f"{take.bag.size / 1e6:.1f} MB"]
    if len(take.marks):
        parts.append(f"{len(take.marks)} marks")
    if take.marks.too_short:
        parts.append(f"{take.marks.too_short} of them too short for a label")
    return ", ".join(parts)


def _linger(executor: SingleThreadedExecutor) -> None:
    """A node that is gone takes an answer that is under way with it: who stops the last take."""
    until_s = time.monotonic() + _ANSWER_S
    while time.monotonic() < until_s:
        executor.spin_once(timeout_sec=_TAKE_S)


def _obeyed(numbers: Iterable[int]) -> list[int]:
    """Without what the process has been told to ignore, as `nohup` does."""
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def _free_bytes(folder: Path) -> int:
    """Of its disk; 0 where it has gone."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


@contextmanager
def _alone() -> Iterator[Node]:
    """The recorder's node. Of two a service would reach one, now this and now that."""
    with own_node("recorder") as node:
        lock = NameLock(node.get_fully_qualified_name(), elsewhere=_ELSEWHERE)
        lock.take()
        try:
            yield node
        finally:
            lock.release()
