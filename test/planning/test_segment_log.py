# SPDX-License-Identifier: Apache-2.0
"""What is heard: duplicates, gaps, restarts and age."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_events import ENDED, NOW, ONGOING, SECOND, STARTED, event, run

from m2r2_ros.planning.segment_log import ActionQuery, SegmentLog


def test_an_object_that_is_asked_for_has_to_be_known():
    named, unnamed = event(0, STARTED, "insert", "USB"), event(0, STARTED, "insert")
    assert ActionQuery("insert").is_done_in(named) and ActionQuery("insert").is_done_in(unnamed)
    assert ActionQuery("insert", "USB").is_done_in(named)
    assert not ActionQuery("insert", "USB").is_done_in(unnamed)
    assert not ActionQuery("insert", "peg").is_done_in(named)
    assert ActionQuery().is_done_in(named) and not ActionQuery().is_done_in(event(0, STARTED))


@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(0, 0.5), st.floats(0, 0.5))
def test_every_lost_start_or_end_is_noticed(seed, segments, lost, repeated):
    """Against the sent list: a gap is said before anything that was lost could be missed."""
    chance = random.Random(seed)
    log, heard = SegmentLog("/t"), []
    sent = run(chance, segments)
    unheard, first = [], True
    for number, each in enumerate(sent):
        if not first and chance.random() < lost:
            unheard.append(each)
            continue
        news = log.add(each, b"one", number)
        assert news is not None and not news.is_restart
        if not first and any(e.status == ENDED for e in unheard):
            assert news.is_gap
        if not unheard:
            assert not news.is_gap
        heard.append(each)
        unheard, first = [], False
        if chance.random() < repeated:
            assert log.add(each, b"one", number) is None
    assert log.lost == len(sent) - len(heard) - len(unheard)
    assert log.restarts == 0
    ends = [e for e in heard if e.status == ENDED and e.action == "insert"]
    assert log.last_end(ActionQuery("insert")) == (ends[-1] if ends else None)
    assert all(log.end_of(e) == e for e in heard if e.status == ENDED)


@pytest.mark.parametrize("knows_writer", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_a_new_run_is_a_restart(seed, knows_writer):
    """Whether ids start at 0 again or, where the publisher is told, count on."""
    chance = random.Random(seed)
    log = SegmentLog("/t")
    before, after = (run(chance, chance.randint(2, 5), now_s=now_s) for now_s in (0.0, 100.0))
    if knows_writer and seed % 2:
        after = run(chance, 3, first_id=before[-1].segment_id + 1, now_s=100.0)
    names = (b"one", b"two") if knows_writer else (None, None)
    for each in before[: chance.randint(len(before) // 2 + 1, len(before))]:
        log.add(each, names[0])
    news = [log.add(each, names[1]) for each in after]
    assert news[0].is_restart and not news[0].is_gap
    assert not any(each.is_restart for each in news[1:])
    assert log.restarts == 1
    assert log.end_of(before[-1]) is None


def test_age_is_that_of_the_stamp():
    log = SegmentLog("/t")
    assert log.staleness(NOW, 5.0) == "/t: nothing has been heard"
    log.add(event(0, ONGOING, at_s=0))
    assert log.staleness(NOW + 5 * SECOND, 5.0) == ""
    assert "silent for 6.0 s" in log.staleness(NOW + 6 * SECOND, 5.0)
    assert log.staleness(NOW + 6 * SECOND, None) == ""
    assert "/clock" in log.staleness(0, 5.0)
    assert log.staleness(NOW - 5 * SECOND, 5.0) == ""
    for apart, word in ((-6, "after"), (86_400 * 365, "before")):
        line = log.staleness(NOW + apart * SECOND, 5.0)
        assert f"{word} this node's clock" in line and "use_sim_time" in line
