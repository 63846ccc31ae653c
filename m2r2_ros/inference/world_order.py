# SPDX-License-Identifier: Apache-2.0
"""What training has shown of the order of deeds on the same object and on others, as counts.

It travels in the head's metadata beside durations and the order of labels (`procedure.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.inference.deeds import Deeds

# State of an object to which nothing has been done yet.
UNTOUCHED = -1
_MOST = 1 << 40


@dataclass(frozen=True)
class WorldOrder:
    """Rows of counts; activities by their number in `Deeds`. Rows that are not there: none.

    after   (activity, the next deed's, 1 on the same object or 0 on another, count).
    chosen  (activity, what its object saw last or UNTOUCHED, count, offers): how often it was done
            to an object in this state, of how many that it could have been done to.
    """

    after: tuple[tuple[int, ...], ...] = ()
    chosen: tuple[tuple[int, ...], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"after": [list(x) for x in self.after], "chosen": [list(x) for x in self.chosen]}

    @classmethod
    def from_dict(cls, values: Any, activities: int) -> WorldOrder:
        """The inverse of `to_dict`, of what may come from anywhere. Raises M2R2Error."""
        if not isinstance(values, dict):
            raise M2R2Error(f"procedure: 'world' must have entries, got {brief(values)}")
        last = range(activities)
        after = _rows(values, "after", (last, last, range(2), range(1, _MOST)))
        known = range(UNTOUCHED, activities)
        chosen = _rows(values, "chosen", (last, known, range(_MOST), range(1, _MOST)))
        return cls(after, chosen)


def _rows(values: dict[str, Any], name: str, limits: tuple[range, ...]) -> tuple[Any, ...]:
    rows = values.get(name)
    if not isinstance(rows, list):
        raise M2R2Error(f"procedure: world '{name}' must be a list, got {brief(rows)}")
    for row in rows:
        whole = isinstance(row, list) and len(row) == len(limits)
        if not whole or any(
            type(x) is not int or x not in y for x, y in zip(row, limits, strict=True)
        ):
            raise M2R2Error(f"procedure: world '{name}' has {brief(row)}: no numbers and counts")
    keys = 3 if name == "after" else 2
    if len({tuple(row[:keys]) for row in rows}) != len(rows):
        raise M2R2Error(f"procedure: world '{name}' names the same twice")
    return tuple(map(tuple, rows))


def count_world(orders: Iterable[Sequence[int]], deeds: Deeds) -> WorldOrder:
    """From the class ids of each recording's segments, in their order."""
    activities, objects = deeds.exists.shape
    after = np.zeros((activities, activities, 2), int)
    # The last column is that of the untouched.
    chosen, offers = np.zeros((2, activities, activities + 1), int)
    for order in orders:
        state, last = np.full(objects, UNTOUCHED), None
        for activity, thing in filter(None, map(deeds.place, order)):
            if last is not None:
                after[last[0], activity, int(last[1] == thing)] += 1
            if last is None or last[1] != thing:
                offered = deeds.exists[activity].copy()
                offered[[] if last is None else last[1]] = False
                chosen[activity, state[thing]] += 1
                np.add.at(offers[activity], state[offered], 1)
            state[thing], last = activity, (activity, thing)
    states = [*range(activities), UNTOUCHED]
    return WorldOrder(
        tuple((*map(int, place), int(after[tuple(place)])) for place in np.argwhere(after)),
        tuple(
            (
                int(activity),
                states[state],
                int(chosen[activity, state]),
                int(offers[activity, state]),
            )
            for activity, state in np.argwhere(offers)
        ),
    )
