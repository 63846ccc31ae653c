# SPDX-License-Identifier: Apache-2.0
"""Which label comes first and which comes next: as counted in training, or anything.

With probability `prior` the order of training is kept, where N counts of a label's followers give
each the probability (n + 1 / (C - 1)) / (N + 1): one count is shared by all, for what training has
not seen. Else every other label is as probable. Where the state of the world is known, it says in
place of the counts which deed comes next.
"""

from __future__ import annotations

import numpy as np

from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.world_state import WorldState


class Succession:
    """Probabilities of the next label. What was never counted is alike for all, and not stored."""

    def __init__(self, procedure: Procedure, prior: float) -> None:
        self.prior = prior
        self._classes = classes = len(procedure.durations)
        rows = np.array(procedure.first, np.float64).reshape(-1, 2)
        counts = np.bincount(rows[:, 0].astype(int), rows[:, 1], classes)
        counted = (counts + 1 / classes) / (counts.sum() + 1)
        self.first = prior * counted + (1 - prior) / classes
        rows = np.array(procedure.followed, np.float64).reshape(-1, 3)
        self._from, self._to = rows[:, 0].astype(int), rows[:, 1].astype(int)
        trust = prior / (np.bincount(self._from, rows[:, 2], classes) + 1)
        # (C,): what each label gives to any other one; beside it, what those get that were counted.
        self._any = (trust + 1 - prior) / max(classes - 1, 1)
        self._counted = trust[self._from] * rows[:, 2]

    def next(self, ended: np.ndarray) -> np.ndarray:
        """Probability of entering each label, given that, (C,), of having ended each."""
        if self._classes == 1:
            return ended  # There is nothing else to go to.
        shared = ended * self._any
        counted = np.bincount(self._to, ended[self._from] * self._counted, self._classes)
        return shared.sum() - shared + counted


class WorldSuccession(Succession):
    """The same; which deed comes next, if one does, is what the world lets expect."""

    def __init__(
        self, procedure: Procedure, prior: float, world: WorldState, idle: np.ndarray
    ) -> None:
        """`idle`, bool (C,): the labels that are no deeds."""
        super().__init__(procedure, prior)
        self._world, self._idle = world, idle
        counts = np.array(procedure.followed, np.float64).reshape(-1, 3)[:, 2]
        waits = np.bincount(self._from, counts * idle[self._to], self._classes)
        waits = waits + (idle.sum() - idle) / max(self._classes - 1, 1)
        # (C,): how probable it is that a deed follows, in training.
        self._acts = 1.0 - waits / (np.bincount(self._from, counts, self._classes) + 1)

    def next(self, ended: np.ndarray) -> np.ndarray:
        """Probability of entering each label, given that, (C,), of having ended each."""
        entered = super().next(ended)
        if self._idle.all() or self._classes == 1:
            return entered
        expected = self.prior * self._world.next(ended * self._acts)
        # Alike for all other labels: what is not expected at all, or where nothing is left to do.
        anything = ended * ((1.0 - self.prior) / (self._classes - 1))
        deeds = expected + anything.sum() - anything
        left = ended.sum() - entered[self._idle].sum() - deeds[~self._idle].sum()
        deeds += max(left, 0.0) / (~self._idle).sum()
        return np.where(self._idle, entered, deeds)
