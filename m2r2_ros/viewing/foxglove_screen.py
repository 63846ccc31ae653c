# SPDX-License-Identifier: Apache-2.0
"""One channel a stream in Foxglove. What nobody has subscribed to is neither made nor sent."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from foxglove import Channel, Context
from foxglove.channels import CompressedImageChannel, ImageAnnotationsChannel
from foxglove.messages import (
    Color,
    CompressedImage,
    ImageAnnotations,
    Point2,
    TextAnnotation,
    Timestamp,
)

from m2r2_ros.datasets.result_messages import ClassPrediction, NodeStatus
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.inference.segment_text import segment_text
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing import streams
from m2r2_ros.viewing.foxglove_schemas import RESULT_SCHEMAS, shown_time, signal_schema, stamp_entry
from m2r2_ros.viewing.shown_pictures import ShownPictures
from m2r2_ros.viewing.thinning import Thinning

# Samples a second of a signal: text for each of a kilohertz would be work for both sides.
_SAMPLES_HZ = 100.0
_WHITE, _SHADE = Color(r=1, g=1, b=1, a=1), Color(r=0, g=0, b=0, a=0.6)
# Height of the letters, and where the line begins, as shares of the picture's height.
_LETTERS, _MARGIN = 0.06, 0.03


class FoxgloveScreen:
    """See `Screen`; `context` holds its channels."""

    def __init__(self, layout: SensorLayout) -> None:
        self.context = Context()
        self.newest_ns = 0
        self._newcomers = threading.Event()
        self._pictures, self._samples = ShownPictures(), Thinning(_SAMPLES_HZ)
        self._columns = {name: streams.column_names(s) for name, s in layout.signals.items()}
        self._text = ""
        schemas = RESULT_SCHEMAS | {
            streams.signal(name): signal_schema(signal) for name, signal in layout.signals.items()
        }
        self._channels: dict[str, Any] = {
            topic: Channel(topic, schema=schema, context=self.context)
            for topic, schema in schemas.items()
        }
        for name in layout.cameras:
            for topic, kind in (
                (streams.camera(name), CompressedImageChannel),
                (streams.caption(name), ImageAnnotationsChannel),
            ):
                self._channels[topic] = kind(topic, context=self.context)

    def wants(self, stream: str) -> bool:
        return self._channels[stream].has_sinks()

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks at anything."""
        return any(channel.has_sinks() for channel in self._channels.values())

    def greet(self) -> None:
        """Somebody has begun to look; from any thread."""
        self._newcomers.set()

    def has_newcomers(self) -> bool:
        if not self._newcomers.is_set():
            return False
        self._newcomers.clear()
        # They see the present picture also where others have seen it already.
        self._pictures.forget()
        return True

    @property
    def problems(self) -> Mapping[str, str]:
        return self._pictures.problems

    def at(self, stamp_ns: int) -> None:
        self.newest_ns = stamp_ns

    def picture(self, camera: str, stamp_ns: int, picture: Callable[[], np.ndarray]) -> None:
        shown = streams.camera(camera)
        jpeg = self._pictures.jpeg(camera, stamp_ns, picture) if self.wants(shown) else None
        if jpeg is None:
            return
        data, size = jpeg
        time = _timestamp(stamp_ns)
        image = CompressedImage(timestamp=time, frame_id=camera, data=data, format="jpeg")
        self._channels[shown].log(image, log_time=shown_time(stamp_ns))
        if self.wants(streams.caption(camera)):
            self._channels[streams.caption(camera)].log(
                ImageAnnotations(timestamp=time, texts=self._caption(time, *size)),
                log_time=shown_time(stamp_ns),
            )

    def signal(self, name: str, stamps: np.ndarray, values: np.ndarray) -> None:
        topic = streams.signal(name)
        if not self.wants(topic):
            return
        kept = self._samples.keeps(topic, stamps)
        for stamp_ns, row in zip(stamps[kept].tolist(), values[kept].tolist(), strict=True):
            self._log(topic, stamp_ns, dict(zip(self._columns[name], row, strict=True)))

    def segment(self, event: SegmentEvent) -> None:
        self._text = segment_text(event)
        if self.wants(streams.SEGMENT):
            self._log(streams.SEGMENT, event.stamp_ns, _segment_entry(event))

    def write(self, text: str) -> None:
        self._text = text

    def truth(self, stamp_ns: int, label: str, outcome: str) -> None:
        self._log(streams.TRUTH, stamp_ns, {"current": label, "outcome": outcome})

    def prediction(self, prediction: ClassPrediction) -> None:
        stamp_ns, *values = prediction
        names = ("class_id", "label", "confidence", "boundary")
        self._log(streams.PREDICTION, stamp_ns, dict(zip(names, values, strict=True)))

    def diagnostics(self, stamp_ns: int, statuses: Sequence[NodeStatus]) -> None:
        if self.wants(streams.DIAGNOSTICS):
            entries = [_status_entry(status) for status in statuses]
            self._log(streams.DIAGNOSTICS, stamp_ns, {"status": entries})

    def latency(self, stamp_ns: int, name: str, seconds: float) -> None:
        self._log(streams.LATENCY, stamp_ns, {name: seconds})

    def _caption(self, time: Timestamp, height: int, width: int) -> list[TextAnnotation]:
        """What is written on a picture; nothing where nothing is known."""
        if not self._text:
            return []
        return [
            TextAnnotation(
                timestamp=time,
                position=Point2(x=_MARGIN * height, y=(_MARGIN + _LETTERS) * height),
                text=self._text,
                font_size=_LETTERS * height,
                text_color=_WHITE,
                background_color=_SHADE,
            )
        ]

    def _log(self, topic: str, stamp_ns: int, content: Mapping[str, Any]) -> None:
        if self.wants(topic):
            header = {"header": {"stamp": stamp_entry(stamp_ns), "frame_id": ""}}
            # JSON knows no NaN: what is not known is left out.
            known = {key: value for key, value in content.items() if not _is_unknown(value)}
            self._channels[topic].log(header | known, log_time=shown_time(stamp_ns))


def _is_unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _timestamp(stamp_ns: int) -> Timestamp:
    return Timestamp(*divmod(shown_time(stamp_ns), 1_000_000_000))


def _segment_entry(event: SegmentEvent) -> dict[str, Any]:
    return vars(event) | {
        "stamp_ns": None,
        "start_ns": None,
        "end_ns": None,
        "status": event.status.name,
        "outcome": event.outcome.name,
        "start_time": stamp_entry(event.start_ns),
        "end_time": stamp_entry(event.end_ns),
        "current": "" if event.status == SegmentStatus.ENDED else event.label,
        "text": segment_text(event),
    }


def _status_entry(status: NodeStatus) -> dict[str, Any]:
    values = [{"key": key, "value": value} for key, value in status.values.items()]
    return status._asdict() | {"values": values}
