# SPDX-License-Identifier: Apache-2.0
"""The live graph on a screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from operator import itemgetter

from m2r2_ros.errors import printable
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.inference.segment_text import segment_text
from m2r2_ros.nodes.view_inputs import PREDICTIONS, SEGMENTS, STATUSES, GraphNews, ViewInputs
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing import streams
from m2r2_ros.viewing.recorded_show import Call, batch_calls
from m2r2_ros.viewing.results import event_latencies, prediction_latencies, told_latencies
from m2r2_ros.viewing.screen import Screen

_TAKE_S, _IDLE_S, _FOLLOW_S = 0.04, 0.1, 0.25
_SILENCE_S = 5.0
# Publishers are found within this time after somebody has begun to look.
_PATIENCE_S = 3.0
# The results that each stream is made of.
_NEEDS = {
    streams.SEGMENT: (SEGMENTS,),
    streams.PREDICTION: (PREDICTIONS,),
    streams.LATENCY: (SEGMENTS, PREDICTIONS, STATUSES),
    streams.DIAGNOSTICS: (STATUSES,),
}


class LiveShow:
    """Shows on `screen` what comes on the graph; without one it publishes the text alone."""

    def __init__(self, inputs: ViewInputs, layout: SensorLayout, screen: Screen | None) -> None:
        self._inputs, self._screen = inputs, screen
        self._sensors = {
            name: streams.camera(name) if name in layout.cameras else streams.signal(name)
            for name in layout.modalities
        }
        self._captions = [streams.caption(name) for name in layout.cameras]
        # The last event, and when it was heard [s of a steady clock], until its silence is told.
        self._last: SegmentEvent | None = None
        self._heard_s: float | None = None

    def wanted(self) -> set[str]:
        """Names of the sensors and results that are looked at."""
        found = {SEGMENTS} if self._inputs.text_is_read else set()
        screen = self._screen
        if screen is None:
            return found
        found |= {name for name, stream in self._sensors.items() if screen.wants(stream)}
        for stream, results in _NEEDS.items():
            found |= set(results) if screen.wants(stream) else set()
        return found | ({SEGMENTS} if any(map(screen.wants, self._captions)) else set())

    def show(self, news: GraphNews) -> None:
        """Show what has come, in order of its stamps."""
        for event, _ in news.segments:
            self._inputs.publish_text(segment_text(event))
            self._last, self._heard_s = event, time.monotonic()
        if self._screen is not None:
            self._show_on(self._screen, news)
        self._tell_silence()

    def lines(self, wanted: set[str]) -> Iterator[str]:
        """What of that cannot be shown, and why."""
        for why in (self._inputs.problems, self._inputs.unread):
            yield from (f"{name}: {line}" for name, line in why.items() if name in wanted and line)
        if self._screen is not None:
            yield from self._screen.problems.values()

    def rest(self) -> None:
        """Nobody listens to segments: that nothing is heard of one says nothing."""
        self._heard_s = None

    def _show_on(self, screen: Screen, news: GraphNews) -> None:
        if screen.has_newcomers() and self._last is not None:
            screen.segment(self._last)
        calls = sorted(_calls(screen, news), key=itemgetter(0))
        for _, call in calls:
            call()
        if calls:
            # Simulated time may begin anew.
            screen.at(calls[-1][0])

    def _tell_silence(self) -> None:
        """Not to claim what nobody says any more: an open segment is heard of every second."""
        heard_s, last = self._heard_s, self._last
        if heard_s is None or time.monotonic() - heard_s < _SILENCE_S:
            return
        self._heard_s = None
        if last.status != SegmentStatus.ENDED:
            text = f"{printable(last.label)}: not heard of for {_SILENCE_S:.0f} s"
            self._inputs.publish_text(text)
            if self._screen is not None:
                self._screen.write(text)


def _calls(screen: Screen, news: GraphNews) -> Iterator[Call]:
    for event, arrival_ns in news.segments:
        yield event.stamp_ns, lambda e=event: screen.segment(e)
        for late in event_latencies(event, arrival_ns):
            yield late[0], lambda entry=late: screen.latency(*entry)
    for prediction, arrival_ns in news.predictions:
        yield prediction.stamp_ns, lambda p=prediction: screen.prediction(p)
        for late in prediction_latencies(prediction, arrival_ns):
            yield late[0], lambda entry=late: screen.latency(*entry)
    for stamped, _ in news.statuses:
        yield stamped[0], lambda s=stamped: screen.diagnostics(*s)
        for late in told_latencies(*stamped):
            yield late[0], lambda entry=late: screen.latency(*entry)
    yield from batch_calls(news.sensors, screen)


def show_live(
    show: LiveShow,
    inputs: ViewInputs,
    has_ended: Callable[[], bool],
    after: Callable[[], None],
    say: Callable[[str], None],
) -> None:
    """Show until `has_ended`; `after` each look, `say` what cannot be shown, once."""
    followed_s, idle_s, said = 0.0, time.monotonic(), set[str]()
    while not has_ended():
        wanted, now_s = show.wanted(), time.monotonic()
        idle_s = idle_s if wanted else now_s
        if now_s - followed_s >= _FOLLOW_S:
            followed_s = now_s
            inputs.follow(wanted)
            lines = set(show.lines(wanted)) if now_s - idle_s > _PATIENCE_S else set()
            for line in sorted(lines - said):
                say(line)
            said |= lines
        if SEGMENTS not in wanted:
            show.rest()
        if wanted:
            show.show(inputs.take())
            after()
        time.sleep(_TAKE_S if wanted else _IDLE_S)
