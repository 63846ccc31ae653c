# SPDX-License-Identifier: Apache-2.0
"""What a causal head would have published on extracted features, and when it would have known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.pipeline import SegmentSequence
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent, SegmentStatus
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig
from m2r2_ros.vocabulary import UNKNOWN


@dataclass(frozen=True)
class StreamedLabels:
    """Two label sequences of T frames each, and what they were made from.

    published      the label of the segment that was published for the frame, perhaps later.
    held           the label of the segment that was open once the frame had been processed.
    probabilities  the head's posterior, float32 (T, C).
    events         all messages, in order.
    opened         the segment that was open once the frame had been processed.
    """

    published: list[str]
    held: list[str]
    probabilities: np.ndarray = field(compare=False)
    events: list[SegmentEvent] = field(compare=False, default_factory=list)
    opened: list[SegmentEvent | None] = field(compare=False, default_factory=list)


def nominal_stamps(frames: int, rate_hz: float) -> np.ndarray:
    """Stamps int64 (T,) [ns] of frames that come evenly, from 0 on."""
    return np.round(np.arange(frames) * (1e9 / rate_hz)).astype(np.int64)


def stream(head: StreamingHead, features: np.ndarray, stamps_ns: np.ndarray) -> StreamedLabels:
    """Run head and tracker frame by frame over features, float32 (T, D), as the robot does.

    stamps_ns int64 (T,) are the ends of the frames. Frames without a published segment are
    "unknown". Raises M2R2Error as `StreamingHead.step` does.
    """
    segmenter = SegmentSequence(head, head.metadata.new_tracker())
    head.reset()
    events: list[SegmentEvent] = []
    held, opened = [], []
    probabilities = np.zeros((len(features), len(head.labels)), np.float32)
    for index, (stamp_ns, feature) in enumerate(zip(stamps_ns, features, strict=True)):
        prediction, caused = segmenter.process(index, int(stamp_ns), feature)
        probabilities[prediction.index] = prediction.probabilities
        events += caused
        opened.append(segmenter.tracker.current)
        held.append(_open_label(segmenter.tracker))
    if len(features):
        owed, caused = segmenter.drain(int(stamps_ns[-1]))
        events += caused
        for prediction in owed:
            probabilities[prediction.index] = prediction.probabilities
    events += segmenter.close()
    return StreamedLabels(_published(events, stamps_ns), held, probabilities, events, opened)


def track(
    tracker: SegmentTracker, probabilities: np.ndarray, boundary: np.ndarray, stamps_ns: np.ndarray
) -> StreamedLabels:
    """What a tracker makes of T frames, given their posteriors.

    probabilities (T, C), boundary (T,), stamps_ns int64 (T,); frames without a published segment
    are "unknown".
    """
    events: list[SegmentEvent] = []
    held = []
    for index, stamp_ns in enumerate(stamps_ns.tolist()):
        frame = FramePrediction(index, stamp_ns, probabilities[index], float(boundary[index]))
        events += tracker.step(frame)
        held.append(_open_label(tracker))
    events += tracker.close(int(stamps_ns[-1])) if len(stamps_ns) else []
    return StreamedLabels(_published(events, stamps_ns), held, probabilities)


def short_confirmation(config: TrackerConfig, rate_hz: float) -> str:
    """What to know of a tracker whose head takes `rate_hz` frames a second; "" for nothing."""
    if not 0 < config.confirm_s < 1 / rate_hz:
        return ""
    return (
        f"tracker: confirm_s {config.confirm_s:g} is less than the {1 / rate_hz:.3g} s of a frame: "
        "a label can be believed at the first frame that it wins"
    )


def _open_label(tracker: SegmentTracker) -> str:
    """Before the first segment a planner has heard nothing, which is idle, if anything is."""
    if tracker.current:
        return tracker.current.label
    return next(iter(tracker.vocabulary.idle), UNKNOWN)


def _published(events: list[SegmentEvent], stamps_ns: np.ndarray) -> list[str]:
    """The label over the middle of the time that each frame stands for, [t_{i-1}, t_i)."""
    # The first frame's own length is of no account, see below.
    middles_ns = stamps_ns - np.diff(stamps_ns, prepend=stamps_ns[:1] - 1) / 2
    labels = [UNKNOWN] * len(middles_ns)
    for event in events:
        if event.status == SegmentStatus.ENDED:
            first, last = np.searchsorted(middles_ns, (event.start_ns, event.end_ns))
            labels[first:last] = [event.label] * (last - first)
    # To the tracker the first frame stands for no time; it goes with the second.
    return labels[1:2] + labels[1:] or labels
