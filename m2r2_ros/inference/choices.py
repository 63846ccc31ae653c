# SPDX-License-Identifier: Apache-2.0
"""What a segment may be called: a class, "unknown", or an activity that still lacks its object.

A *choice* is one number: a class id, UNKNOWN_ID, or below it what stands for an activity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from m2r2_ros.inference.deeds import Deeds
from m2r2_ros.vocabulary import UNKNOWN, Vocabulary

UNKNOWN_ID = -1


class Choices:
    """The choices of a vocabulary; an activity is all the labels of one action."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.labels, self.deeds = vocabulary.labels, Deeds(vocabulary)
        activities = [vocabulary.coarse(label) for label in self.labels]
        # Of equal ones the first wins: idle before any action.
        self.activities = sorted(set(activities), key=lambda x: (not vocabulary.is_idle(x), x))
        # Class id -> index of its activity.
        self._activity_of = np.array([self.activities.index(name) for name in activities])

    def sums(self, posterior: np.ndarray) -> np.ndarray:
        """Probability of each activity, of that (C,) of each class."""
        return np.bincount(self._activity_of, posterior, len(self.activities)).clip(0.0, 1.0)

    def objects(self, activity: int) -> np.ndarray:
        """Ids of the activity's classes, one for each of its objects."""
        return np.flatnonzero(self._activity_of == activity)

    def activity(self, choice: int) -> int | None:
        """Index of the activity of a choice; None for "unknown"."""
        if choice == UNKNOWN_ID:
            return None
        return int(self._activity_of[choice]) if choice >= 0 else without_object(choice)

    def members(self, choice: int) -> np.ndarray:
        """Ids of the classes that a choice stands for; none for "unknown"."""
        if choice >= 0:
            return np.array([choice])
        if choice == UNKNOWN_ID:
            return np.empty(0, int)
        return self.objects(without_object(choice))

    def names_object(self, choice: int, open_choice: int) -> bool:
        """Whether the choice is the open one's activity, with the object that it lacks."""
        if open_choice >= UNKNOWN_ID or choice < 0:
            return False
        return self.activity(choice) == self.activity(open_choice)

    def most_probable_object(
        self, choice: int, posteriors: Sequence[np.ndarray], least: float
    ) -> tuple[int, float] | None:
        """For an activity without an object: the class that these frames' posteriors (C,) make most
        probable, and its mean probability.

        None where the choice lacks nothing, and where the class has less than the share `least` of
        its activity.
        """
        known = [posterior for posterior in posteriors if np.isfinite(posterior).all()]
        if choice >= UNKNOWN_ID or not known:
            return None
        objects = self.members(choice)
        means = np.clip(np.stack(known)[:, objects], 0.0, 1.0).mean(axis=0)
        best = int(means.argmax())
        if means[best] <= 0.0 or means[best] < least * means.sum():
            return None
        return int(objects[best]), float(means[best])

    def label(self, choice: int) -> str:
        """How a segment of this choice is called."""
        if choice >= 0:
            return self.labels[choice]
        return UNKNOWN if choice == UNKNOWN_ID else self.activities[without_object(choice)]


def without_object(activity: int) -> int:
    """The choice that stands for an activity without an object, below all ids; and back."""
    return UNKNOWN_ID - 1 - activity
