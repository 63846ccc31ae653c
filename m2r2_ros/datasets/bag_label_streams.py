# SPDX-License-Identifier: Apache-2.0
"""Labels as the messages of a bag: action segments, and everything as one text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from m2r2_ros.datasets.annotations import actions_to_json, segment_messages
from m2r2_ros.datasets.bag_writer import Timed
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.topics import ANNOTATIONS_TOPIC, GROUND_TRUTH_TOPIC
from m2r2_ros.messages.encode import ACTION_SEGMENT, TEXT, encode_text
from m2r2_ros.vocabulary import Vocabulary

LABEL_TYPES = {GROUND_TRUTH_TOPIC: ACTION_SEGMENT, ANNOTATIONS_TOPIC: TEXT}


def label_streams(
    actions: Sequence[Action],
    epoch_ns: int,
    complete: bool,
    vocabulary: Vocabulary | None = None,
) -> list[Iterator[Timed]]:
    """One stream for each of LABEL_TYPES; `complete` as of `RecordingSource`.

    `vocabulary`: what the labels mean, where a file states it.
    """
    return [_segments(actions, epoch_ns, vocabulary), _text(actions, epoch_ns, complete)]


def _segments(
    actions: Sequence[Action], epoch_ns: int, vocabulary: Vocabulary | None
) -> Iterator[Timed]:
    messages = segment_messages(actions, epoch_ns, vocabulary)
    # Stable: at one instant an ENDED stays before the next STARTED.
    for stamp_ns, message in sorted(messages, key=lambda timed: timed[0]):
        yield stamp_ns, GROUND_TRUTH_TOPIC, message


def _text(actions: Sequence[Action], epoch_ns: int, complete: bool) -> Iterator[Timed]:
    text = actions_to_json(actions, epoch_ns, complete)
    yield epoch_ns, ANNOTATIONS_TOPIC, encode_text(text)
