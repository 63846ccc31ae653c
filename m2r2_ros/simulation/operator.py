# SPDX-License-Identifier: Apache-2.0
"""The scripted operator: Pick, Insert, Remove and Place, each ended by an event of the physics.

The operator sees where parts are (with an error, as eyes have) and feels contact through the
impedance of the arm. It aligns in free air, presses lightly until the part has entered, and only
then pushes home: pressing hard while still searching tilts the part in the fingers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from m2r2_ros.simulation.arm import pointing_down
from m2r2_ros.simulation.board_layout import Layout
from m2r2_ros.simulation.faults import NO_FAULT, Fault
from m2r2_ros.simulation.objects import BY_NAME, BoardObject, neighbours
from m2r2_ros.simulation.rig import TICK_S, Rig
from m2r2_ros.simulation.scene import entry_height
from m2r2_ros.simulation.style import Style
from m2r2_ros.simulation.turns import circle, nearest_turn, rotate, wrap

_FINGER_MARGIN_M = 0.022  # extra opening when reaching around a part
SQUEEZE_M = -0.02  # a set-point that is never reached: the force limit holds
_HOVER_M = 0.035
_CLEARANCE_M = 0.012  # between part and fixture when alignment begins
_KIT_CLEARANCE_M = 0.026  # above the rims of the kit's pockets
LIFTED_M = 0.015
_DROPPED_M = 0.004
_SLIPS_AFTER_S = (0.15, 1.5)
_RAISE_M_S, _RETREAT_M_S = 0.14, 0.25
_ENTERED_M = 0.003
_STANDING_M = 0.8e-3
_PLACED_WITHIN_M = 0.012
_TWIST_RAD = 1.9
_TWIST_LEAST_RAD = 1.0  # while it takes up the load, a thread can look closed for a moment
_TWIST_RATE = 1.6
_TOUCHED_N = 2.0  # force of the spring at which a descending part has met something
_MOST_TILT_RAD, _LEVELLING_RATE = 0.15, 8.0
_THIN_M = 6e-3
_SEARCH_N_M = 650.0  # a thin part would slip up between the fingers when pressed any harder
_MESHING_DEPTH_M = (0.0085, 0.0125)  # where the teeth of two gears pass into each other
_MESHING_N, _MESHING_RAD = 5.0, 0.012


class Operator:
    """Carries out activities on a rig. Each returns True if the object ended where it should."""

    def __init__(self, rig: Rig, layout: Layout, style: Style, rng: np.random.Generator):
        self._rig, self._layout, self._style, self._rng = rig, layout, style, rng

    # Activities

    def pick(self, thing: BoardObject, fault: Fault = NO_FAULT) -> bool:
        """Take a part from the kit."""
        self._begin("Pick", thing)
        self._reach(thing, fault)
        if not self._close(thing):
            return self._end(False)
        if self._rng.uniform() < self._style.regrasp:
            self._release(thing)
            if not self._close(thing):
                return self._end(False)
        height = self._height(thing)
        self._skill("Lift")
        enough_m = _DROPPED_M if fault.drops else LIFTED_M
        lifted = self._raise(lambda: self._height(thing) > height + enough_m, 0.05)
        if fault.drops:
            self._release(thing)
        return self._end(lifted and (not fault.drops or self.holds(thing)))

    def insert(self, thing: BoardObject, fault: Fault = NO_FAULT) -> bool:
        """Bring the held part home."""
        self._begin("Insert", thing)
        self._skill("Approach")
        if fault.drops:
            self._carry_above_fixture(thing, self._slips_away())
            return self._lose(thing)
        self._carry_above_fixture(thing)
        self._skill("Align")
        self._hesitate()
        bias = self._sight_error()
        if fault.offset_m:
            bias += fault.offset_m * circle(self._rng.uniform(0, 2 * np.pi))
        self._align(thing, bias)
        seated = self._push_home(thing, bias, fault.patience_s)
        if not seated and not fault.lets_go:
            self._end(False)
            self._rig.move(self._above(self._rig.arm.target, 0.03), self._rig.arm.yaw, 0.1)
            return False
        self._release(thing)
        return self._end(bool(self._rig.cell.status(thing.part)[0]))

    def remove(self, thing: BoardObject, fault: Fault = NO_FAULT) -> bool:
        """Pull a seated part out of its fixture."""
        self._begin("Remove", thing)
        self._reach(thing, fault)
        if not self._close(thing):
            return self._end(False)
        if thing.twist:
            self._twist(thing, +_TWIST_RAD, lambda: not self._coupling(thing).on)
        self._skill("Pull")
        free = entry_height(self._rig.cell.parts[thing.part]) + 0.006

        def out() -> bool:
            return bool(self._rig.cell.fixture_pose(thing.part)[0][2] > free)

        if fault.drops:
            slips = self._slips_away()
            self._pull_out(lambda: out() or slips())
            self._release(thing)
            return self._end(out())
        return self._end(self._pull_out(out))

    def place(self, thing: BoardObject, fault: Fault = NO_FAULT) -> bool:
        """Set the held part down on its spot in the kit."""
        self._begin("Place", thing)
        self._skill("Approach")
        x, y, yaw = self._layout.spots[thing.part]
        target = np.array([x, y, self._rig.cell.resting_height(thing)])
        bias = self._sight_error()
        turns = max(thing.turns, 2 if thing.footprint_m else 0)
        if fault.drops:
            self._carry_above(thing, target, yaw, turns, _KIT_CLEARANCE_M, self._slips_away())
            return self._lose(thing)
        self._carry_above(thing, target, yaw, turns, _KIT_CLEARANCE_M)
        self._skill("Align")
        self._servo(thing, self._above(target + bias, _KIT_CLEARANCE_M), yaw, turns, seconds=0.3)
        self._lower(thing, target, yaw, turns)
        self._release(thing)
        position, rotation = self._rig.cell.pose(thing.part)
        near = np.linalg.norm(position - target) < _PLACED_WITHIN_M
        return self._end(bool(near and rotation[2, 2] > 0.95))

    def retreat(self, height_m: float) -> None:
        """Rise clear of what was just released."""
        speed = min(_RETREAT_M_S, self._style.speed_m_s)
        self._rig.move(self._above(self._rig.arm.target, height_m), self._rig.arm.yaw, speed)

    def holds(self, thing: BoardObject) -> bool:
        """Whether the part is between the fingers."""
        position, _ = self._rig.cell.pose(thing.part)
        away = self._rig.arm.position() - self._above(position, thing.grasp_height_m)
        return self._rig.cell.pads_touching() == 2 and bool(np.linalg.norm(away) < 0.02)

    def stands(self, thing: BoardObject) -> bool:
        """Whether the part still stands upright where the kit has it."""
        position, rotation = self._rig.cell.pose(thing.part)
        x, y, _ = self._layout.spots[thing.part]
        return bool(np.hypot(position[0] - x, position[1] - y) < 0.02 and rotation[2, 2] > 0.98)

    # Steps of an activity

    def _hesitate(self) -> None:
        if self._style.looks_s:
            self._rig.wait(self._style.looks_s * self._rng.uniform(0.5, 1.0))
        if self._rng.uniform() < self._style.hesitation:
            self._rig.wait(self._rng.uniform(0.2, 0.9))

    def _slips_away(self) -> Callable[[], bool]:
        """Whether the fingers have lost their hold by now: some time after they began to carry."""
        rig = self._rig
        end_s = rig.time_s + self._rng.uniform(*_SLIPS_AFTER_S)
        return lambda: rig.time_s >= end_s

    def _lose(self, thing: BoardObject) -> bool:
        """Let go of a part where it is."""
        self._release(thing)
        return self._end(False)

    def _travel(self, position, yaw, arch_m: float, **how) -> None:
        """Move there through the air, by this operator's kind of path."""
        style = self._style
        bend = self._rng.choice((-1, 1)) * style.bend if style.bend else 0.0
        self._rig.move(position, yaw, self._speed(style.speed_m_s), arch_m, bend=bend, **how)

    def _speed(self, usual: float) -> float:
        spread = np.clip(self._rng.normal(0, 1), -2, 1) * self._style.unevenness
        return float(usual * np.exp(spread))

    def _reach(self, thing: BoardObject, fault: Fault = NO_FAULT) -> None:
        rig = self._rig
        self._skill("Approach")
        position, rotation = rig.cell.pose(thing.part)
        height_m = thing.grasp_height_m + fault.above_m + self._style.grasp_m
        grasp = position + self._above(self._sight_error(), height_m)
        yaw = self._grasp_yaw(thing, rotation) + self._rng.normal(0, 0.02)
        # The fingers close along the hand's y axis: beside is along its x axis.
        grasp += fault.beside_m * circle(yaw)
        rig.arm.width_set = open_width(thing)
        hover = self._above(grasp, _HOVER_M)
        hover[:2] += np.clip(self._rng.normal(0, 1, 2), -2, 2) * self._style.aside_m
        lean = np.clip(self._rng.normal(0, 1, 2), -2, 2) * self._style.lean_rad
        self._travel(hover, yaw, self._style.travel_height_m, tilt=lean)
        self._hesitate()
        rig.move(grasp, yaw, self._speed(self._style.careful_m_s))

    def _close(self, thing: BoardObject) -> bool:
        rig = self._rig
        self._skill("Grasp")
        rig.arm.width_set = SQUEEZE_M
        rig.arm.width = min(rig.arm.width, rig.arm.finger_width())
        held = rig.wait_until(lambda: rig.cell.pads_touching() == 2, timeout_s=1.5)
        rig.wait(0.25)
        if not held:
            rig.arm.width_set = thing.width_m + _FINGER_MARGIN_M
        return held

    def _raise(self, done, height_m: float) -> bool:
        rig = self._rig
        speed = min(_RAISE_M_S, self._style.speed_m_s)
        return rig.move(self._above(rig.arm.target, height_m), rig.arm.yaw, speed, stop=done)

    def _carry_above_fixture(self, thing: BoardObject, stop=None) -> None:
        position, (yaw, turns) = self._fixture(thing)[0], self._orientation(thing)
        position[2] += entry_height(self._rig.cell.parts[thing.part])
        self._carry_above(thing, position, yaw, turns, _CLEARANCE_M, stop)

    def _carry_above(self, thing, target, yaw, turns, clearance, stop=None) -> None:
        tool, hand_yaw = self._tool_for(thing, self._above(target, clearance), yaw, turns)
        height = max(self._style.travel_height_m, tool[2])
        self._travel(tool, hand_yaw, height, stop=stop)

    def _align(self, thing: BoardObject, bias: np.ndarray) -> None:
        position, (yaw, turns) = self._fixture(thing)[0], self._orientation(thing)
        position[2] += entry_height(self._rig.cell.parts[thing.part]) + _CLEARANCE_M
        seconds = float(self._rng.uniform(0.35, 0.8))
        self._servo(thing, position + bias, yaw, turns, seconds)

    def _servo(self, thing, target, yaw, turns, seconds) -> None:
        """Steer the held part's origin to the target through the eyes."""
        rig = self._rig
        for _ in range(round(seconds / TICK_S)):
            self._steer(thing, target, yaw, turns, rate=6.0)
            self._level(thing)
            rig.tick()

    def _level(self, thing: BoardObject) -> None:
        """Tilt the hand so that the part, which leans in the grip, will be upright."""
        arm = self._rig.arm
        in_hand = arm.rotation().T @ self._rig.cell.pose(thing.part)[1][:, 2]
        axis = pointing_down(arm.yaw) @ in_hand
        lean = np.clip([axis[1], -axis[0]], -_MOST_TILT_RAD, _MOST_TILT_RAD)
        arm.tilt = arm.tilt + _LEVELLING_RATE * TICK_S * (lean - arm.tilt)

    def _steer(self, thing, target, yaw, turns, rate, vertical=True) -> None:
        """Move the set-point a little towards where the part would be on target."""
        arm = self._rig.arm
        tool, hand_yaw = self._tool_for(thing, target, yaw, turns)
        gain = rate * TICK_S
        step = gain * (tool - arm.target)
        if not vertical:
            step[2] = 0.0
        arm.target = arm.target + step
        arm.yaw += gain * (hand_yaw - arm.yaw)

    def _push_home(self, thing: BoardObject, bias: np.ndarray, patience_s: float) -> bool:
        """Press and wiggle until the part is seated; False when patience runs out."""
        rig, style = self._rig, self._style
        part = rig.cell.parts[thing.part]
        entry = entry_height(part)
        target, (yaw, turns) = self._fixture(thing)[0], self._orientation(thing)
        meshing, touched = bool(self._meshed(thing)), False
        phase, start, entered_s = self._rng.uniform(0, 2 * np.pi), rig.time_s, None
        while rig.time_s - start < patience_s:
            offset, _ = rig.cell.fixture_pose(thing.part)
            depth = entry - offset[2]
            if not touched and (depth > 0 or rig.pressing_n() > _TOUCHED_N):
                touched = True
                self._skill("Push")
            if thing.twist and rig.cell.parts[thing.part].coupling.on:
                break
            if not thing.twist and rig.cell.status(thing.part)[1]:
                return True
            elapsed = rig.time_s - start
            if depth > _ENTERED_M and entered_s is None:
                entered_s = rig.time_s
            if depth < _ENTERED_M:
                searching = min(1.0, max(0.0, elapsed - 1.0))
                wiggle = 0.5e-3 * searching * circle(2 * np.pi * 1.7 * elapsed + phase)
                shrink = max(0.0, 1 - 0.3 * elapsed)
                aim = target + shrink * bias + wiggle
                if thing.width_m < _THIN_M:
                    # It leans in the fingers, and friction holds its tip: steer that, and more.
                    position, rotation = rig.cell.pose(thing.part)
                    lean = entry * rotation[:, 2]
                    aim += lean + np.clip(0.8 * (target - position + lean), -1e-3, 1e-3)
                self._steer(thing, aim, yaw, turns, 3.0, vertical=False)
                self._level(thing)
                # Patting instead of pressing: what sticks to the rim can slip into the hole.
                pat = 1 - 0.45 * searching * (1 - np.cos(2 * np.pi * 1.3 * elapsed))
                limit = pat * min(style.search_n, _SEARCH_N_M * thing.width_m)
                rig.press(style.careful_m_s / 3, limit)
            else:
                inside_s = rig.time_s - (entered_s or rig.time_s)
                # Easing off again and again, and rocking, frees a peg that has wedged.
                limit = min(style.push_n, 12.0 + 12.0 * inside_s)
                limit *= 0.6 + 0.4 * np.cos(2 * np.pi * 1.4 * inside_s)
                rock = min(0.4e-3, 0.2e-3 * inside_s) * circle(2 * np.pi * 0.9 * inside_s + phase)
                turn = 0.0
                if meshing and _MESHING_DEPTH_M[0] < depth < _MESHING_DEPTH_M[1]:
                    # Press lightly and feel for the gap: pushed, teeth would sit on teeth.
                    limit, turn = _MESHING_N, _MESHING_RAD * np.sin(2 * np.pi * 0.7 * elapsed)
                self._steer(thing, target + rock, yaw + turn, turns, 2.0, vertical=False)
                rig.press(style.careful_m_s / 2, limit)
        if thing.twist and self._coupling(thing).on:
            return self._twist(thing, -_TWIST_RAD, lambda: rig.cell.status(thing.part)[1])
        return False

    def _twist(self, thing: BoardObject, angle: float, done) -> bool:
        """Turn the wrist until the thread or bayonet is closed (angle < 0) or free (> 0)."""
        rig, arm = self._rig, self._rig.arm
        self._skill("Twist")
        turned = 0.0
        arm.yaw_rate = np.sign(angle) * _TWIST_RATE
        while abs(turned) < abs(angle) and not (abs(turned) > _TWIST_LEAST_RAD and done()):
            arm.yaw += arm.yaw_rate * TICK_S
            turned += arm.yaw_rate * TICK_S
            # The thread holds the part upright; the hand has to be, to turn about its axis.
            arm.tilt = (1 - _LEVELLING_RATE * TICK_S) * arm.tilt
            if angle < 0:
                rig.press(0.03, 8.0)
            else:
                rig.pull(0.01, 6.0)
        arm.yaw_rate = 0.0
        return rig.wait_until(done, timeout_s=0.5)

    def _pull_out(self, done) -> bool:
        rig = self._rig
        deadline = rig.time_s + 5.0
        while not done():
            if rig.time_s > deadline:
                return False
            rig.pull(self._style.careful_m_s, 45.0)
        rig.arm.target = rig.arm.position()
        return True

    def _lower(self, thing: BoardObject, target: np.ndarray, yaw: float, turns: int) -> None:
        """Lower, feeling around lightly, until what is held stands where it should."""
        rig = self._rig
        start = rig.time_s
        while self._height(thing) > target[2] + _STANDING_M and rig.time_s - start < 4.0:
            late = max(0.0, rig.time_s - start - 1.5)
            wiggle = min(1.0, late) * 0.6e-3 * circle(11.0 * late)
            self._steer(thing, target + wiggle, yaw, turns, 3.0, vertical=False)
            self._level(thing)
            # Patting, as on the board: what sticks to a pocket's rim can slip in.
            pat = 0.55 + 0.45 * np.cos(8.0 * late)
            rig.press(self._style.careful_m_s * 0.7, 5.0 * pat)

    def _release(self, thing: BoardObject) -> None:
        rig = self._rig
        self._skill("Release")
        rig.arm.target = rig.arm.position()
        rig.arm.width = rig.arm.finger_width()
        rig.arm.width_set = open_width(thing)
        rig.wait_until(lambda: rig.arm.finger_width() > thing.width_m + 0.006, timeout_s=1.0)

    # Geometry

    def _tool_for(self, thing, target, yaw, turns) -> tuple[np.ndarray, float]:
        """Tool position and hand yaw that put the held part's origin on `target` at `yaw`."""
        arm = self._rig.arm
        position, rotation = self._rig.cell.pose(thing.part)
        hand = arm.rotation()
        hand_yaw = np.arctan2(hand[1, 0], hand[0, 0])
        part_yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
        turn = nearest_turn(yaw - part_yaw, turns, hand_yaw)
        offset = rotate(turn, arm.position() - position)
        return target + offset, float(hand_yaw + turn)

    def _grasp_yaw(self, thing: BoardObject, rotation: np.ndarray) -> float:
        """Hand yaw whose fingers close along the part's narrow axis, and suits what follows."""
        across = np.pi / 2 if thing.closing_axis == 0 else 0.0
        preferred = 0.0
        if thing.twist:  # leave the wrist room to turn
            preferred = _TWIST_RAD / 2 * (1 if self._activity == "Pick" else -1)
        if thing.grips == 0:
            return preferred or self._layout.board[2] + across + self._rng.uniform(-0.1, 0.1)
        yaw = np.arctan2(rotation[1, 0], rotation[0, 0]) + across
        return preferred + wrap(yaw - preferred, 2 * np.pi / thing.grips)

    def _fixture(self, thing: BoardObject) -> tuple[np.ndarray, float]:
        cell = self._rig.cell
        fixture = cell.fixture[thing.part]
        rotation = cell.data.xmat[fixture].reshape(3, 3)
        return cell.data.xpos[fixture].copy(), float(np.arctan2(rotation[1, 0], rotation[0, 0]))

    def _meshed(self, thing: BoardObject) -> list[BoardObject]:
        """Gears on the board that the teeth of this one must fit."""
        cell = self._rig.cell
        near = (BY_NAME[name] for name in sorted(neighbours(thing.name)))
        return [gear for gear in near if cell.status(gear.part)[0]]

    def _orientation(self, thing: BoardObject) -> tuple[float, int]:
        """The yaw to insert a part at, and the number of turns that fit as well."""
        cell = self._rig.cell
        position, yaw = self._fixture(thing)
        for gear in self._meshed(thing):
            # Going from gear to gear, a tooth of one must meet a gap of the other.
            teeth, other_teeth = cell.parts[thing.part].teeth, cell.parts[gear.part].teeth
            other, rotation = cell.pose(gear.part)
            towards = np.arctan2(other[1] - position[1], other[0] - position[0])
            other_yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
            phase = np.pi - other_teeth * (towards + np.pi - other_yaw)
            return float(towards - phase / teeth), teeth
        return yaw, thing.turns

    def _height(self, thing: BoardObject) -> float:
        return float(self._rig.cell.pose(thing.part)[0][2])

    def _coupling(self, thing: BoardObject):
        return self._rig.cell.parts[thing.part].coupling

    def _sight_error(self) -> np.ndarray:
        return np.append(self._rng.normal(0, self._style.sight_error_m, 2), 0.0)

    @staticmethod
    def _above(position: np.ndarray, height_m: float) -> np.ndarray:
        return np.asarray(position) + np.array([0.0, 0.0, height_m])

    # Journal

    def _begin(self, activity: str, thing: BoardObject) -> None:
        self._rig.attend(thing)
        self._activity = activity
        self._rig.journal.begin(self._rig.time_s, activity, thing.name)

    def _skill(self, skill: str) -> None:
        self._rig.journal.skill(self._rig.time_s, skill)

    def _end(self, success: bool) -> bool:
        self._rig.journal.end(self._rig.time_s, success)
        return success


def open_width(thing: BoardObject) -> float:
    """How far [m] the fingers open around a part."""
    return min(0.08, thing.width_m + _FINGER_MARGIN_M)
