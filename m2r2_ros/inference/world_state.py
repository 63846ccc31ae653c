# SPDX-License-Identifier: Apache-2.0
"""What may be done next, by what was done last and by what was done last to each object.

An arm inserts what it holds and removes what is seated. No verb is known here: what an activity
needs is counted in training, as the activity that its object saw last. Idle times in between are of
no account, so that after "pick a nut, wait" one inserts that nut.

With v done last, to object o, the next deed is w on the same object with probability P(w, same | v)
and w on another object p with P(w, other | v) r(w, s_p) / sum of r(w, s_q) over all q but o, where
s_p is what p saw last and r(w, s) the share of the objects in state s that were chosen for w.
"""

from __future__ import annotations

import numpy as np

from m2r2_ros.inference.deeds import Deeds
from m2r2_ros.inference.world_order import UNTOUCHED, WorldOrder

# No state keeps an object from being chosen: training has not seen everything.
_LEAST_RATE = 1e-3


class WorldState:
    """The world as the deeds that were noted have left it."""

    def __init__(self, order: WorldOrder, deeds: Deeds) -> None:
        self._deeds = deeds
        self._after, self._at_once, self._activities = _successions(order, len(deeds.exists))
        self._rates = _rates(order, len(deeds.exists))
        self.clear()

    def clear(self) -> None:
        """Nothing has been done yet."""
        self._states = np.full(self._deeds.exists.shape[1], UNTOUCHED)
        self._last: tuple[int, int] | None = None
        self._weigh()

    def note(self, label: int | None) -> None:
        """A deed is under way, by its class id; None: one that nobody knows. Idle: nothing new."""
        place = None if label is None else self._deeds.place(label)
        if place is not None:
            self._states[place[1]] = place[0]
            self._weigh()
        if place is not None or label is None:
            self._last = place

    def _weigh(self) -> None:
        # (A, O): how much each object draws each activity, and 1 / that of all others.
        self._weights = np.where(self._deeds.exists, self._rates[:, self._states], 0.0)
        total = self._weights.sum(1, keepdims=True)
        self._shares = np.divide(
            1.0,
            total - self._weights,
            out=np.zeros_like(total + self._weights),
            where=total - self._weights > _LEAST_RATE / 2,
        )
        self._anything = self._activities[:, None] * self._weights / total

    def next(self, ended: np.ndarray) -> np.ndarray:
        """Probability of each label to come next, (C,), given that, (C,), of having ended each.

        After an idle label comes what the last deed leads to. Idle labels get nothing. The sum is
        less than that of what has ended where there is nothing else to do it to.
        """
        entered = self._follow(self._at_once, self._deeds.table(ended))
        idle = float(ended[self._deeds.idle].sum())
        if self._last is None:
            entered += idle * self._anything
        else:
            waited = np.zeros_like(entered)
            waited[self._last] = idle
            entered += self._follow(self._after, waited)
        return self._deeds.vector(entered)

    def _follow(self, after: np.ndarray, done: np.ndarray) -> np.ndarray:
        """(A, O) of what comes next, given that of what has been done."""
        same = np.where(self._deeds.exists, after[..., 1].T @ done, 0.0)
        others = (after[..., 0].T @ done) * self._shares
        return same + self._weights * (others.sum(1, keepdims=True) - others)


def _successions(order: WorldOrder, activities: int) -> tuple[np.ndarray, ...]:
    """P(next activity, same object | activity), (A, A, 2); that at once, where nothing follows
    itself; and the activities' share of all, (A,). One count is shared as in all of training."""
    counts = np.zeros((activities, activities, 2))
    for *place, count in order.after:
        counts[tuple(place)] = count
    pooled = (counts.sum(0) + 1) / (counts.sum() + 2 * activities)
    after = (counts + pooled) / (counts.sum((1, 2), keepdims=True) + 1)
    at_once = after.copy()
    at_once[np.arange(activities), np.arange(activities), 1] = 0.0
    return after, at_once / at_once.sum((1, 2), keepdims=True), pooled.sum(1)


def _rates(order: WorldOrder, activities: int) -> np.ndarray:
    """(A, A + 1): share of the objects in each state, the untouched last, that were chosen.

    One object is thought to have been offered in each state, and chosen as often as on average.
    """
    chosen, offers = np.zeros((2, activities, activities + 1))
    for activity, state, count, offered in order.chosen:
        chosen[activity, state], offers[activity, state] = count, offered
    mean = (chosen.sum(1, keepdims=True) + 1) / (offers.sum(1, keepdims=True) + 2)
    return np.maximum((chosen + mean) / (offers + 1), _LEAST_RATE)
