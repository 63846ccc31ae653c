# SPDX-License-Identifier: Apache-2.0
"""Field paths: where in a message numbers are, as a parameter file writes it.

wrench.force                                all numbers below a field, in their order
position[elbow_joint]                       by a name in the message's list of texts
data[3], data[0:16]                         of a list
interface_values[finger].values[position]   in a list of messages
rpy(pose[3:6])                              roll, pitch, yaw [rad] as a quaternion x, y, z, w
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from m2r2_ros.errors import M2R2Error, brief

MAX_PATH = 256
# Roll, pitch and yaw.
RPY = 3
QUATERNION = 4
_STEP = re.compile(r"([A-Za-z]\w*)(?:\[([^\[\]]+)\])?(?:\.(?=[A-Za-z])|$)", re.ASCII)
_TURN = re.compile(r"rpy\((.*)\)", re.DOTALL)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
# What is meant as an index and is none: -1, 1:, :3, 0:16:2, 1.5.
_NUMBERS = re.compile(r"(?=[^\d:]*[\d:])[-+\d:.,\s]+", re.ASCII)
_SLICE = re.compile(r"(\d{1,9}):(\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class Step:
    """A field, and what of a list is meant.

    [start, stop) of its entries, or the one with the `name`; all of it when neither is given.
    """

    field: str
    start: int = 0
    stop: int | None = None
    name: str = ""

    def __str__(self) -> str:
        if self.name:
            return f"{self.field}[{self.name}]"
        if self.stop is None:
            return self.field
        is_one = self.stop == self.start + 1
        return f"{self.field}[{self.start if is_one else f'{self.start}:{self.stop}'}]"


@dataclass(frozen=True)
class FieldPath:
    """Steps from the message to numbers; with `is_rpy` three of them become a quaternion."""

    steps: tuple[Step, ...]
    is_rpy: bool = False

    @property
    def count(self) -> int | None:
        """How many numbers it is if fields on the way are no lists; None where it does not say."""
        if self.is_rpy:
            return QUATERNION
        counts = [1 if step.name else (step.stop or 0) - step.start for step in self.steps]
        return prod(count or 1 for count in counts) if counts[-1] else None

    def __str__(self) -> str:
        path = ".".join(map(str, self.steps))
        return f"rpy({path})" if self.is_rpy else path


@lru_cache(1024)
def parse_path(text: str) -> FieldPath:
    """Read a path. Raises M2R2Error."""
    turn = _TURN.fullmatch(text)
    rest = turn.group(1) if turn else text
    steps, at = [], 0
    while len(text) <= MAX_PATH and (found := _STEP.match(rest, at)):
        steps.append(_step(text, found.group(1), found.group(2)))
        at = found.end()
        if at == len(rest):
            return FieldPath(tuple(steps), turn is not None)
    raise M2R2Error(
        f"{brief(text)} is no field path such as wrench.force, position[a_joint] or data[0:16]"
    )


def _step(text: str, name: str, key: str | None) -> Step:
    if key is None:
        return Step(name)
    if _WHOLE.fullmatch(key):
        return Step(name, int(key), int(key) + 1)
    if part := _SLICE.fullmatch(key):
        start, stop = map(int, part.groups())
        if start >= stop:
            raise M2R2Error(f"field path {brief(text)}: [{key}] is empty")
        return Step(name, start, stop)
    if _NUMBERS.fullmatch(key):
        raise M2R2Error(f"field path {brief(text)}: [{key}] is no index, they count from 0: [0:16]")
    return Step(name, name=key)
