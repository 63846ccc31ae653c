# SPDX-License-Identifier: Apache-2.0
"""The annotations file of ATLAS (TU Wien): recording -> number -> start, end, label, success.

`source` and `confidence` stand beside them; ATLAS leaves them out when it saves the file. It counts
seconds from a bag's first message.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.labels_file import seconds_to_ns
from m2r2_ros.datasets.recording import FAILURE, SUCCESS
from m2r2_ros.datasets.recording_labels import IMPORT
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.label_formats.label_format import (
    GAPS,
    NEIGHBOURS,
    OF_LABELS,
    FormatOptions,
    LabelFormat,
)
from m2r2_ros.label_formats.label_track import NS, LabelSpan, LabelTrack
from m2r2_ros.label_formats.texts import read_entries, write_text


def read(path: Path, options: FormatOptions) -> list[LabelTrack]:
    recordings = read_entries(path)
    if not isinstance(recordings, dict):
        raise M2R2Error("no annotations of ATLAS: expected recordings by their names")
    return [LabelTrack(name, _spans(name, labels)) for name, labels in recordings.items()]


def write(path: Path, tracks: Sequence[LabelTrack], options: FormatOptions) -> list[str]:
    recordings = {
        track.name: {str(number): _entry(span) for number, span in enumerate(track.spans)}
        for track in tracks
    }
    write_text(path, json.dumps(recordings, indent=2, ensure_ascii=False) + "\n")
    return []


def _spans(name: str, labels: Any) -> tuple[LabelSpan, ...]:
    if not isinstance(labels, dict):
        raise M2R2Error(f"{brief(name)}: expected annotations by their numbers")
    return tuple(_span(f"{brief(name)}, {number}", label) for number, label in labels.items())


def _span(what: str, label: Any) -> LabelSpan:
    if not isinstance(label, dict):
        raise M2R2Error(f"{what}: expected entries such as 'start', got {brief(label)}")
    times = [seconds_to_ns(label.get(key), f"{what}: {key}") for key in ("start", "end")]
    text = label.get("label", label.get("text"))
    if not isinstance(text, str):
        raise M2R2Error(f"{what}: 'label' must be a text, got {brief(text)}")
    success = label.get("success")
    if not isinstance(success, bool | None):
        raise M2R2Error(f"{what}: 'success' must be true or false, got {brief(success)}")
    outcome = None if success is None else SUCCESS if success else FAILURE
    confidence = label.get("confidence", 1.0)
    if type(confidence) not in (int, float):
        raise M2R2Error(f"{what}: confidence must be 0 to 1, not {brief(confidence)}")
    return LabelSpan(*times, text, outcome, label.get("source", IMPORT), confidence)


def _entry(span: LabelSpan) -> dict[str, Any]:
    told = {} if span.outcome is None else {"success": span.outcome == SUCCESS}
    times = {"start": span.start_ns / NS, "end": span.end_ns / NS}
    beside = {"source": span.source, "confidence": span.confidence}
    return {**times, "label": span.label, **told, **beside}


FORMAT = LabelFormat(
    ".json", True, OF_LABELS | {GAPS, NEIGHBOURS}, read, write, from_first_message=True
)
