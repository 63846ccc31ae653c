# SPDX-License-Identifier: Apache-2.0
"""The same streams as entities of a Rerun recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import rerun as rr

from m2r2_ros.datasets.result_messages import ClassPrediction, NodeStatus
from m2r2_ros.errors import printable
from m2r2_ros.evaluation.colours import Palette
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.inference.segment_text import segment_text
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing import streams
from m2r2_ros.viewing.screen import LATENCIES
from m2r2_ros.viewing.shown_pictures import ShownPictures
from m2r2_ros.vocabulary import Vocabulary

# All stamps are of this timeline.
TIMELINE = "stamp"
# Below it one entity a state, so that one view has them as rows.
STATES = "/states"
PUBLISHED, TRUE = f"{STATES}/published", f"{STATES}/truth"
_LEVELS = (rr.TextLogLevel.INFO, rr.TextLogLevel.WARN, rr.TextLogLevel.ERROR)
# Of letters, for Rerun's light and dark backgrounds.
_INK = (220, 70, 0)
# Where the line of a picture is, as a share of its height: above it, for Rerun writes it on a half
# transparent panel of its theme, through which a picture makes any ink hard to read.
_LINE = -0.13


class RerunScreen:
    """See `Screen`; everything is wanted, for a recording is looked at later."""

    def __init__(
        self, recording: rr.RecordingStream, layout: SensorLayout, vocabulary: Vocabulary | None
    ) -> None:
        self._recording = recording
        self._pictures = ShownPictures()
        self._text = ""
        # Of each node; a line appears where its state changes.
        self._said: dict[str, tuple[int, str]] = {}
        self._name_series(layout)
        if vocabulary is not None:
            self._paint(vocabulary)

    def wants(self, stream: str) -> bool:
        return True

    def has_newcomers(self) -> bool:
        return False

    @property
    def problems(self) -> Mapping[str, str]:
        return self._pictures.problems

    def at(self, stamp_ns: int) -> None:
        """Rerun's viewer goes by the stamps of what is logged."""

    def picture(self, camera: str, stamp_ns: int, picture: Callable[[], np.ndarray]) -> None:
        jpeg = self._pictures.jpeg(camera, stamp_ns, picture)
        if jpeg is None:
            return
        contents, (height, width) = jpeg
        image = rr.EncodedImage(contents=contents, media_type="image/jpeg")
        self._log(streams.camera(camera), stamp_ns, image)
        place = [[width / 2, _LINE * height]] if self._text else []
        text = rr.Points2D(
            place, labels=[self._text] * len(place), colors=_INK, radii=0.0, show_labels=True
        )
        self._log(streams.caption(camera), stamp_ns, text)

    def signal(self, name: str, stamps: np.ndarray, values: np.ndarray) -> None:
        time = rr.TimeColumn(TIMELINE, timestamp=stamps.astype("datetime64[ns]"))
        columns = rr.Scalars.columns(scalars=values)
        self._recording.send_columns(streams.signal(name), [time], columns)

    def segment(self, event: SegmentEvent) -> None:
        self._text = segment_text(event)
        current = "" if event.status == SegmentStatus.ENDED else printable(event.label)
        self._log(PUBLISHED, event.stamp_ns, rr.StateChange(state=current))
        if event.progress is not None:
            self._number(f"{streams.SEGMENT}/progress", event.stamp_ns, event.progress)

    def write(self, text: str) -> None:
        self._text = text

    def truth(self, stamp_ns: int, label: str, outcome: str) -> None:
        self._log(TRUE, stamp_ns, rr.StateChange(state=label))

    def prediction(self, prediction: ClassPrediction) -> None:
        for name in ("confidence", "boundary"):
            entity = f"{streams.PREDICTION}/{name}"
            self._number(entity, prediction.stamp_ns, getattr(prediction, name))

    def diagnostics(self, stamp_ns: int, statuses: Sequence[NodeStatus]) -> None:
        for status in statuses:
            said = status.level, status.message
            if self._said.get(status.name) != said:
                self._said[status.name] = said
                level = _LEVELS[min(status.level, len(_LEVELS) - 1)]
                line = rr.TextLog(f"{status.name}: {status.message}", level=level)
                self._log(streams.DIAGNOSTICS, stamp_ns, line)

    def latency(self, stamp_ns: int, name: str, seconds: float) -> None:
        self._number(f"{streams.LATENCY}/{name}", stamp_ns, seconds)

    def _number(self, entity: str, stamp_ns: int, value: float) -> None:
        self._log(entity, stamp_ns, rr.Scalars(value))

    def _log(self, entity: str, stamp_ns: int, what: rr.AsComponents) -> None:
        self._recording.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, "ns"))
        self._recording.log(entity, what)

    def _name_series(self, layout: SensorLayout) -> None:
        names = {streams.signal(n): streams.column_names(s) for n, s in layout.signals.items()}
        names |= {f"{streams.PREDICTION}/{n}": [n] for n in ("confidence", "boundary")}
        names |= {f"{streams.LATENCY}/{n}": [n] for n in LATENCIES}
        for entity, columns in names.items():
            self._recording.log(entity, rr.SeriesLines(names=columns), static=True)

    def _paint(self, vocabulary: Vocabulary) -> None:
        """The colours of the timelines that `m2r2 segment` draws."""
        labels = list(vocabulary.labels)
        palette = Palette(labels, vocabulary)
        values = list(map(printable, labels))
        states = rr.StateConfiguration(values=values, colors=list(_bytes(palette, labels)))
        for entity in (PUBLISHED, TRUE):
            self._recording.log(entity, states, static=True)


def _bytes(palette: Palette, labels: Iterable[str]) -> Iterable[list[int]]:
    for label in labels:
        yield [round(255 * part) for part in palette.colour(label)]
