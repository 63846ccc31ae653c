# SPDX-License-Identifier: Apache-2.0
"""The time that each frame of a prediction stands for, in seconds from the first frame's start.

Frame i of T is `[edges[i], edges[i + 1])`, edges float64 (T + 1,).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from m2r2_ros.evaluation.metrics import find_runs
from m2r2_ros.evaluation.segments import Segment


def nominal_edges(frames: int, rate_hz: float) -> np.ndarray:
    """Of frames that are evenly spaced."""
    return np.arange(frames + 1) / rate_hz


def edges_from_stamps(stamps_ns: np.ndarray, rate_hz: float) -> np.ndarray:
    """Of frames that end at these stamps, int64 (T,); the first one lasts 1 / `rate_hz`."""
    ends = (stamps_ns - stamps_ns[:1]) / 1e9
    return np.concatenate([[0.0], ends + 1 / rate_hz])


def segments_from_frames(labels: Sequence[str], edges: np.ndarray) -> list[Segment]:
    """The runs of equal labels, in seconds."""
    return [
        Segment(str(run.label), float(edges[run.start]), float(edges[run.end]))
        for run in find_runs(labels)
    ]
