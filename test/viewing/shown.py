# SPDX-License-Identifier: Apache-2.0
"""A short recording, and results about it that are known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recordings import recording

from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording_source import RecordingSource
from m2r2_ros.datasets.result_messages import ClassPrediction, NodeStatus
from m2r2_ros.datasets.source import open_source
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing.results import Results

DURATION_S = 3.0
LAYOUT = SensorLayout(("hama1", "hand"), audio=False, signals=("wrench", "gripper"))
SECOND = 10**9


@contextmanager
def shown_recording(folder: Path) -> Iterator[RecordingSource]:
    """It has 30 frames a second, whose grey level counts them."""
    file = folder / "shown.h5"
    if not file.exists():
        write_recording(file, recording(DURATION_S, cameras=LAYOUT.cameras))
    with open_source(file) as source:
        yield source


def event(at_ns: int, number: int, status: SegmentStatus, label: str, **more) -> SegmentEvent:
    action, _, name = label.partition(" ")
    start_ns = at_ns - SECOND // 4
    return SegmentEvent(
        at_ns, number, status, label, action, name, number, 0.75, start_ns, at_ns, 0.5, **more
    )


def results(start_ns: int) -> Results:
    """Two segments, the second fails; a prediction every tenth of a second."""
    made = Results()
    failed = {"outcome": ActionOutcome.FAILURE, "outcome_confidence": 0.9}
    for at_s, number, status, label, more in (
        (0.5, 0, SegmentStatus.STARTED, "Pick USB", {}),
        (1.0, 0, SegmentStatus.ONGOING, "Pick USB", {"progress": 0.5}),
        (1.5, 0, SegmentStatus.ENDED, "Pick USB", {}),
        (1.5, 1, SegmentStatus.STARTED, "Insert USB", {}),
        (2.5, 1, SegmentStatus.ENDED, "Insert USB", failed),
    ):
        stamp_ns = start_ns + round(at_s * SECOND)
        made.add_event(event(stamp_ns, number, status, label, **more), stamp_ns + SECOND // 100)
    for tenth in range(1, 30):
        stamp_ns = start_ns + tenth * SECOND // 10
        prediction = ClassPrediction(stamp_ns, 1, "Pick USB", tenth / 30, 0.25)
        made.add_prediction(prediction, stamp_ns + SECOND // 50)
    told = {"frames": "3", "stamp_to_segment_p95_ms": "125", "stamp_to_segment_p99_ms": "nan"}
    status = NodeStatus(1, "segmenter", "slow", "m2r2_ros", told)
    made.add_diagnostics(start_ns + SECOND, [status])
    return made
