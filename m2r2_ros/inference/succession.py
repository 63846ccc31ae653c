# SPDX-License-Identifier: Apache-2.0
"""Which label comes first and which comes next: as counted in training, or anything.

With probability `prior` the order of training is kept, where N counts of a label's followers give
each the probability (n + 1 / (C - 1)) / (N + 1): one count is shared by all, for what training has
not seen. Else every other label is as probable.
"""

from __future__ import annotations

import numpy as np

from m2r2_ros.inference.procedure import Procedure


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
