# SPDX-License-Identifier: Apache-2.0
"""The labels of one recording, as people, marks and models give them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from m2r2_ros.datasets.annotations import MAX_ACTIONS, MAX_STAMP_NS
from m2r2_ros.datasets.recording import FAILURE, OUTCOMES, Action
from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.labels import label_from_text, text_from_label, vocabulary_of_labels
from m2r2_ros.vocabulary import Vocabulary, is_label

HUMAN, MARK, MODEL, IMPORT = SOURCES = ("human", "mark", "model", "import")


@dataclass(frozen=True)
class LabelSpan:
    """One label over [start_ns, end_ns), from whatever zero a file has; nothing of it is checked.

    outcome     "success" or "failure"; None where nobody has said it.
    source      who says it; what a "model" says is a proposal until somebody confirms it.
    confidence  0 to 1.
    """

    start_ns: int
    end_ns: int
    label: str
    outcome: str | None = None
    source: str = IMPORT
    confidence: float = 1.0

    def __str__(self) -> str:
        return f"{brief(self.label)} from {self.start_ns / 1e9:g} s to {self.end_ns / 1e9:g} s"

    def moved(self, shift_ns: int) -> LabelSpan:
        """The same counted from another zero."""
        bounds = {"start_ns": self.start_ns + shift_ns, "end_ns": self.end_ns + shift_ns}
        return LabelSpan(**(vars(self) | bounds))


@dataclass(frozen=True)
class Label(LabelSpan):
    """One label over the stamps [start_ns, end_ns). Raises M2R2Error when it cannot be."""

    source: str = HUMAN

    def __post_init__(self) -> None:
        if not 0 <= self.start_ns < self.end_ns < MAX_STAMP_NS:
            raise M2R2Error("it must start at a stamp and end after it")
        if not is_label(self.label) or label_from_text(self.label) != self.label:
            raise M2R2Error(
                f"{brief(self.label)} is no label: up to 1000 printable characters, not "
                "'unknown' or 'unlabelled', no blank at either end and no full stop at the last"
            )
        if self.outcome not in (None, *OUTCOMES):
            raise M2R2Error(f"outcome must be success, failure or null, not {brief(self.outcome)}")
        if self.source not in SOURCES:
            near = nearest_name(str(self.source), SOURCES)
            raise M2R2Error(f"source must be {', '.join(SOURCES)}, not {brief(self.source)}{near}")
        if not 0 <= self.confidence <= 1:
            raise M2R2Error(f"confidence must be 0 to 1, not {brief(self.confidence)}")


@dataclass(frozen=True)
class RecordingLabels:
    """Labels in order of time, which do not overlap. Raises M2R2Error when they cannot be.

    epoch_ns    the header stamp that files count seconds from.
    complete    whether nothing is done where no label is; else that is unlabelled.
    vocabulary  what the labels mean, None where nobody has stated it.
    """

    epoch_ns: int
    labels: tuple[Label, ...]
    complete: bool = False
    vocabulary: Vocabulary | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.epoch_ns < MAX_STAMP_NS:
            raise M2R2Error(f"epoch_ns is no header stamp: {brief(self.epoch_ns)}")
        if len(self.labels) > MAX_ACTIONS:
            raise M2R2Error(f"has {len(self.labels)} labels; the limit is {MAX_ACTIONS}")
        for before, after in pairwise(self.labels):
            if after.start_ns < before.end_ns:
                raise M2R2Error(
                    f"'{before.label}' and '{after.label}' overlap or are not in order at "
                    f"{(after.start_ns - self.epoch_ns) / 1e9:.3f} s"
                )
        if self.vocabulary is not None:
            for label in self.labels:
                if label.label not in self.vocabulary.labels:
                    near = nearest_name(label.label, self.vocabulary.labels)
                    raise M2R2Error(f"'{label.label}' is not in its vocabulary{near}")

    @property
    def names(self) -> list[str]:
        """The labels that it knows: those of its vocabulary, else those that occur."""
        if self.vocabulary is not None:
            return list(self.vocabulary.labels)
        return sorted({label.label for label in self.labels})

    @property
    def meaning(self) -> Vocabulary:
        """Its vocabulary, else what the labels show."""
        return self.vocabulary or vocabulary_of_labels(self.names)

    @property
    def confirmed(self) -> list[Label]:
        """Those that train and score."""
        return [label for label in self.labels if label.source != MODEL]

    @property
    def proposals(self) -> int:
        """How many wait to be confirmed."""
        return len(self.labels) - len(self.confirmed)

    @property
    def is_complete(self) -> bool:
        """As `RecordingSource.complete`: of what a model proposes nobody has said anything yet."""
        return self.complete and not self.proposals

    def actions(self, origin_ns: int) -> list[Action]:
        """The confirmed ones, in seconds from a stamp."""
        return [
            Action(
                (label.start_ns - origin_ns) / 1e9,
                (label.end_ns - origin_ns) / 1e9,
                text_from_label(label.label),
                label.outcome != FAILURE,
                judged=label.outcome is not None,
            )
            for label in self.confirmed
        ]


def in_order(labels: Iterable[Label]) -> tuple[Label, ...]:
    """By their starts."""
    return tuple(sorted(labels, key=lambda label: (label.start_ns, label.end_ns)))
