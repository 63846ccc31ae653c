# SPDX-License-Identifier: Apache-2.0
"""JSON schemas of what Foxglove has no message of its own for."""

from __future__ import annotations

from typing import Any

from m2r2_ros.sensing.signal import Signal
from m2r2_ros.viewing.screen import LATENCIES
from m2r2_ros.viewing.streams import (
    DIAGNOSTICS,
    LATENCY,
    PREDICTION,
    SEGMENT,
    TRUTH,
    column_names,
)

Schema = dict[str, Any]

_LAST_NS = 2**32 * 1_000_000_000 - 1
_NUMBER, _INTEGER, _TEXT = {"type": "number"}, {"type": "integer"}, {"type": "string"}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


_TIME = _record(sec=_INTEGER, nsec=_INTEGER)
_HEADER = _record(stamp=_TIME, frame_id=_TEXT)


def _message(title: str, /, **properties: Schema) -> Schema:
    return {"title": title, **_record(header=_HEADER, **properties)}


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


_STATUS = _record(
    level=_INTEGER,
    name=_TEXT,
    message=_TEXT,
    hardware_id=_TEXT,
    values=_list_of(_record(key=_TEXT, value=_TEXT)),
)

# Foxglove finds diagnostics by the name of their ROS type.
RESULT_SCHEMAS: dict[str, Schema] = {
    SEGMENT: _message(
        "m2r2.Segment",
        current={**_TEXT, "description": "label of the segment that lasts, empty after its end"},
        text=_TEXT,
        segment_id=_INTEGER,
        status=_TEXT,
        label=_TEXT,
        action=_TEXT,
        object=_TEXT,
        class_id=_INTEGER,
        confidence=_NUMBER,
        start_time=_TIME,
        end_time=_TIME,
        boundary_confidence=_NUMBER,
        outcome=_TEXT,
        outcome_confidence=_NUMBER,
        progress=_NUMBER,
    ),
    TRUTH: _message("m2r2.Truth", current=_TEXT, outcome=_TEXT),
    PREDICTION: _message(
        "m2r2.Prediction", class_id=_INTEGER, label=_TEXT, confidence=_NUMBER, boundary=_NUMBER
    ),
    LATENCY: _message("m2r2.Latency", **dict.fromkeys(LATENCIES, _NUMBER)),
    DIAGNOSTICS: _message("diagnostic_msgs/msg/DiagnosticArray", status=_list_of(_STATUS)),
}


def signal_schema(signal: Signal) -> Schema:
    """A number for each column, with its unit as description."""
    columns = zip(column_names(signal), signal.units, strict=True)
    properties = {name: {**_NUMBER, "description": unit} for name, unit in columns}
    return _message(f"m2r2.Signal.{signal.name}", **properties)


def shown_time(stamp_ns: int) -> int:
    """The nearest time that Foxglove has: from 1970 on, seconds in 32 bits."""
    return min(max(stamp_ns, 0), _LAST_NS)


def stamp_entry(stamp_ns: int) -> dict[str, int]:
    """A time as Foxglove has it."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return {"sec": seconds, "nsec": nanoseconds}
