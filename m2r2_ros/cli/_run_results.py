# SPDX-License-Identifier: Apache-2.0
"""What a run published, held against the ground truth and against the offline run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.recording_source import RecordingSource, gap_label, vocabulary_of
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.predictions import Prediction, score_predictions
from m2r2_ros.evaluation.segments import (
    Segment,
    decisions_from_events,
    frame_labels,
    segments_from_actions,
    segments_from_events,
)
from m2r2_ros.evaluation.timeline import Curves, plot_timeline
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent, fields_of
from m2r2_ros.offline.segmentation import write_segments
from m2r2_ros.vocabulary import UNKNOWN, Vocabulary

SEGMENTS, TIMELINE, METRICS = "segments.json", "timeline.png", "metrics.json"

Metrics = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Truth:
    """What was done: segments in seconds from the first frame, which is stamped `start_ns`.

    gap  the label of time that no segment covers.
    """

    name: str
    segments: list[Segment]
    start_ns: int
    duration_s: float
    vocabulary: Vocabulary
    gap: str

    @classmethod
    def of(cls, source: RecordingSource) -> Truth:
        """Raises M2R2Error when the recording has no labels."""
        if not source.actions:
            raise M2R2Error(f"{source.name}: has no labels to compare with")
        duration_s = (source.end_ns - source.start_ns) / 1e9
        return cls(
            source.name,
            segments_from_actions(source.actions),
            source.start_ns,
            duration_s,
            vocabulary_of(source),
            gap_label(source),
        )


def write_results(
    folder: Path,
    events: Sequence[SegmentEvent],
    predictions: Sequence[FramePrediction],
    truth: Truth,
    rate_hz: float,
) -> Metrics:
    """Write segments, timeline and metrics; return the metrics in percent by level."""
    published = segments_from_events(events, truth.start_ns)
    metrics = score_run(events, truth, rate_hz)
    scores = [f"{values['f1@50']:.1f} % {level}" for level, values in metrics.items()]
    write_segments(folder / SEGMENTS, events, truth.start_ns)
    plot_timeline(
        folder / TIMELINE,
        {"ground truth": truth.segments, "published": published},
        truth.vocabulary,
        Curves.of(predictions, truth.start_ns),
        title=f"{truth.name}: F1@50 {', '.join(scores)}",
    )
    with partial_file(folder / METRICS) as temporary:
        temporary.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    return metrics


def score_run(events: Sequence[SegmentEvent], truth: Truth, rate_hz: float) -> Metrics:
    """Scores of what was published, `rate_hz` times a second: {"coarse": {...}, "fine": {...}}.

    "coarse" is there where labels have objects.
    """
    vocabulary, published = truth.vocabulary, segments_from_events(events, truth.start_ns)
    silence = next(iter(vocabulary.idle), UNKNOWN)
    labels = frame_labels(published, truth.duration_s, silence, rate_hz)
    true = frame_labels(truth.segments, truth.duration_s, truth.gap, rate_hz)
    believed = decisions_from_events(events, truth.start_ns)
    told = truth.name, labels, true, believed, vocabulary.labels
    fine = Prediction(*told, idle=vocabulary.idle, rate_hz=rate_hz)
    return {
        level: score_predictions([fine.renamed(rename)])
        for level, rename in reversed(vocabulary.levels.items())
    }


def first_difference(
    published: Sequence[SegmentEvent], offline: Sequence[SegmentEvent]
) -> int | None:
    """Index of the first event that differs, None when all are equal.

    A message carries shares as float32, so `offline` is compared at that precision.
    """
    pairs = zip_longest(published, map(_as_message, offline))
    return next((index for index, (a, b) in enumerate(pairs) if a != b), None)


def _as_message(event: SegmentEvent) -> SegmentEvent:
    shares = {name: float(np.float32(getattr(event, name))) for name in fields_of(float)}
    return replace(event, **shares)
