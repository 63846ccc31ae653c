# SPDX-License-Identifier: Apache-2.0
"""REASSEMBLE's 69 labels, how they are told from others, and what labels mean of which nobody says.

A fine label is "Insert USB" (REASSEMBLE's text without its full stop); the coarse label is the
activity alone, "Insert". "No action" is its own coarse label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from m2r2_ros.errors import escaped
from m2r2_ros.vocabulary import UNKNOWN, UNLABELLED, Parts, Vocabulary, is_label

NO_ACTION = "No action"
ACTIVITIES = ("Pick", "Insert", "Remove", "Place")
OBJECTS = (
    "round peg 1",
    "round peg 2",
    "round peg 3",
    "round peg 4",
    "square peg 1",
    "square peg 2",
    "square peg 3",
    "square peg 4",
    "BNC",
    "D-SUB",
    "USB",
    "Ethernet",
    "waterproof",
    "bolt 4",
    "large gear",
    "medium gear",
    "small gear",
)
# What recordings may say that is no class.
NO_CLASS = ("", UNKNOWN, UNLABELLED)
# Texts of fixed length are filled up with NUL.
_BLANK = " \t\r\n\v\f\0"
FINE_LABELS = (NO_ACTION, *(f"{activity} {name}" for activity in ACTIVITIES for name in OBJECTS))
COARSE_LABELS = (NO_ACTION, *ACTIVITIES)


def label_from_text(text: str) -> str:
    """REASSEMBLE's `text` ("Insert USB.") as a label ("Insert USB").

    A label is one line: control characters inside of it become escapes.
    """
    return escaped(text.strip(_BLANK).rstrip(f".{_BLANK}"))


def text_from_label(label: str) -> str:
    """The inverse of `label_from_text`."""
    return f"{label}."


def split_label(label: str) -> tuple[str, str]:
    """Activity and object: "Insert USB" -> ("Insert", "USB"), "No action" -> ("", "").

    A label of another data set is an activity without an object unless its first word is one of
    REASSEMBLE's activities.
    """
    if label == NO_ACTION:
        return "", ""
    activity, _, name = label.partition(" ")
    return (activity, name) if activity in ACTIVITIES else (label, "")


def coarse_label(label: str) -> str:
    """The activity alone; labels without one stay as they are ("No action", "unknown")."""
    return split_label(label)[0] or label


def legacy_vocabulary(labels: Sequence[str]) -> Vocabulary:
    """What heads and folders mean that state no vocabulary: all were REASSEMBLE's at first.

    "No action" is idle, a label whose first word is one of the activities is that and an object,
    and actions are in lower case. Raises M2R2Error on labels that no vocabulary can have.
    """
    lower = Counter(label.lower() for label in labels if not split_label(label)[1])
    parts = {}
    for label in labels:
        activity, name = split_label(label)
        if activity and (name or lower[label.lower()] == 1):
            parts[label] = Parts(activity.lower(), name)
    idle = tuple(label for label in labels if label == NO_ACTION)
    return Vocabulary(tuple(labels), idle, parts)


def is_reassemble(labels: Iterable[str]) -> bool:
    """Whether they are REASSEMBLE's: one of them names one of its actions, or all are idle."""
    given = set(labels)
    return bool(given) and (given == {NO_ACTION} or not given.isdisjoint(FINE_LABELS[1:]))


def shown_vocabulary(labels: Iterable[str]) -> Vocabulary | None:
    """REASSEMBLE's, if the labels are its, with any others that are among them; else None."""
    given = set(labels)
    if not is_reassemble(given):
        return None
    others = filter(is_label, sorted(given.difference(FINE_LABELS)))
    return legacy_vocabulary([*FINE_LABELS, *others])


def vocabulary_of_labels(labels: Iterable[str]) -> Vocabulary:
    """What they show, else each an action without an object, in order."""
    given = set(labels)
    return shown_vocabulary(given) or Vocabulary(tuple(filter(is_label, sorted(given))))


REASSEMBLE = legacy_vocabulary(FINE_LABELS)
