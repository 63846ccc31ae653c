# SPDX-License-Identifier: Apache-2.0
"""What a causal head would have published on extracted features, and when it would have known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.pipeline import SegmentSequence
from m2r2_ros.inference.segment_events import UNKNOWN, FramePrediction, SegmentEvent, SegmentStatus
from m2r2_ros.inference.tracker import SegmentTracker


@dataclass(frozen=True)
class StreamedLabels:
    """Two label sequences of T frames each, and what they were made from.

    published      the label of the segment that was published for the frame, perhaps later.
    decided        the label of the segment that was open once the frame had been processed.
    probabilities  the head's posterior, float32 (T, C).
    """

    published: list[str]
    decided: list[str]
    probabilities: np.ndarray = field(compare=False)


def stream(head: StreamingHead, features: np.ndarray, rate_hz: float) -> StreamedLabels:
    """Run head and tracker frame by frame over features, float32 (T, D), as the robot does.

    Frames without a published segment are "unknown". Raises M2R2Error as `StreamingHead.step` does.
    """
    period_ns = 1e9 / rate_hz
    segmenter = SegmentSequence(head, SegmentTracker(head.labels, head.metadata.tracker))
    stamps_ns = np.round(np.arange(len(features)) * period_ns).astype(np.int64)
    head.reset()
    events: list[SegmentEvent] = []
    decided = []
    probabilities = np.zeros((len(features), len(head.labels)), np.float32)
    for index, (stamp_ns, feature) in enumerate(zip(stamps_ns, features, strict=True)):
        prediction, caused = segmenter.process(index, int(stamp_ns), feature)
        probabilities[prediction.index] = prediction.probabilities
        events += caused
        decided.append(_open_label(segmenter.tracker))
    if len(features):
        owed, caused = segmenter.drain(int(stamps_ns[-1]))
        events += caused
        for prediction in owed:
            probabilities[prediction.index] = prediction.probabilities
    events += segmenter.close()
    return StreamedLabels(_published(events, stamps_ns - period_ns / 2), decided, probabilities)


def track(
    tracker: SegmentTracker, probabilities: np.ndarray, boundary: np.ndarray, rate_hz: float
) -> StreamedLabels:
    """What a tracker makes of T frames, given their posteriors.

    probabilities (T, C) and boundary (T,); frames without a published segment are "unknown".
    """
    period_ns = 1e9 / rate_hz
    stamps_ns = np.round(np.arange(len(boundary)) * period_ns).astype(np.int64).tolist()
    events: list[SegmentEvent] = []
    decided = []
    for index, stamp_ns in enumerate(stamps_ns):
        frame = FramePrediction(index, stamp_ns, probabilities[index], float(boundary[index]))
        events += tracker.step(frame)
        decided.append(_open_label(tracker))
    events += tracker.close(stamps_ns[-1]) if stamps_ns else []
    published = _published(events, np.array(stamps_ns) - period_ns / 2)
    return StreamedLabels(published, decided, probabilities)


def _open_label(tracker: SegmentTracker) -> str:
    current = tracker.current
    return current.label if current else UNKNOWN


def _published(events: list[SegmentEvent], middles_ns: np.ndarray) -> list[str]:
    """The label over the middle of the time that each frame stands for, [t_{i-1}, t_i)."""
    labels = [UNKNOWN] * len(middles_ns)
    for event in events:
        if event.status == SegmentStatus.ENDED:
            first, last = np.searchsorted(middles_ns, (event.start_ns, event.end_ns))
            labels[first:last] = [event.label] * (last - first)
    # To the tracker the first frame stands for no time; it goes with the second.
    return labels[1:2] + labels[1:] or labels
