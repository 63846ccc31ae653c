# SPDX-License-Identifier: Apache-2.0
"""Procedures for tests: any, and some that are plain."""

from __future__ import annotations

from itertools import permutations

from hypothesis import strategies as st

from m2r2_ros.inference.procedure import Duration, Procedure
from m2r2_ros.inference.world_order import WorldOrder

DURATIONS = st.builds(Duration, st.floats(0.05, 20), st.floats(0.01, 20))


@st.composite
def procedures(draw: st.DrawFn, classes: int) -> Procedure:
    counts = st.integers(1, 50)
    first = draw(st.dictionaries(st.integers(0, classes - 1), counts))
    pairs = list(permutations(range(classes), 2))
    followed = draw(st.dictionaries(st.sampled_from(pairs), counts)) if pairs else {}
    return Procedure(
        tuple(draw(DURATIONS) for _ in range(classes)),
        tuple(sorted(first.items())),
        tuple(sorted((*pair, count) for pair, count in followed.items())),
    )


@st.composite
def worlds(draw: st.DrawFn, activities: int) -> WorldOrder:
    """Of so many activities; states are -1 for what is untouched."""
    known, counts = st.integers(0, activities - 1), st.integers(1, 50)
    after = draw(st.dictionaries(st.tuples(known, known, st.integers(0, 1)), counts, max_size=8))
    states = st.tuples(known, st.integers(-1, activities - 1))
    chosen = draw(st.dictionaries(states, st.tuples(st.integers(0, 50), counts), max_size=8))
    return WorldOrder(
        tuple(sorted((*place, count) for place, count in after.items())),
        tuple(sorted((*place, *counts) for place, counts in chosen.items())),
    )


def cycle(*seconds: float, count: int = 20) -> Procedure:
    """Labels that come one after the other, over and over, each for so long, with a tenth of it."""
    classes = len(seconds)
    return Procedure(
        tuple(Duration(mean, 0.1 * mean) for mean in seconds),
        ((0, count),),
        tuple((label, (label + 1) % classes, count) for label in range(classes)),
    )
