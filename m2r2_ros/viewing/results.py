# SPDX-License-Identifier: Apache-2.0
"""What was published about a recording: computed now, or recorded in its bag."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.bag_files import is_bag_folder
from m2r2_ros.datasets.bag_reader import Bag, open_bag
from m2r2_ros.datasets.recording_source import REASSEMBLE_SUFFIXES
from m2r2_ros.datasets.result_messages import (
    DIAGNOSTICS,
    PREDICTION,
    ClassPrediction,
    NodeStatus,
    read_diagnostics,
    read_event,
    read_prediction,
)
from m2r2_ros.datasets.topics import GROUND_TRUTH_TOPIC
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent, SegmentStatus
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.encode import ACTION_SEGMENT
from m2r2_ros.offline.segmentation import OfflineRun
from m2r2_ros.viewing.screen import LATENCIES, MESSAGE_LATENCIES, Screen

# A message that comes longer after its stamp has a stamp of another clock.
MOST_LATENCY_S = 60.0


@dataclass
class Results:
    """Each list in the order in which it was published.

    latencies  stamp [ns], which one, seconds.
    problems   a line each.
    """

    events: list[SegmentEvent] = field(default_factory=list)
    predictions: list[ClassPrediction] = field(default_factory=list)
    diagnostics: list[tuple[int, list[NodeStatus]]] = field(default_factory=list)
    latencies: list[tuple[int, str, float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of_run(cls, run: OfflineRun, labels: Sequence[str]) -> Results:
        """What the nodes would have published; `labels` are the head's."""
        results = cls(predictions=[_prediction(frame, labels) for frame in run.predictions])
        for event in run.events:
            results.add_event(event)
        return results

    @classmethod
    def of_recording(cls, path: Path) -> Results:
        """What a bag holds; an .h5 holds nothing. Raises M2R2Error on what cannot be read."""
        results = cls()
        if is_bag_folder(path) or path.suffix not in REASSEMBLE_SUFFIXES:
            with open_bag(path) as bag:
                results._read(bag)
        return results

    def add_event(self, event: SegmentEvent, arrival_ns: int | None = None) -> None:
        """`arrival_ns`: when its message came, of the clock that stamps are of."""
        self.events.append(event)
        self.latencies += event_latencies(event, arrival_ns)

    def add_prediction(self, prediction: ClassPrediction, arrival_ns: int) -> None:
        self.predictions.append(prediction)
        self.latencies += prediction_latencies(prediction, arrival_ns)

    def add_diagnostics(self, stamp_ns: int, statuses: list[NodeStatus]) -> None:
        self.diagnostics.append((stamp_ns, statuses))
        self.latencies += told_latencies(stamp_ns, statuses)

    def calls(self, screen: Screen) -> Iterator[tuple[int, Callable[[], None]]]:
        """A stamp and what shows the thing, for each."""
        for event in self.events:
            yield event.stamp_ns, lambda e=event: screen.segment(e)
        for prediction in self.predictions:
            yield prediction.stamp_ns, lambda p=prediction: screen.prediction(p)
        for stamped in self.diagnostics:
            yield stamped[0], lambda s=stamped: screen.diagnostics(*s)
        for latency in self.latencies:
            yield latency[0], lambda entry=latency: screen.latency(*entry)

    def _read(self, bag: Bag) -> None:
        readers = dict(self._readers(bag))
        unread: dict[str, list[str]] = {}
        for message in bag.messages(readers):
            try:
                readers[message.topic](message.data, message.log_ns)
            except MessageError as error:
                unread.setdefault(message.topic, []).append(str(error))
        for topic, why in unread.items():
            self.problems.append(f"{topic}: {len(why)} messages cannot be read: {why[0]}")

    def _readers(self, bag: Bag) -> Iterator[tuple[str, Callable[[bytes, int], Any]]]:
        """A bag's topic of each kind, and what takes its messages and their log times."""
        kinds = {
            ACTION_SEGMENT: lambda data, at: self.add_event(read_event(data), at),
            PREDICTION: lambda data, at: self.add_prediction(read_prediction(data), at),
            DIAGNOSTICS: lambda data, _: self.add_diagnostics(*read_diagnostics(data)),
        }
        for kind, take in kinds.items():
            topics = sorted(n for n, t in bag.types.items() if t == kind)
            chosen, *others = [n for n in topics if n != GROUND_TRUTH_TOPIC] or [""]
            if chosen:
                yield chosen, take
            if others:
                self.problems.append(f"{chosen} is shown, not {', '.join(others)}")


def event_latencies(
    event: SegmentEvent, arrival_ns: int | None
) -> Iterator[tuple[int, str, float]]:
    """How late an event's message is, and at STARTED how late its action is known."""
    _, from_stamp, from_start = MESSAGE_LATENCIES
    yield from _latency(event.stamp_ns, from_stamp, arrival_ns)
    if event.status == SegmentStatus.STARTED:
        seconds = (event.stamp_ns - event.start_ns) / 1e9
        yield event.stamp_ns, from_start, seconds


def prediction_latencies(
    prediction: ClassPrediction, arrival_ns: int
) -> Iterator[tuple[int, str, float]]:
    """How late it is."""
    yield from _latency(prediction.stamp_ns, MESSAGE_LATENCIES[0], arrival_ns)


def told_latencies(
    stamp_ns: int, statuses: Sequence[NodeStatus]
) -> Iterator[tuple[int, str, float]]:
    """The quantiles that the nodes tell of themselves, in ms there."""
    told = {f"{key.removesuffix('_ms')}_s": v for s in statuses for key, v in s.values.items()}
    for name in LATENCIES:
        with suppress(KeyError, ValueError):
            seconds = float(told[name]) / 1e3
            if math.isfinite(seconds):
                yield stamp_ns, name, seconds


def _latency(stamp_ns: int, name: str, arrival_ns: int | None) -> Iterator[tuple[int, str, float]]:
    """Nothing where stamps and arrivals are of different clocks."""
    seconds = -1.0 if arrival_ns is None else (arrival_ns - stamp_ns) / 1e9
    if 0 < seconds < MOST_LATENCY_S:
        yield stamp_ns, name, seconds


def _prediction(frame: FramePrediction, labels: Sequence[str]) -> ClassPrediction:
    best = int(frame.probabilities.argmax())
    confidence = float(frame.probabilities[best])
    return ClassPrediction(frame.stamp_ns, best, labels[best], confidence, frame.boundary)
