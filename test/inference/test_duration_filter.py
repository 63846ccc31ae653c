# SPDX-License-Identifier: Apache-2.0
"""The forward filter against every way in which a short stream can be cut into segments."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from procedures import cycle, procedures

from m2r2_ros.inference import duration_filter
from m2r2_ros.inference.deeds import Deeds
from m2r2_ros.inference.duration_filter import MOMENTS, DurationFilter
from m2r2_ros.inference.durations import FLOOR, Durations
from m2r2_ros.inference.procedure import Duration, Procedure
from m2r2_ros.inference.succession import Succession
from m2r2_ros.vocabulary import Vocabulary

SECOND_NS = 1_000_000_000
STEPS_NS = st.integers(1, 3 * SECOND_NS)


def plain(procedure: Procedure) -> Deeds:
    """Of labels that are actions without an object."""
    labels = tuple(f"label {number}" for number in range(len(procedure.durations)))
    return Deeds(Vocabulary(labels))


def lasting(durations: tuple[Duration, ...], label: int, elapsed_s: float) -> float:
    """Probability that the label still goes on, from the definition."""
    mean_s, sd_s = durations[label]
    variance = math.log(1 + (sd_s / mean_s) ** 2)
    middle = math.log(mean_s) - variance / 2
    floor = math.exp(-elapsed_s / (2 * max(duration.mean_s for duration in durations)))
    if elapsed_s == 0:
        return 1.0
    z = (math.log(elapsed_s) - middle) / math.sqrt(2 * variance)
    return (1 - FLOOR) * 0.5 * math.erfc(z) + FLOOR * floor


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_lasts_is_log_normal_with_a_floor(data) -> None:
    durations = tuple(
        Duration(mean_s, mean_s * share)
        for mean_s, share in data.draw(
            st.lists(st.tuples(st.floats(0.2, 50), st.floats(0.15, 3)), min_size=1, max_size=4)
        )
    )
    times = np.sort(np.array(data.draw(st.lists(st.floats(0, 500), min_size=1, max_size=20))))
    hazard = Durations(durations).hazard(times)
    assert (np.diff(hazard, axis=1) >= 0).all() and (hazard >= 0).all()
    classes = range(len(durations))
    expected = [[lasting(durations, c, float(t)) for t in times] for c in classes]
    np.testing.assert_allclose(np.exp(-hazard), expected, atol=0.01)


def test_beyond_all_durations_a_label_still_lasts() -> None:
    durations = Durations((Duration(1.0, 0.1),))
    hour, later = durations.hazard(np.array([3600.0, 3602.0]))[0]
    assert later - hour == pytest.approx(1.0)  # Of a floor of two seconds.


def rows(procedure: Procedure, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """First probabilities (C,) and transitions (C, C), from the definition."""
    classes = len(procedure.durations)
    first, counts = np.zeros(classes), np.zeros((classes, classes))
    for label, count in procedure.first:
        first[label] += count
    for before, label, count in procedure.followed:
        counts[before, label] += count
    first = prior * (first + 1 / classes) / (first.sum() + 1) + (1 - prior) / classes
    others = max(classes - 1, 1)
    table = (counts + 1 / others) / (counts.sum(1, keepdims=True) + 1)
    table = prior * table + (1 - prior) / others
    if classes > 1:
        np.fill_diagonal(table, 0)
    np.testing.assert_allclose([first.sum(), *table.sum(1)], 1)
    return first, table


@given(data=st.data(), classes=st.integers(1, 5), prior=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_succession_is_the_smoothed_counts(data, classes, prior) -> None:
    procedure = data.draw(procedures(classes))
    ended = np.array([data.draw(st.floats(0, 1)) for _ in range(classes)])
    first, table = rows(procedure, prior)
    succession = Succession(procedure, prior)
    np.testing.assert_allclose(succession.first, first, rtol=1e-9)
    np.testing.assert_allclose(succession.next(ended), ended @ table, rtol=1e-6, atol=1e-12)


def by_enumeration(
    procedure, prior, stamps_ns, evidence, boundaries
) -> dict[tuple[int, int], float]:
    """(class, start) -> probability at the last frame, over all sequences of segments."""
    classes = len(procedure.durations)
    durations, (first, table) = Durations(procedure.durations), rows(procedure, prior)

    @cache
    def goes_on(label: int, began_ns: int, before_ns: int, now_ns: int) -> float:
        times = np.array([before_ns - began_ns, now_ns - began_ns]) / 1e9
        before, now = durations.hazard(times)[label]
        return math.exp(before - now)

    found: dict[tuple[int, int], float] = {}
    choices = [range(classes), *[range(-1, classes)] * (len(stamps_ns) - 1)]  # -1: goes on.
    for path in itertools.product(*choices):
        label, began, probability = path[0], stamps_ns[0], first[path[0]]
        probability *= math.exp(evidence[0][label])
        for i in range(1, len(stamps_ns)):
            stays = goes_on(label, began, stamps_ns[i - 1], stamps_ns[i]) * (1 - boundaries[i])
            if path[i] < 0:
                probability *= stays
            else:
                probability *= (1 - stays) * table[label, path[i]]
                label, began = path[i], stamps_ns[i - 1]
            probability *= math.exp(evidence[i][label])
        found[label, began] = found.get((label, began), 0.0) + probability
    total = sum(found.values())
    return {state: value / total for state, value in found.items()}


@given(data=st.data(), classes=st.integers(1, 3), prior=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_it_is_the_sum_over_all_sequences_of_segments(data, classes, prior) -> None:
    procedure = data.draw(procedures(classes))
    frames = data.draw(st.integers(1, 5))
    steps = [data.draw(STEPS_NS) for _ in range(frames)]
    stamps_ns = [int(stamp) for stamp in np.cumsum(steps)]
    numbers = st.floats(-3, 0)
    evidence = [[data.draw(numbers) for _ in range(classes)] for _ in range(frames)]
    boundaries = [data.draw(st.floats(0, 1)) for _ in range(frames)]
    filtered = DurationFilter(procedure, plain(procedure))
    for stamp_ns, frame, boundary in zip(stamps_ns, evidence, boundaries, strict=True):
        filtered.step(stamp_ns, np.array(frame), prior, boundary)
    assert filtered.belief.sum() == pytest.approx(1, abs=1e-6)
    expected = by_enumeration(procedure, prior, stamps_ns, evidence, boundaries)
    for (label, began_ns), probability in expected.items():
        # What begins with the second frame begins at the first one's end, as the first has.
        found = filtered.belief[label, filtered.began_ns == began_ns].sum()
        assert found == pytest.approx(probability, abs=1e-6)


def belief_of(procedure, stamps_ns, evidence, prior=1.0) -> DurationFilter:
    filtered = DurationFilter(procedure, plain(procedure))
    for stamp_ns, frame in zip(stamps_ns, evidence, strict=True):
        filtered.step(int(stamp_ns), frame, prior)
    return filtered


@given(data=st.data(), shift=st.integers(-(2**62), 2**62))
@settings(max_examples=20, deadline=None)
def test_the_epoch_does_not_matter_at_all(data, shift) -> None:
    procedure = data.draw(procedures(3))
    stamps_ns = np.cumsum([data.draw(STEPS_NS) for _ in range(150)])
    evidence = np.random.default_rng(data.draw(st.integers(0, 99))).normal(0, 0.1, (150, 3))
    here = belief_of(procedure, stamps_ns, evidence)
    there = belief_of(procedure, [int(stamp) + shift for stamp in stamps_ns], evidence)
    np.testing.assert_array_equal(here.belief, there.belief)
    np.testing.assert_array_equal(here.began_ns + shift, there.began_ns)


def test_frames_without_evidence_only_let_time_go_on() -> None:
    """The same at the end, whether time went on in one step or in many."""
    procedure = cycle(2.0, 1.0, 3.0)
    sure = np.array([0.0, -5.0, -5.0])
    at_once = belief_of(procedure, [0, SECOND_NS, 2 * SECOND_NS], [sure, sure, None])
    stamps_ns = [0, *range(SECOND_NS, 2 * SECOND_NS + 1, SECOND_NS // 100)]
    by_and_by = belief_of(procedure, stamps_ns, [sure, sure, *[None] * 100])
    assert by_and_by.classes[0] == pytest.approx(at_once.classes[0], abs=1e-3)
    assert at_once.classes[0] < 0.6


@pytest.mark.parametrize("rate_hz", [5, 30, 100])
def test_the_rate_hardly_matters(rate_hz) -> None:
    """Evidence a second is the same; a start is known to a frame."""
    procedure = cycle(2.0, 1.0, 3.0)

    def final(rate: int) -> DurationFilter:
        times = np.arange(1, 4 * rate + 1) / rate
        labels = np.where(times <= 2, 0, np.where(times <= 3, 1, 2))
        evidence = np.log(np.where(np.eye(3)[labels] == 1, 0.6, 0.2)) * 4 / rate
        return belief_of(procedure, (times * SECOND_NS).astype(np.int64), evidence)

    expected, found = final(20), final(rate_hz)
    np.testing.assert_allclose(found.classes, expected.classes, atol=0.05)
    assert middle_of(found, 2) == pytest.approx(middle_of(expected, 2), abs=0.2)
    assert middle_of(found, 2) == pytest.approx(3, abs=0.25)


def middle_of(filtered: DurationFilter, label: int) -> float:
    weight = filtered.belief[label].cumsum()
    return filtered.began_ns[np.searchsorted(weight, weight[-1] / 2)] / SECOND_NS


def test_memory_is_bounded_and_merging_changes_little(monkeypatch) -> None:
    """Evidence that leaves every start possible, at a rate that would fill any list."""
    procedure = cycle(20.0, 60.0, 40.0)
    random = np.random.default_rng(0)
    stamps_ns = np.cumsum(random.integers(1, SECOND_NS // 5, 800))
    evidence = random.normal(0, 0.05, (800, 3))
    bounded = belief_of(procedure, stamps_ns, evidence)
    assert bounded.belief.shape == (3, len(bounded.began_ns))
    assert len(bounded.began_ns) <= MOMENTS
    assert (np.diff(bounded.began_ns) > 0).all()
    monkeypatch.setattr(duration_filter, "MOMENTS", 10_000)
    whole = belief_of(procedure, stamps_ns, evidence)
    assert len(whole.began_ns) > 4 * MOMENTS
    np.testing.assert_allclose(bounded.classes, whole.classes, atol=0.02)
