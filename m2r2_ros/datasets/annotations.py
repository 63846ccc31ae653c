# SPDX-License-Identifier: Apache-2.0
"""Labelled actions inside a bag: as action segments, and complete as one JSON text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import NamedTuple

from m2r2_ros.datasets.clocks import MAX_TIME_S
from m2r2_ros.datasets.recording import FAILURE, SUCCESS, Action, LowLevelSkill
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentStatus
from m2r2_ros.labels import label_from_text, shown_vocabulary, vocabulary_of_labels
from m2r2_ros.messages.cdr import NANOSECONDS, CdrReader
from m2r2_ros.messages.encode import encode_segment
from m2r2_ros.vocabulary import Vocabulary

MAX_ACTIONS = 10_000
MAX_JSON_BYTES = 2**24
MAX_LABEL_CHARACTERS = 1000
# A header stamp has 31 bits of seconds.
MAX_STAMP_NS = 2**31 * NANOSECONDS
_OUTCOMES = {
    None: ActionOutcome.UNKNOWN,
    SUCCESS: ActionOutcome.SUCCESS,
    FAILURE: ActionOutcome.FAILURE,
}


def shifted(actions: Iterable[Action], offset_ns: int) -> list[Action]:
    """Count the actions' times from `offset_ns` later on; exact to the nanosecond."""

    def moved(seconds: float) -> float:
        return (round(seconds * 1e9) - offset_ns) / 1e9

    return [
        replace(
            action,
            start_s=moved(action.start_s),
            end_s=moved(action.end_s),
            low_level=tuple(
                replace(skill, start_s=moved(skill.start_s), end_s=moved(skill.end_s))
                for skill in action.low_level
            ),
        )
        for action in actions
    ]


def segment_messages(
    actions: Iterable[Action], epoch_ns: int, stated: Vocabulary | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield (stamp_ns, ActionSegment): STARTED and ENDED of each action, in order of time.

    The class is -1 where the labels' vocabulary is neither `stated` nor to be seen.
    """
    actions = list(actions)
    labels = [label_from_text(action.text) for action in actions]
    known = stated or shown_vocabulary(labels)
    ids = {} if known is None else {label: index for index, label in enumerate(known.labels)}
    vocabulary = known or vocabulary_of_labels(labels)
    for segment_id, action in enumerate(actions):
        start_ns = epoch_ns + round(action.start_s * 1e9)
        end_ns = epoch_ns + round(action.end_s * 1e9)
        label = label_from_text(action.text)
        for status, stamp_ns in ((SegmentStatus.STARTED, start_ns), (SegmentStatus.ENDED, end_ns)):
            outcome = _OUTCOMES[action.outcome if status == SegmentStatus.ENDED else None]
            yield (
                stamp_ns,
                encode_segment(
                    stamp_ns,
                    start_ns,
                    stamp_ns,
                    segment_id=segment_id,
                    status=int(status),
                    label=label,
                    action=vocabulary.action_of(label),
                    object=vocabulary.object_of(label),
                    class_id=ids.get(label, -1),
                    confidence=1.0,
                    boundary_confidence=1.0,
                    outcome=int(outcome),
                    outcome_confidence=float(outcome != ActionOutcome.UNKNOWN),
                ),
            )


class SegmentMessage(NamedTuple):
    """What an ActionSegment says of an action; `end_ns` is right once it has ended."""

    stamp_ns: int
    segment_id: int
    status: int
    label: str
    start_ns: int
    end_ns: int


def read_segment(message: bytes) -> SegmentMessage:
    """Read an ActionSegment. Raises MessageError."""
    reader = CdrReader(message)
    stamp_ns, _ = reader.header()
    segment_id, status, label = reader.number("Q"), reader.number("B"), reader.text()
    reader.text()
    reader.text()
    reader.number("i")
    reader.number("f")
    return SegmentMessage(stamp_ns, segment_id, status, label, reader.time(), reader.time())


def actions_to_json(actions: Iterable[Action], epoch_ns: int, complete: bool = True) -> str:
    """Everything that is known about the actions; `complete` as of `RecordingSource`."""
    content = {"epoch_ns": epoch_ns, "actions": [asdict(action) for action in actions]}
    return json.dumps(content if complete else {**content, "complete": False})


def actions_from_json(text: str) -> tuple[int, list[Action], bool]:
    """Read what `actions_to_json` wrote: the epoch [ns], the actions, whether they are complete.

    Raises M2R2Error.
    """
    try:
        content = json.loads(text)
        if len(content["actions"]) > MAX_ACTIONS:
            raise ValueError(f"more than {MAX_ACTIONS} actions")
        actions = [_action(entry) for entry in content["actions"]]
        epoch_ns, complete = content["epoch_ns"], content.get("complete", True)
        if type(epoch_ns) is not int or not 0 <= epoch_ns < MAX_STAMP_NS:
            raise ValueError(f"epoch_ns is no header stamp: {brief(epoch_ns)}")
        return epoch_ns, actions, bool(complete)
    except (
        ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError
    ) as error:  # fmt: skip
        raise M2R2Error(f"bad annotations: {error}") from error


def label_digest(actions: Iterable[Action]) -> str:
    """SHA-256 (hexadecimal) of a label track: times to the nanosecond, texts, success, skills."""

    def track(spans: Iterable[Action | LowLevelSkill]) -> list[list[object]]:
        return [
            [
                round(span.start_s * 1e9),
                round(span.end_s * 1e9),
                span.text,
                span.success,
                *([track(span.low_level)] if isinstance(span, Action) else []),
            ]
            for span in spans
        ]

    return hashlib.sha256(json.dumps(track(actions)).encode()).hexdigest()


def _action(entry: dict) -> Action:
    skills = tuple(LowLevelSkill(*_span(skill)) for skill in entry["low_level"])
    # Older texts do not say whether a success was said or assumed.
    return Action(*_span(entry), skills, judged=bool(entry.get("judged", False)))


def _span(entry: dict) -> tuple[float, float, str, bool]:
    start_s, end_s = float(entry["start_s"]), float(entry["end_s"])
    if not (abs(start_s) <= MAX_TIME_S and 0 <= end_s - start_s <= MAX_TIME_S):
        raise ValueError(f"an action from {start_s} s to {end_s} s")
    text = entry["text"]
    if not isinstance(text, str) or len(text) > MAX_LABEL_CHARACTERS:
        raise ValueError(f"an action whose text is {brief(text)}")
    return start_s, end_s, text, bool(entry["success"])
