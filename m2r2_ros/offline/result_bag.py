# SPDX-License-Identifier: Apache-2.0
"""What the nodes would have published of a recording, as topics in one MCAP file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.bag_writer import MCAP, BagContent, Timed, write_mcap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent
from m2r2_ros.messages.encode import (
    ACTION_SEGMENT,
    FRAME_PREDICTION,
    encode_prediction,
    encode_segment,
)
from m2r2_ros.messages.output_topics import PREDICTION_TOPIC, SEGMENT_TOPIC
from m2r2_ros.offline.segmentation import OfflineRun

_TYPES = {f"/{PREDICTION_TOPIC}": FRAME_PREDICTION, f"/{SEGMENT_TOPIC}": ACTION_SEGMENT}


def check_result_bag(path: Path) -> None:
    """Raise M2R2Error before the work where the file cannot have that name."""
    if path.suffix.lower() != f".{MCAP}":
        raise M2R2Error(f"{path}: results are written as one .{MCAP} file: name it so")


def write_result_bag(path: Path, run: OfflineRun, labels: Sequence[str]) -> None:
    """Predictions and segments in order; log times are those of the frames that caused them.

    `labels` are the head's.
    """
    start_ns = run.published[0][0] if run.published else 0
    content = BagContent(_TYPES, [_messages(run, labels)], start_ns)
    with partial_file(path) as temporary:
        write_mcap(content, temporary)


def _messages(run: OfflineRun, labels: Sequence[str]) -> Iterator[Timed]:
    for log_ns, said in run.published:
        if isinstance(said, FramePrediction):
            yield log_ns, f"/{PREDICTION_TOPIC}", _encoded(said, labels)
        else:
            yield log_ns, f"/{SEGMENT_TOPIC}", encode_segment(**_fields(said))


def _encoded(frame: FramePrediction, labels: Sequence[str]) -> bytes:
    best = int(frame.probabilities.argmax())
    return encode_prediction(
        frame.stamp_ns,
        index=frame.index,
        probabilities=frame.probabilities,
        boundary_probability=frame.boundary,
        class_id=best,
        label=labels[best],
        confidence=float(frame.probabilities[best]),
    )


def _fields(event: SegmentEvent) -> dict[str, Any]:
    progress = math.nan if event.progress is None else event.progress
    values = {**vars(event), "progress": progress}
    return values | {"status": int(event.status), "outcome": int(event.outcome)}
