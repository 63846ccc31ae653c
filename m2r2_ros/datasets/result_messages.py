# SPDX-License-Identifier: Apache-2.0
"""What the nodes publish for their users, read from serialised messages without ROS."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.messages.cdr import CdrReader, MessageError

PREDICTION = "m2r2_msgs/msg/FramePrediction"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"

_MAX_STATUSES, _MAX_VALUES, _MAX_CHARACTERS = 1000, 10_000, 2**16


class ClassPrediction(NamedTuple):
    """The most probable class of a window; shares from 0 to 1."""

    stamp_ns: int
    class_id: int
    label: str
    confidence: float
    boundary: float


class NodeStatus(NamedTuple):
    """A status of /diagnostics; level 0 is OK, 1 WARN, 2 ERROR, 3 STALE."""

    level: int
    name: str
    message: str
    hardware_id: str
    values: dict[str, str]


def read_event(message: bytes) -> SegmentEvent:
    """Read an ActionSegment, also of the time before outcomes. Raises MessageError."""
    reader = CdrReader(message)
    stamp_ns, _ = reader.header()
    segment_id, status = reader.number("Q"), reader.number("B")
    label, action, name = reader.text(), reader.text(), reader.text()
    class_id, confidence = reader.number("i"), reader.number("f")
    start_ns, end_ns, boundary = reader.time(), reader.time(), reader.number("f")
    try:
        return SegmentEvent(
            stamp_ns, segment_id, SegmentStatus(status), label, action, name, class_id,
            _share(confidence), start_ns, end_ns, _share(boundary), **_outcome(reader),
        )  # fmt: skip
    except ValueError as error:
        raise MessageError(f"segment {segment_id}: {error}") from error


def read_prediction(message: bytes) -> ClassPrediction:
    """Read a FramePrediction. Raises MessageError."""
    reader = CdrReader(message)
    stamp_ns, _ = reader.header()
    reader.number("Q")
    reader.array("f4")
    boundary, class_id, label = reader.number("f"), reader.number("i"), reader.text()
    return ClassPrediction(stamp_ns, class_id, label, _share(reader.number("f")), _share(boundary))


def read_diagnostics(message: bytes) -> tuple[int, list[NodeStatus]]:
    """Stamp [ns] and statuses of a DiagnosticArray. Raises MessageError."""
    reader = CdrReader(message)
    stamp_ns, _ = reader.header()
    return stamp_ns, [_status(reader) for _ in range(_count(reader, _MAX_STATUSES))]


def _status(reader: CdrReader) -> NodeStatus:
    level = reader.number("B")
    name, message, hardware_id = (reader.text(_MAX_CHARACTERS) for _ in range(3))
    pairs = [
        (reader.text(_MAX_CHARACTERS), reader.text(_MAX_CHARACTERS))
        for _ in range(_count(reader, _MAX_VALUES))
    ]
    return NodeStatus(level, name, message, hardware_id, dict(pairs))


def _count(reader: CdrReader, most: int) -> int:
    count = reader.number("I")
    if count > most:
        raise MessageError(f"a list of {count} entries; the limit is {most}")
    return count


def _outcome(reader: CdrReader) -> dict[str, Any]:
    if reader.position == len(reader.message):
        return {}
    outcome, confidence, progress = (reader.number(code) for code in "Bff")
    return {
        "outcome": ActionOutcome(outcome),
        "outcome_confidence": _share(confidence),
        "progress": None if math.isnan(progress) else _share(progress),
    }


def _share(value: float) -> float:
    if not 0 <= value <= 1 + 1e-6:
        raise MessageError(f"{value} is no share from 0 to 1")
    return value
