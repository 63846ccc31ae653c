# SPDX-License-Identifier: Apache-2.0
"""What the labels of a vocabulary do to what: a table of activities and objects."""

from __future__ import annotations

import numpy as np

from m2r2_ros.vocabulary import Vocabulary


class Deeds:
    """The labels that are not idle, by activity and object, in the order of their first label.

    ids, activity_of, object_of  int (N,): class id, row and column of each deed; what has no object
    is done to one without a name.
    idle  bool (C,): which labels are no deeds.
    exists  bool (A, O): where there is a label.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.idle = np.array([vocabulary.is_idle(label) for label in vocabulary.labels])
        self.ids = np.flatnonzero(~self.idle)
        deeds = [vocabulary.labels[number] for number in self.ids]
        self.activity_of, activities = _numbered([vocabulary.coarse(deed) for deed in deeds])
        self.object_of, objects = _numbered([vocabulary.object_of(deed) for deed in deeds])
        self.exists = np.zeros((activities, objects), bool)
        self.exists[self.activity_of, self.object_of] = True
        self._place = dict(
            zip(self.ids.tolist(), zip(self.activity_of, self.object_of, strict=True), strict=True)
        )

    def place(self, label: int) -> tuple[int, int] | None:
        """Activity and object of a class id; None of an idle one."""
        return self._place.get(label)

    def table(self, values: np.ndarray) -> np.ndarray:
        """(A, O) of values (C,) of the labels; 0 where there is none."""
        table = np.zeros(self.exists.shape)
        table[self.activity_of, self.object_of] = values[self.ids]
        return table

    def vector(self, table: np.ndarray) -> np.ndarray:
        """The inverse of `table`; 0 of idle labels."""
        values = np.zeros(len(self.idle))
        values[self.ids] = table[self.activity_of, self.object_of]
        return values


def _numbered(names: list[str]) -> tuple[np.ndarray, int]:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], int), len(numbers)
