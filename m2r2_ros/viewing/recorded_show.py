# SPDX-License-Identifier: Apache-2.0
"""A recording, its labels and its results on a screen, stretch by stretch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from operator import itemgetter

from m2r2_ros.datasets.recording_source import RecordingSource, SensorBatch, gap_label
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.inspection.small_pictures import newest
from m2r2_ros.labels import label_from_text
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing import streams
from m2r2_ros.viewing.results import Results
from m2r2_ros.viewing.screen import Screen
from m2r2_ros.vocabulary import UNLABELLED

# A stamp [ns] and what shows the thing that is stamped so.
Call = tuple[int, Callable[[], None]]

# Read at once of each sensor; how far back its present picture is looked for.
_AHEAD_NS = 1_000_000_000
_BACK_NS = 1_000_000_000


class RecordedShow:
    """A recording to be shown; `say` is told what cannot be read of it, a line each."""

    def __init__(
        self,
        source: RecordingSource,
        layout: SensorLayout,
        results: Results,
        screen: Screen,
        say: Callable[[str], None],
    ) -> None:
        """Raises M2R2Error when the recording has none of the layout's sensors."""
        self._source, self._screen, self._say = source, screen, say
        self._said: set[str] = set()
        source.between(layout, source.start_ns, source.start_ns)
        self._tell(source.problems)
        self._layouts = dict(self._present(layout))
        self._ahead: dict[str, tuple[int, int, SensorBatch]] = {}
        calls = [*results.calls(screen), *truth_calls(source, screen)]
        # Stable: at one stamp an ENDED stays before the STARTED that follows it.
        self._calls: Sequence[Call] = sorted(calls, key=itemgetter(0))
        # Where a clock was set back they were published in another order.
        self._events = sorted(results.events, key=lambda event: event.stamp_ns)
        self._truth = sorted(truth_calls(source, screen), key=itemgetter(0))

    def show(self, start_ns: int, end_ns: int) -> None:
        """All that is stamped in [start_ns, end_ns) and looked at, in order of time."""
        calls = list(self._sensor_calls(start_ns, end_ns))
        first, last = (
            bisect_left(self._calls, stamp, key=itemgetter(0)) for stamp in (start_ns, end_ns)
        )
        # What is published at a frame's stamp is written on that frame.
        calls = [*self._calls[first:last], *calls]
        for _, call in sorted(calls, key=itemgetter(0)):
            call()
        self._screen.at(end_ns)
        self._tell(self._screen.problems.values())

    def restore(self, at_ns: int) -> None:
        """What is there at a stamp: the last event and label before it, the present pictures."""
        self._screen.at(at_ns)
        before = bisect_right(self._events, at_ns, key=lambda event: event.stamp_ns)
        if before:
            self._screen.segment(self._events[before - 1])
        labelled = bisect_right(self._truth, at_ns, key=itemgetter(0))
        if labelled:
            self._truth[labelled - 1][1]()
        for name, layout in self._layouts.items():
            if layout.cameras and self._screen.wants(streams.camera(name)):
                batch = self._between(layout, at_ns - _BACK_NS, at_ns + 1)
                for frame in newest(batch.images).values():
                    self._screen.picture(*frame)
        self._tell(self._screen.problems.values())

    def _sensor_calls(self, start_ns: int, end_ns: int) -> Iterator[Call]:
        for name, layout in self._layouts.items():
            stream = streams.camera(name) if layout.cameras else streams.signal(name)
            if not self._screen.wants(stream):
                self._ahead.pop(name, None)
                continue
            at_ns = start_ns
            while at_ns < end_ns:
                _, until_ns, batch = self._block(name, at_ns)
                yield from batch_calls(batch.cut(at_ns, min(end_ns, until_ns)), self._screen)
                at_ns = until_ns

    def _block(self, name: str, at_ns: int) -> tuple[int, int, SensorBatch]:
        """What is read ahead of a sensor: the part that holds a stamp."""
        block = self._ahead.get(name)
        if block is None or not block[0] <= at_ns < block[1]:
            until_ns = at_ns + _AHEAD_NS
            block = at_ns, until_ns, self._between(self._layouts[name], at_ns, until_ns)
            self._ahead[name] = block
        return block

    def _between(self, layout: SensorLayout, start_ns: int, end_ns: int) -> SensorBatch:
        """Nothing where the recording is damaged, which is said."""
        try:
            batch = self._source.between(layout, start_ns, end_ns)
        except M2R2Error as error:
            self._tell([str(error)])
            return SensorBatch()
        self._tell(self._source.problems)
        return batch

    def _present(self, layout: SensorLayout) -> Iterator[tuple[str, SensorLayout]]:
        """A layout of its own for each sensor that is there; the others have been told."""
        for name in layout.modalities:
            with suppress(M2R2Error):
                one = layout.only([name])
                self._source.between(one, self._source.start_ns, self._source.start_ns)
                yield name, one

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line not in self._said:
                self._said.add(line)
                self._say(f"{self._source.name}: {line}")


def shown_layout(layout: SensorLayout) -> SensorLayout:
    """Its cameras and the signals that a robot publishes. Raises M2R2Error when it has none."""
    shown = [*layout.cameras, *(name for name in layout.signals if name in layout.sensed)]
    if not shown:
        raise M2R2Error("the layout has neither a camera nor a signal: there is nothing to show")
    return layout.only(shown)


def batch_calls(batch: SensorBatch, screen: Screen) -> Iterator[Call]:
    """What shows the parts of a batch."""
    for frame in batch.images:
        yield frame[1], lambda f=frame: screen.picture(*f)
    for name, (stamps, values) in batch.signals.items():
        if len(stamps):
            yield int(stamps[0]), lambda n=name, s=stamps, v=values: screen.signal(n, s, v)


def truth_calls(source: RecordingSource, screen: Screen) -> Iterator[Call]:
    """What shows the labels: each at its start, and what is between two of them."""
    between = gap_label(source)
    between = "" if between == UNLABELLED else between
    actions = sorted(source.actions or (), key=lambda action: action.start_s)
    if actions and actions[0].start_s > 0:
        yield source.start_ns, lambda: screen.truth(source.start_ns, between, "")
    for action, later in pairwise([*actions, None]):
        start_ns, end_ns = (
            source.start_ns + round(at * 1e9) for at in (action.start_s, action.end_s)
        )
        label, outcome = (
            printable(label_from_text(action.text)),
            "" if action.success else "failure",
        )
        yield start_ns, lambda at=start_ns, la=label, o=outcome: screen.truth(at, la, o)
        if later is None or action.end_s < later.start_s:
            yield end_ns, lambda at=end_ns: screen.truth(at, between, "")
