# SPDX-License-Identifier: Apache-2.0
"""Rates, silences and gaps of topics while they are recorded."""

from m2r2_ros.diagnosis.rate_watch import RateWatch

SECOND = 10**9
NOW = 1_700_000_000 * SECOND


def watched(rate_hz, seconds, watch=None, begin=NOW):
    watch = watch or RateWatch()
    for k in range(round(seconds * rate_hz)):
        watch.note("/a", [begin + round(k * SECOND / rate_hz)])
    return watch, begin + round(seconds * SECOND)


def test_rates_are_those_of_the_last_seconds():
    watch, now = watched(100, 5)
    assert abs(watch.rates(now)["/a"] - 100) < 2
    assert watch.rates(now + 10 * SECOND)["/a"] == 0


def test_a_topic_that_stops_is_said_once_and_its_return_too():
    watch, now = watched(30, 3)
    assert watch.changes(now) == []
    (line,) = watch.changes(now + SECOND)
    assert line.startswith("/a: nothing for 1.0")
    assert watch.changes(now + 2 * SECOND) == []
    watch, now = watched(30, 3, watch, now + 3 * SECOND)
    assert watch.changes(now) == ["/a: is back"]
    ((count, longest_s),) = watch.gaps().values()
    assert count == 1 and abs(longest_s - 3) < 0.1
    watch.forget_gaps()
    assert watch.gaps() == {}


def test_what_is_usual_is_no_silence():
    slow, now = watched(0.2, 60)
    assert slow.silent(now + 10 * SECOND) == {} and slow.gaps() == {}
    once = RateWatch()
    once.note("/tf_static", [NOW])
    assert once.silent(NOW + 100 * SECOND) == {}
