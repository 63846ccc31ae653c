# SPDX-License-Identifier: Apache-2.0
"""A recording through the online chain, as fast as the machine can."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.recording_source import RecordingSource
from m2r2_ros.datasets.source import windows
from m2r2_ros.datasets.topics import first_camera
from m2r2_ros.errors import M2R2Error, nearest_name, printable
from m2r2_ros.inference.metadata import EncoderMetadata
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent, SegmentStatus
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow


@dataclass(frozen=True)
class OfflineRun:
    """What the nodes would have published, in order.

    published  both kinds together, each with the stamp of the frame that caused it.
    """

    events: list[SegmentEvent] = field(default_factory=list)
    predictions: list[FramePrediction] = field(default_factory=list)
    published: list[tuple[int, FramePrediction | SegmentEvent]] = field(default_factory=list)

    def add(self, stamp_ns: int, *said: FramePrediction | SegmentEvent) -> None:
        for one in said:
            (self.predictions if isinstance(one, FramePrediction) else self.events).append(one)
            self.published.append((stamp_ns, one))


def segment_source(
    source: RecordingSource,
    models: Models,
    deployment: Deployment = Deployment(),  # noqa: B008 (frozen)
) -> OfflineRun:
    """Run encoder, head and tracker over a recording. Raises M2R2Error when it has no window."""
    pipeline = models.pipeline(deployment.tracker_config(models.head.metadata.tracker))
    run = OfflineRun()
    for window in watched_windows(source, models.encoder.metadata, deployment):
        _, prediction, events = pipeline.process(window)
        run.add(window.end_ns, prediction, *events)
    if not run.predictions:
        why = "; ".join(source.problems) or "too short"
        raise M2R2Error(f"{source.name}: it gives no window: {why}")
    run.add(window.end_ns, *pipeline.close())
    return run


def watched_windows(
    source: RecordingSource,
    encoder: EncoderMetadata,
    deployment: Deployment,
    show_progress: bool = True,
) -> Iterator[SensorWindow]:
    """The windows of a recording, with a progress bar in seconds of the recording."""
    layout = encoder.layout
    reference = reference_camera(layout, deployment)
    total_s = (source.end_ns - source.start_ns) / 1e9
    shape = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s of recording"
    with Progress(
        desc=printable(source.name), total=total_s, bar_format=shape, disable=not show_progress
    ) as bar:
        for window in windows(source, layout, deployment.limits, reference, encoder.max_pixels):
            yield window
            bar.update((window.end_ns - window.start_ns) / 1e9)


def reference_camera(layout: SensorLayout, deployment: Deployment) -> str | None:
    """The camera whose frames end the windows, None where none can. Raises M2R2Error."""
    if not layout.cameras:
        return None
    name = deployment.reference_camera or first_camera(layout.cameras, deployment.topics.topics)
    if not name:
        return None
    if name not in layout.cameras:
        raise M2R2Error(
            f"reference_camera '{name}' is none of the encoder's cameras: "
            f"{', '.join(layout.cameras)}{nearest_name(name, layout.cameras)}"
        )
    return name


def write_segments(path: Path, events: Iterable[SegmentEvent], origin_ns: int) -> None:
    """Write the segments that ended as JSON, seconds from `origin_ns`."""
    segments = [
        {
            "segment_id": event.segment_id,
            "label": event.label,
            "action": event.action,
            "object": event.object,
            "start": (event.start_ns - origin_ns) / 1e9,
            "end": (event.end_ns - origin_ns) / 1e9,
            "confidence": event.confidence,
        }
        for event in events
        if event.status == SegmentStatus.ENDED
    ]
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps(segments, indent=1) + "\n", encoding="utf-8")
