# SPDX-License-Identifier: Apache-2.0
"""Action labels: REASSEMBLE's 69 fine classes and their coarse form.

A fine label is "Insert USB" (REASSEMBLE's text without its full stop); the coarse label is the
activity alone, "Insert". "No action" is its own coarse label.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from m2r2_ros.errors import escaped

NO_ACTION = "No action"
# Of a frame of which nobody said what is done in it: no class, neither learned nor scored.
UNLABELLED = "unlabelled"
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
# Texts of fixed length are filled up with NUL.
_BLANK = " \t\r\n\v\f\0"
FINE_LABELS = (NO_ACTION, *(f"{activity} {name}" for activity in ACTIVITIES for name in OBJECTS))
COARSE_LABELS = (NO_ACTION, *ACTIVITIES)


def label_from_text(text: str) -> str:
    """REASSEMBLE's `text` ("Insert USB.") as a label ("Insert USB").

    A label is one line: control characters inside of it become escapes.
    """
    return escaped(text.strip(_BLANK).rstrip(f".{_BLANK}"))


def labelled_runs(labels: Sequence[str]) -> list[slice]:
    """The frames between unlabelled ones."""
    runs, start = [], 0
    for is_known, group in groupby(labels, lambda label: label != UNLABELLED):
        end = start + len(list(group))
        runs += [slice(start, end)] if is_known else []
        start = end
    return runs


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


# From the labels of a data set to those that are learned and scored.
LABEL_LEVELS = {"fine": str, "coarse": coarse_label}
