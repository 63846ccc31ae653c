# SPDX-License-Identifier: Apache-2.0
"""The labels inside a bag: annotations if there are any, else the segments that were sent."""

from __future__ import annotations

from typing import NamedTuple

from m2r2_ros.datasets.annotations import (
    MAX_JSON_BYTES,
    SegmentMessage,
    actions_from_json,
    read_segment,
    shifted,
)
from m2r2_ros.datasets.bag_reader import Bag
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.topics import ANNOTATIONS_TOPIC, GROUND_TRUTH_TOPIC
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.labels import text_from_label
from m2r2_ros.messages.cdr import CdrReader, MessageError


class BagLabels(NamedTuple):
    """Actions in seconds from an epoch, None without any topic of labels.

    complete  whether nothing is done where no action is, as in annotations; what segments do not
              cover is unlabelled, above all in a bag that was cut.
    """

    actions: list[Action] | None
    complete: bool
    problems: list[str]


def read_bag_labels(bag: Bag, epoch_ns: int) -> BagLabels:
    """Read the labels of a bag. Raises M2R2Error on annotations that are damaged."""
    for message in bag.messages([ANNOTATIONS_TOPIC]):
        try:
            text = CdrReader(message.data).text(MAX_JSON_BYTES)
            annotated_ns, actions, complete = actions_from_json(text)
        except M2R2Error as error:
            raise M2R2Error(f"{bag.path}: {ANNOTATIONS_TOPIC}: {error}") from error
        return BagLabels(shifted(actions, epoch_ns - annotated_ns), complete, [])
    if GROUND_TRUTH_TOPIC not in bag.types:
        return BagLabels(None, True, [])
    return _from_segments(bag, epoch_ns)


def _from_segments(bag: Bag, epoch_ns: int) -> BagLabels:
    track = _SegmentTrack(epoch_ns)
    offset_ns = 0
    unread: list[str] = []
    for message in bag.messages([GROUND_TRUTH_TOPIC]):
        try:
            segment = read_segment(message.data)
        except MessageError as error:
            unread.append(str(error))
            continue
        offset_ns = segment.stamp_ns - message.log_ns
        track.add(segment)
    problems = []
    if unread:
        reason = f"{len(unread)} messages cannot be read: {unread[0]}"
        problems.append(f"{GROUND_TRUTH_TOPIC}: {reason}")
    if track.going is not None:
        label = track.going.label
        problems.append(f"its last action '{label}' has no end: it lasts to the bag's end")
        track.end(bag.end_ns + offset_ns)
    actions = sorted(track.actions, key=lambda action: action.start_s)
    return BagLabels(actions, False, problems)


class _SegmentTrack:
    """Puts messages together to actions; `going` is the newest message of one that goes on.

    A bag that was cut has an ENDED without its STARTED, which names the start, too.
    """

    def __init__(self, epoch_ns: int) -> None:
        self.actions: list[Action] = []
        self.going: SegmentMessage | None = None
        self._epoch_ns = epoch_ns

    def add(self, segment: SegmentMessage) -> None:
        if self.going is not None and segment.segment_id != self.going.segment_id:
            # Its ENDED was lost: nothing goes on beside it.
            self.end(segment.start_ns)
        self.going = segment
        if segment.status == SegmentStatus.ENDED:
            self.end(segment.end_ns)

    def end(self, end_ns: int) -> None:
        """End what is going on."""
        going, self.going = self.going, None
        if going is not None and end_ns > going.start_ns:
            times = ((stamp - self._epoch_ns) / 1e9 for stamp in (going.start_ns, end_ns))
            self.actions.append(Action(*times, text_from_label(going.label)))
