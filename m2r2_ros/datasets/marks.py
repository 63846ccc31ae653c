# SPDX-License-Identifier: Apache-2.0
"""What an operator marks while a demonstration is recorded: "now begins X"."""

from __future__ import annotations

from m2r2_ros.datasets.annotations import MAX_ACTIONS
from m2r2_ros.datasets.recording_labels import MARK, Label, RecordingLabels
from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.vocabulary import Vocabulary, is_label

# What lasts shorter was taken back by the next mark, or both came late at once.
SHORTEST_NS = 20_000_000
# What says a state over and over, as a state machine does, says it again within this time.
REPEATED_NS = 1_500_000_000


class Marks:
    """Of one recording. A mark ends what was marked before it."""

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self._vocabulary = vocabulary
        # When begins which label, "" where nothing more is said.
        self._marks: list[tuple[int, str]] = []
        # The last mark, new or not.
        self._said_ns = 0

    def __len__(self) -> int:
        return len(self._marks)

    @property
    def current(self) -> str:
        """What has been marked last, "" for nothing."""
        return self._marks[-1][1] if self._marks else ""

    @property
    def too_short(self) -> int:
        """Marks that were taken back too soon to be labels."""
        ends = self._marks[1:]
        return sum(
            bool(label) and end_ns - start_ns < SHORTEST_NS
            for (start_ns, label), (end_ns, _) in zip(self._marks, ends, strict=False)
        )

    def begin(self, label: str, stamp_ns: int) -> bool:
        """From this stamp on it is `label`; "" ends the one before. Whether that is new.

        Raises M2R2Error when it is no label, none of the vocabulary's, or one too many.
        """
        check_label(label, self._vocabulary)
        said_ns, self._said_ns = self._said_ns, stamp_ns
        if self._marks and label == self.current and stamp_ns - said_ns < REPEATED_NS:
            return False
        if len(self._marks) >= MAX_ACTIONS:
            raise M2R2Error(f"{MAX_ACTIONS} marks are made, a take has no more")
        # A clock that was set back does not turn the order of marks round.
        newest_ns = self._marks[-1][0] + 1 if self._marks else 0
        self._marks.append((max(stamp_ns, newest_ns), label))
        return True

    def labels(self, epoch_ns: int, until_ns: int) -> RecordingLabels:
        """What is marked up to a stamp; the last one goes on to there."""
        ends = [stamp_ns for stamp_ns, _ in self._marks[1:]] + [until_ns]
        found = tuple(
            Label(start_ns, end_ns, label, source=MARK)
            for (start_ns, label), end_ns in zip(self._marks, ends, strict=True)
            if label and end_ns - start_ns >= SHORTEST_NS
        )
        return RecordingLabels(epoch_ns, found, vocabulary=self._vocabulary)


def check_label(label: str, vocabulary: Vocabulary | None) -> None:
    """Raise M2R2Error unless `label` may be marked."""
    if label and vocabulary is not None and label not in vocabulary.labels:
        near = nearest_name(label, vocabulary.labels)
        raise M2R2Error(f"{brief(label)} is not in the vocabulary{near}")
    if label and not is_label(label):
        raise M2R2Error(f"{brief(label)} is no label")


def keyed_labels(vocabulary: Vocabulary) -> dict[str, str]:
    """Key -> label: 1 to 9 are the first that are not idle, 0 the first idle one or "", the end."""
    active = [label for label in vocabulary.labels if not vocabulary.is_idle(label)]
    keys = {str(number): label for number, label in enumerate(active[:9], start=1)}
    return keys | {"0": vocabulary.idle[0] if vocabulary.idle else ""}
