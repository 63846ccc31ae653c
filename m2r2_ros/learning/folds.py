# SPDX-License-Identifier: Apache-2.0
"""Which groups are left out at once: whole groups, in four folds at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from m2r2_ros.datasets.groups import Groups
from m2r2_ros.errors import M2R2Error
from m2r2_ros.learning.outcome import Fold

# Each costs a training of its own; as many take turns on two cores, or four, without one left idle.
MOST_FOLDS = 4
# To train on, to choose the epoch on, to score.
FEWEST_RECORDINGS = 3


class Dealt(NamedTuple):
    """The folds, the groups that they are made of, and in words how."""

    folds: tuple[Fold, ...]
    groups: Groups
    rule: str


def deal_folds(groups: Groups, minutes: Mapping[str, float]) -> Dealt:
    """Each group is held out once. `minutes` are those of each recording.

    Where there are more than MOST_FOLDS groups, the longest is dealt first, to the fold that is the
    shortest by then. Raises M2R2Error where there are too few recordings.
    """
    names = list(groups.of)
    if len(names) < FEWEST_RECORDINGS:
        raise M2R2Error(
            f"{len(names)} labelled recordings: learning takes {FEWEST_RECORDINGS} at least, to "
            "train on, to choose on and to score on: label more"
        )
    members = groups.members(names)
    rule = groups.assumed
    largest = max(members, key=lambda group: len(members[group]))
    if len(names) - len(members[largest]) < FEWEST_RECORDINGS - 1:
        rule = (
            f"without group '{largest}' {len(names) - len(members[largest])} recording is left, "
            "too few to train on: each recording is a group of its own"
        )
        groups = Groups({name: name for name in names}, rule)
        members = groups.members(names)
    piles = _dealt(members, minutes)
    kind = "recording" if groups.assumed else "group"
    how = f"each of {len(members)} {kind}s is held out once"
    if len(piles) < len(members):
        how += f", in {len(piles)} folds of whole {kind}s that are about as long"
    folds = [_fold(number, pile, members, len(piles)) for number, pile in enumerate(piles, 1)]
    return Dealt(tuple(folds), groups, f"{how} ({rule})" if rule else how)


def _dealt(members: Mapping[str, Sequence[str]], minutes: Mapping[str, float]) -> list[list[str]]:
    lengths = {group: sum(minutes[name] for name in names) for group, names in members.items()}
    if len(members) <= MOST_FOLDS:
        return [[group] for group in members]
    piles: list[list[str]] = [[] for _ in range(MOST_FOLDS)]
    for group in sorted(members, key=lambda group: (-lengths[group], group)):
        shortest = min(piles, key=lambda pile: sum(lengths[each] for each in pile))
        shortest.append(group)
    return [sorted(pile) for pile in piles]


def _fold(
    number: int, pile: Sequence[str], members: Mapping[str, Sequence[str]], count: int
) -> Fold:
    """Named after its group, or by number where folds have several."""
    several = count < len(members)
    recordings = tuple(name for group in pile for name in members[group])
    return Fold(f"fold_{number}" if several else pile[0], tuple(pile), recordings)
