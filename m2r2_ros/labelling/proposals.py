# SPDX-License-Identifier: Apache-2.0
"""What to start from: the segments of a model, or of actions that are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from m2r2_ros.datasets.recording_labels import MODEL, Label
from m2r2_ros.datasets.source import open_source
from m2r2_ros.inference.metadata import RoboActMetadata
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.inference.zero_shot import ZeroShotHead
from m2r2_ros.labelling.free_time import SHORTEST_NS
from m2r2_ros.labelling.motion import Motion
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source
from m2r2_ros.vocabulary import UNKNOWN


def model_proposals(
    path: Path, models: Models, deployment: Deployment, motion: Motion | None = None
) -> list[Label]:
    """The segments that the robot would have published, but for those it is not sure of.

    Those of named actions are moved to where they were seen. Raises M2R2Error.
    """
    with open_source(path, deployment.topics) as source:
        events = segment_source(source, models, deployment).events
    ended = [e for e in events if e.status == SegmentStatus.ENDED and e.end_ns > e.start_ns]
    labels = [
        Label(e.start_ns, e.end_ns, e.label, source=MODEL, confidence=e.confidence) for e in ended
    ]
    if isinstance(models.head, ZeroShotHead):
        rests_ns = motion.rests() if motion else []
        labels = moved_back(labels, half_window_ns(models.encoder.metadata), rests_ns)
    return [label for label in labels if label.label != UNKNOWN]


def half_window_ns(encoder: RoboActMetadata) -> int:
    """How long after a moment the longest window is half about what follows it."""
    return round((encoder.history - 1) / 2 / encoder.layout.window_rate_hz * 1e9)


def moved_back(labels: list[Label], by_ns: int, rests_ns: Sequence[int]) -> list[Label]:
    """Labels whose edges are earlier, and at the nearest rest where one is as near again.

    Where the first one begins and the last one ends is known. What is left too short goes.
    """

    def moved(edge_ns: int) -> int:
        edge_ns -= by_ns
        nearest_ns = min(rests_ns, key=lambda rest_ns: abs(rest_ns - edge_ns), default=edge_ns)
        edge_ns = nearest_ns if abs(nearest_ns - edge_ns) <= by_ns else edge_ns
        return min(max(edge_ns, first_ns), last_ns)

    first_ns = min((label.start_ns for label in labels), default=0)
    last_ns = max((label.end_ns for label in labels), default=0)
    found = []
    for label in labels:
        start_ns = first_ns if label.start_ns == first_ns else moved(label.start_ns)
        end_ns = last_ns if label.end_ns == last_ns else moved(label.end_ns)
        if end_ns - start_ns >= SHORTEST_NS:
            found.append(replace(label, start_ns=start_ns, end_ns=end_ns))
    return found
