# SPDX-License-Identifier: Apache-2.0
"""Where a recording's labels count from, and where it begins and ends."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.recording_labels import Label, RecordingLabels, in_order
from m2r2_ros.datasets.recording_source import REASSEMBLE_SUFFIXES, RecordingSource
from m2r2_ros.datasets.source import RECORDING_SUFFIXES, open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labels import NO_CLASS, label_from_text


class RecordingTimes(NamedTuple):
    """Stamps [ns].

    zero_ns   that its labels count from: of its labels file, else of its first frame.
    first_ns  of its first message, whatever its topic; in a file, of its first frame.
    is_guessed  whether nothing says which message is its first frame.
    """

    zero_ns: int
    start_ns: int
    end_ns: int
    first_ns: int
    is_guessed: bool = False


def recording_times(recording: Path, topics: TopicMap) -> RecordingTimes:
    """Raises M2R2Error."""
    with open_source(recording, topics) as source:
        start_ns, end_ns = source.start_ns, source.end_ns
        zero_ns = source.labels_epoch_ns
    first_ns, is_guessed = start_ns, False
    if recording.suffix not in REASSEMBLE_SUFFIXES:
        with open_bag(recording) as bag:
            # Log times may be of another clock than stamps.
            first_ns = bag.start_ns + end_ns - (bag.end_ns - 1)
            is_guessed = zero_ns is None and bag.types.keys().isdisjoint(topics.topics.values())
    zero_ns = start_ns if zero_ns is None else zero_ns
    return RecordingTimes(zero_ns, min(start_ns, first_ns), end_ns, first_ns, is_guessed)


def recording_name(path: Path) -> str:
    """A file's name without its ending, a bag folder's as it is."""
    return path.stem if path.suffix in RECORDING_SUFFIXES else path.name


def labels_inside(source: RecordingSource, recording: Path) -> RecordingLabels:
    """What a recording without a labels file holds. Raises M2R2Error when that is nothing."""
    if source.actions is None:
        raise M2R2Error(f"{recording}: has no labels, beside it or inside")
    labels = in_order(
        Label(
            source.start_ns + round(action.start_s * 1e9),
            source.start_ns + round(action.end_s * 1e9),
            label_from_text(action.text),
            action.outcome,
        )
        for action in source.actions
        if label_from_text(action.text) not in NO_CLASS
    )
    return RecordingLabels(source.start_ns, labels, source.complete, source.vocabulary)
