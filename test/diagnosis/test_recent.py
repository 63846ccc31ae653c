# SPDX-License-Identifier: Apache-2.0
"""Counts that have risen within a minute, against a list of all that was told."""

from __future__ import annotations

import random

import pytest

from m2r2_ros.diagnosis.recent import RecentRises


@pytest.mark.parametrize("seed", range(10))
def test_what_has_risen_is_said_for_a_minute(seed):
    chance, recent = random.Random(seed), RecentRises()
    counts, rises, now_s = {"a": 0.0, "b": 0.0}, {}, 1000.0
    for _ in range(300):
        now_s += chance.uniform(0.5, 20.0)
        for name in counts:
            if chance.random() < 0.15:
                counts[name] += chance.randint(1, 3)
                rises[name] = now_s
            elif chance.random() < 0.03:
                # A node that is configured anew; it may have lost something by then.
                new = chance.choice((0.0, counts[name] / 2))
                rises |= {name: now_s} if 0 < new < counts[name] else {}
                counts[name] = new
        found = recent.of(counts, now_s)
        assert found == {name for name, at_s in rises.items() if now_s - at_s < 60}


def test_a_count_that_is_told_no_more_is_forgotten():
    recent = RecentRises()
    assert recent.of({"why": 1}, 0.0) == {"why"}
    assert recent.of({}, 1.0) == set()
    assert recent.of({"why": 1}, 2.0) == {"why"}
