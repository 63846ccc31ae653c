# SPDX-License-Identifier: Apache-2.0
"""Difficulties by name, and the operators of each split: numbers alone, no physics."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from m2r2_ros.errors import M2R2Error
from m2r2_ros.simulation.difficulties import DIFFICULTIES, MOTION, chosen, day_stream, stream
from m2r2_ros.simulation.faults import INSERT_SLIPS, PICK_SLIPS, PLACE_SLIPS, REMOVE_SLIPS
from m2r2_ros.simulation.habits import Habits, habits_of
from m2r2_ros.simulation.people import (
    OPERATORS,
    Person,
    parameters_of,
    people,
    person_of,
    training_range,
)
from m2r2_ros.simulation.recording_settings import RecordingSettings
from m2r2_ros.simulation.style import Style

PAGE = Path(__file__).parents[2] / "docs" / "taskboard_sim_v2.md"
PEOPLES = ("pace", "manner", "mistakes", "pauses")
UNSEEN = [kind for kind in OPERATORS if kind != "training"]
names = st.sampled_from(DIFFICULTIES)


def in_hull(point: np.ndarray, points: np.ndarray) -> bool:
    """Whether a point is a convex combination of others: by a linear program."""
    rows = np.vstack([points.T, np.ones(len(points))])
    found = linprog(np.zeros(len(points)), A_eq=rows, b_eq=[*point, 1.0])
    return found.status == 0


def values(person: Person, difficulty: str) -> np.ndarray:
    """The person's parameters of a difficulty, training's range scaled to 0 to 1."""
    found = []
    for name in parameters_of(difficulty):
        low, high = training_range(name)
        found.append((getattr(person, name) - low) / (high - low))
    return np.array(found)


def test_the_hull_of_a_square_holds_its_middle_and_not_what_lies_beside():
    square = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float)
    assert in_hull(np.array([0.5, 0.5]), square)
    assert not in_hull(np.array([1.1, 0.5]), square)


@pytest.mark.parametrize("difficulty", PEOPLES)
def test_other_operators_are_outside_of_the_training_operators_hull_by_each_difficulty_alone(
    difficulty,
):
    training = np.array([values(person, difficulty) for person in people("training")])
    corners = np.array(np.meshgrid(*[(0.0, 1.0)] * training.shape[1])).reshape(len(training[0]), -1)
    assert ((training >= 0) & (training <= 1)).all()
    for kind in UNSEEN:
        for person in people(kind):
            assert not in_hull(values(person, difficulty), training)
            # Nor would any operator that training could have had be like this one.
            assert not in_hull(values(person, difficulty), corners.T)


def test_operators_are_always_the_same_all_differ_and_take_turns():
    everyone = [person for kind in OPERATORS for person in people(kind)]
    assert len(set(everyone)) == sum(OPERATORS.values())
    assert everyone == [person for kind in OPERATORS for person in people(kind)]
    for kind, count in OPERATORS.items():
        assert {person_of(seed, kind) for seed in range(count)} == set(people(kind))


def test_a_person_beyond_all_ranges_is_none():
    person = people("training")[0]
    for each in fields(Person):
        with pytest.raises(ValueError, match=each.name):
            replace(person, **{each.name: 99.0})


def test_without_difficulties_an_operator_is_adept_whoever_it_is():
    for kind in OPERATORS:
        assert habits_of(3, RecordingSettings(operators=kind)) == Habits()
    assert habits_of(3, RecordingSettings(failures=0.5)) == Habits(tries=4, beginner=0.5)


@given(st.integers(0, 2**31 - 1), st.sampled_from(sorted(OPERATORS)), st.sets(names))
@settings(max_examples=50, deadline=None)
def test_what_is_on_is_the_persons_and_the_rest_is_an_adepts(seed, kind, on):
    habits = habits_of(seed, RecordingSettings(difficulties=tuple(on), operators=kind))
    person = person_of(seed, kind)
    taken = {**vars(habits), **habits.moves}
    for name in PEOPLES:
        for key in parameters_of(name):
            assert key in {each.name for each in (*fields(Habits), *fields(Style))}
            if name in on:
                assert taken[key] == getattr(person, key)
            else:
                assert key not in habits.moves
                assert taken.get(key) == vars(Habits()).get(key)
    assert habits.tries == (3 if "mistakes" in on else 2)


def test_shares_that_fail_add_up_to_what_the_real_set_publishes():
    """100, 247, 147 and 22 failures of 1196, 1164, 1099 and 1092 attempts; 516 of 4551 in all."""
    real = {PICK_SLIPS: (100, 1196), INSERT_SLIPS: (247, 1164), REMOVE_SLIPS: (147, 1099)}
    real[PLACE_SLIPS] = (22, 1092)
    assert sum(failed for failed, _ in real.values()) == 516
    assert sum(attempts for _, attempts in real.values()) == 4551
    for slips, (failed, attempts) in real.items():
        assert 0 <= failed / attempts - slips.share < 0.025  # what physics adds
    assert np.mean([person.errs for person in people("training")]) == pytest.approx(1, abs=0.05)


@given(st.lists(names, unique=True))
def test_one_field_switches_any_of_them_on_or_off(some):
    assert set(chosen(list(some))) == set(some)
    assert set(chosen(["all", *(f"-{name}" for name in some)])) == set(DIFFICULTIES) - set(some)
    assert chosen(["all"]) == DIFFICULTIES and chosen([]) == ()
    assert list(chosen(list(some))) == sorted(some, key=DIFFICULTIES.index)


@pytest.mark.parametrize(
    ("entries", "message"),
    [("all", "must be a list"), (["cluter"], "did you mean 'clutter'"), ([3], "has no '3'")],
)
def test_difficulties_that_are_none_are_one_clear_line(entries, message):
    with pytest.raises(M2R2Error, match=message):
        chosen(entries)


@given(st.integers(0, 2**31 - 11), names, names)
def test_each_difficulty_draws_for_itself_and_a_day_is_ten_recordings(seed, one, other):
    def first(rng):
        return rng.integers(2**63)

    assert (first(stream(seed, one)) == first(stream(seed, other))) == (one == other)
    assert first(stream(seed, one)) != first(stream(seed + 1, one))
    today = first(day_stream(seed, one))
    assert today != first(stream(seed, one))
    start = seed - seed % 10
    assert {first(day_stream(start + k, one)) for k in range(10)} == {today}
    assert first(day_stream(start + 10, one)) != today


def test_the_page_has_a_row_for_each_difficulty():
    rows = [line.split("|")[1].strip() for line in PAGE.read_text().splitlines() if "| `" in line]
    assert {row.strip("`") for row in rows} >= set(DIFFICULTIES)
    assert set(PEOPLES) < set(MOTION)
