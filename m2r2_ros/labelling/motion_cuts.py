# SPDX-License-Identifier: Apache-2.0
"""Where the end effector's motion says that one thing ends and another begins.

At rests: where it is slowest between two movements (the zero-velocity crossings of Fod, Mataric and
Jenkins, 2002). At turns: where the path is best divided into straight stretches of constant speed
(segmented least squares; Bellman, 1961). Scripted arms rest between their actions, taught ones
often turn only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

_RATE_HZ = 20
# Of a longer pause, or where the clock has jumped, nothing is known [s].
_PAUSE_S = 10.0
# Speed is a mean over this time; below this part of a fast movement's the arm rests.
_SMOOTH_S, _RESTING = 0.25, 0.1
# A movement is this many times as fast as the rests around it.
_FASTER = 2.0
# Straight stretches on average, and at most; turns as near to a rest are left out [s].
_STRETCH_S, _LONGEST_S, _NEAR_S = 3.0, 15.0, 0.6
# Positions a second that turns are looked for in, and what another stretch has to save [m^2].
_TURNS_HZ = 10
_PENALTIES, _BISECTIONS = (1e-9, 1e3), 12


def rest_times(times_s: np.ndarray, positions: np.ndarray) -> list[float]:
    """Where it rests, in order; positions (N, 3) in metres at times (N,)."""
    pieces = _pieces(times_s, positions)
    return sorted(time for grid, path in pieces for time in grid[rests(*_speed(path))].tolist())


def turn_times(times_s: np.ndarray, positions: np.ndarray) -> list[float]:
    """Where it turns and does not rest, in order; positions (N, 3) in metres at times (N,)."""
    return sorted(time for piece in _pieces(times_s, positions) for time in _turn_times(*piece))


def _turn_times(grid: np.ndarray, path: np.ndarray) -> list[float]:
    speed, floor = _speed(path)
    resting = grid[rests(speed, floor)].tolist()
    found: list[float] = []
    stride, near = _RATE_HZ // _TURNS_HZ, _RATE_HZ // 2
    for frame in turns(path[::stride]) * stride:
        moves = speed[max(0, frame - near) : frame + near + 1].max() > floor
        if moves and all(abs(grid[frame] - other) > _NEAR_S for other in (*resting, *found)):
            found.append(float(grid[frame]))
    return found


def _pieces(times_s: np.ndarray, positions: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What lies between jumps of the clock and long pauses, as `_regular` gives it."""
    steps_s = np.diff(times_s)
    starts = np.flatnonzero((steps_s < 0) | (steps_s > _PAUSE_S)) + 1
    pairs = zip(np.split(times_s, starts), np.split(positions, starts), strict=True)
    yield from (piece for piece in (_regular(*pair) for pair in pairs) if len(piece[0]))


def _regular(times_s: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times and positions at `_RATE_HZ`; none of what is too short to have a speed."""
    grid = np.arange(times_s[0], times_s[-1], 1 / _RATE_HZ)
    path = np.stack([np.interp(grid, times_s, column) for column in positions.T], axis=1)
    return (grid, path) if len(grid) > 2 else (grid[:0], path[:0])


def _speed(path: np.ndarray) -> tuple[np.ndarray, float]:
    """Speed of each frame, and the one below which the arm rests [m/s]."""
    width = round(_SMOOTH_S * _RATE_HZ)
    speed = np.linalg.norm(np.gradient(path, axis=0), axis=1) * _RATE_HZ
    speed = np.convolve(speed, np.full(width, 1 / width), "same")
    return speed, _RESTING * float(np.percentile(speed, 95))


def rests(speed: np.ndarray, floor: float) -> np.ndarray:
    """Frames at which it is slowest between two movements, of a rest the last one."""
    frames = []
    speed = np.maximum(speed, max(floor, 1e-9))
    slowest = fastest = 0
    is_slowing = True
    for frame, value in enumerate(speed):
        if is_slowing and value <= speed[slowest]:
            slowest = frame
        elif is_slowing and value > _FASTER * speed[slowest]:
            # It may set out at once.
            frames += [slowest] if slowest else []
            is_slowing, fastest = False, frame
        elif not is_slowing and value > speed[fastest]:
            fastest = frame
        elif not is_slowing and _FASTER * value < speed[fastest]:
            is_slowing, slowest = True, frame
    return np.array(frames, int)


def turns(path: np.ndarray) -> np.ndarray:
    """First frames of the straight stretches but the first, about one in `_STRETCH_S`."""
    wanted = max(1, round(len(path) / _TURNS_HZ / _STRETCH_S))
    costs = _costs(path, min(len(path), round(_LONGEST_S * _TURNS_HZ)))
    low, high = map(math.log, _PENALTIES)
    best: list[int] = []
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        found = _divided(costs, math.exp(middle))
        if abs(len(found) - wanted) < abs(len(best) - wanted):
            best = found
        low, high = (middle, high) if len(found) > wanted else (low, middle)
    return np.array(best, int)


def _costs(path: np.ndarray, longest: int) -> np.ndarray:
    """[end, n - 1]: squared distances of the n frames before `end` from their best straight line.

    Of uniform motion along it; inf where there are not so many frames.
    """
    frames = len(path)
    times = np.arange(frames, dtype=float)
    path = path - path.mean(axis=0)
    sums = _summed(path), _summed((path**2).sum(axis=1)), _summed(path * times[:, None])
    costs = np.full((frames + 1, longest), np.inf)
    for count in range(1, longest + 1):
        point, square, moment = (each[count:] - each[:-count] for each in sums)
        # About the middle of the stretch.
        moment = moment - (times[: frames - count + 1] + (count - 1) / 2)[:, None] * point
        spread = count * (count**2 - 1) / 12 or 1.0
        residual = square - (point**2).sum(axis=1) / count - (moment**2).sum(axis=1) / spread
        costs[count:, count - 1] = np.maximum(residual, 0)
    return costs


def _summed(values: np.ndarray) -> np.ndarray:
    """[i]: the sum of the first i rows."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


def _divided(costs: np.ndarray, penalty: float) -> list[int]:
    """First frames of the stretches, 0 left out, with the least sum of costs and penalties."""
    ends, longest = costs.shape
    total = np.zeros(ends)
    length = np.zeros(ends, int)
    for end in range(1, ends):
        before = total[max(0, end - longest) : end][::-1]
        sums = before + costs[end, : len(before)]
        length[end] = 1 + int(sums.argmin())
        total[end] = sums[length[end] - 1] + penalty
    firsts = []
    end = ends - 1
    while end > 0:
        end -= length[end]
        firsts.append(int(end))
    return firsts[-2::-1]
