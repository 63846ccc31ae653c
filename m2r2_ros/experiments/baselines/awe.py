# SPDX-License-Identifier: Apache-2.0
"""AWE: automatic waypoint extraction (Shi et al., CoRL 2023) on the end effector's positions.

The fewest frames, first and last among them, such that straight lines from each to the next stay
within a distance of every position between them. The waypoints are taken as segment boundaries.
"""

from __future__ import annotations

import numpy as np

# Candidates for the next waypoint are looked at in blocks, which keeps the memory small.
_BLOCK = 128


def waypoints(positions: np.ndarray, error_m: float) -> list[int]:
    """Frames of the fewest waypoints, from 0 to T - 1, for positions (T, D).

    The distance of every position from the segment between the waypoints around it is at most
    `error_m`. A breadth-first search over frames: what one line reaches, what two lines reach,
    and so on. It is the paper's dynamic programme without the frames that fewer lines reach.
    """
    positions = np.asarray(positions, np.float64)
    last = len(positions) - 1
    previous = np.full(len(positions), -1)
    reached = np.zeros(len(positions), bool)
    reached[:1] = True
    level = [0] if last > 0 else []
    while level and not reached[last]:
        further = []
        for start in level:
            for end in _ends(positions, start, error_m, reached):
                reached[end], previous[end] = True, start
                further.append(int(end))
        level = sorted(further)
    path = [last]
    while path[-1] > 0:
        path.append(int(previous[path[-1]]))
    return path[::-1]


def _ends(positions: np.ndarray, start: int, error: float, reached: np.ndarray) -> np.ndarray:
    """Frames, not yet reached, to which a straight line from `start` is near enough."""
    relative = positions[start + 1 :] - positions[start]
    stop = _horizon(relative, error)
    wanted = np.flatnonzero(~reached[start + 1 : start + 1 + stop])
    good = [
        part[_within(relative, part, error)]
        for part in np.split(wanted, range(_BLOCK, len(wanted), _BLOCK))
        if len(part)
    ]
    return start + 1 + np.concatenate(good) if good else np.empty(0, int)


def _within(relative: np.ndarray, ends: np.ndarray, error: float) -> np.ndarray:
    """Whether every position up to each end is within `error` of the line from 0 to the end."""
    points, lines = relative[: ends[-1] + 1], relative[ends]
    squared = np.einsum("ed,ed->e", lines, lines)[:, None]
    product = lines @ points.T
    along = np.clip(product / np.maximum(squared, np.finfo(float).tiny), 0, 1)
    # |p - a l|^2 = |p|^2 - 2 a p.l + a^2 |l|^2
    distance = np.einsum("pd,pd->p", points, points) - 2 * along * product + along**2 * squared
    between = np.arange(len(points)) < ends[:, None]
    # Rounding of squares that are of the order of `squared`.
    return ~((distance > error**2 + 1e-12 * squared) & between).any(axis=1)


def _horizon(relative: np.ndarray, error: float) -> int:
    """The number of positions after `start` that a line can reach at all.

    A line that passes within `error` of a position at distance d > error leaves within the cone of
    half angle asin(error / d) around its direction. Where the cones of two positions do not meet,
    no line reaches a frame after both.
    """
    for stop in range(_BLOCK, len(relative) + _BLOCK, _BLOCK):
        distance = np.linalg.norm(relative[:stop], axis=1)
        far = np.flatnonzero(distance > error)
        if not len(far):
            continue
        directions = relative[far] / distance[far, None]
        half = np.arcsin(error / distance[far])
        angle = np.arccos(np.clip(directions @ directions.T, -1, 1))
        apart = angle > half[:, None] + half + 1e-6
        first = np.flatnonzero(np.tril(apart).any(axis=1))
        if len(first):
            return int(far[first[0]])
    return len(relative)
