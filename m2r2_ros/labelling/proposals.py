# SPDX-License-Identifier: Apache-2.0
"""What to start from: segments of a model, or cuts where the motion changes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.recording_labels import MODEL, Label
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.experiments.baselines.awe import waypoints
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.vocabulary import UNKNOWN

# Positions a second that motion is judged by, and how long its pieces are on average.
_POSITIONS_HZ, _PIECE_S = 10, 3.0
_ERRORS_M, _BISECTIONS = (1e-3, 0.5), 8


def model_proposals(path: Path, models: Models, deployment: Deployment) -> list[Label]:
    """The segments that the robot would have published, but for those it is not sure of.

    Raises M2R2Error.
    """
    with open_source(path, deployment.topics) as source:
        events = segment_source(source, models, deployment).events
    return [
        Label(e.start_ns, e.end_ns, e.label, source=MODEL, confidence=e.confidence)
        for e in events
        if e.status == SegmentStatus.ENDED and e.label != UNKNOWN and e.end_ns > e.start_ns
    ]


def motion_cuts(path: Path, topics: TopicMap, pose: str, layout: SensorLayout) -> list[int]:
    """Stamps at which the end effector's path turns (AWE), one in `_PIECE_S` on average.

    `pose` is the signal whose first three columns are its position. Raises M2R2Error.
    """
    alone = SensorLayout((), audio=False, signals=layout.signals.to_plain())
    with open_source(path, topics) as source:
        batches = [batch.signals.get(pose) for batch in source.batches(alone)]
    stamps, values = (np.concatenate(parts) for parts in zip(*filter(None, batches), strict=True))
    _, firsts = np.unique(stamps * _POSITIONS_HZ // 10**9, return_index=True)
    positions = values[firsts, :3]
    usable = np.isfinite(positions).all(axis=1)
    stamps, positions = stamps[firsts][usable], positions[usable]
    if len(stamps) < 3:
        raise M2R2Error(f"{path}: '{pose}' has no positions to cut by")
    wanted = max(1, round(len(stamps) / _POSITIONS_HZ / _PIECE_S))
    return [int(stamps[frame]) for frame in _turns(positions, wanted)]


def _turns(positions: np.ndarray, wanted: int) -> list[int]:
    """Frames of about `wanted` waypoints, by bisection of the logarithm of their error."""
    low, high = map(math.log, _ERRORS_M)
    best: list[int] = []
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        found = waypoints(positions, math.exp(middle))[1:-1]
        if abs(len(found) - wanted) < abs(len(best) - wanted):
            best = found
        low, high = (middle, high) if len(found) > wanted else (low, middle)
    return best
