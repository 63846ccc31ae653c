# SPDX-License-Identifier: Apache-2.0
"""Clocks that step away, come back, and step away again before they are trusted anew."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_rig import EPOCH, SECOND, SPARSE_HZ, sparse

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.builder import WindowBuilder

OTHERS = ["hama2", "audio", *SPARSE_HZ]
# One that is back is seen again from the next whole second on, or two or three later.
PATIENCE_S = 3.2
# Begin, end and offset [s].
Visit = tuple[float, float, float]


def masked_s(visits: dict[str, list[Visit]], seconds: int, poll_s: float = 0.0) -> dict[str, float]:
    """When each stream was last masked; there is one window a frame, and time does not jump.

    poll_s: for how long messages gather, as in a process that is not let run.
    """
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    windows = []
    polled_s = 0.0
    for event in sparse(seconds):
        time_s = (event.ready_ns - EPOCH) / SECOND
        if time_s >= polled_s + poll_s:
            windows += builder.poll()
            polled_s = time_s
        offset_s = sum(o for begin, end, o in visits.get(event.stream, ()) if begin < time_s < end)
        event.moved(round(offset_s * SECOND)).feed(builder)
        assert len(windows) < 11 * seconds
    windows += builder.flush()
    assert len(windows) > 10 * seconds - 3
    assert builder.counters.resets == 0
    last_s = dict.fromkeys(REASSEMBLE_LAYOUT.modalities, 0.0)
    for window in windows:
        gone = [name for name, is_there in window.mask.items() if not is_there]
        last_s |= dict.fromkeys(gone, (window.end_ns - EPOCH) / SECOND)
    return last_s


@pytest.mark.parametrize("seed", range(10))
def test_a_clock_that_steps_away_twice_comes_back(seed):
    """The second time it was trusted for less than a second."""
    rng = np.random.default_rng(seed)
    offset_s = float(rng.choice([-1, 1]) * rng.choice([3, 60, 3600, 1e5]))
    again_s = float(rng.uniform(6.05, 6.8))
    end_s = again_s + float(rng.choice([0.06, 0.3, 0.6]))
    visits = [(2.0, float(rng.uniform(5.4, 5.95)), offset_s), (again_s, end_s, offset_s)]
    away = rng.permutation(OTHERS)[: rng.integers(1, 4)].tolist()
    last_s = masked_s(dict.fromkeys(away, visits), 11)
    assert max(last_s[name] for name in away) < end_s + PATIENCE_S
    assert max(last_s[name] for name in last_s.keys() - set(away)) < 1


def test_most_clocks_that_step_away_twice_do_not_take_the_present_along():
    """One after the other, never half of them at one time: an hour of windows is none of theirs."""
    first = [(2.0, 5.7, 3600.0), (6.3, 6.36, 3600.0)]
    second = [(8.0, 11.7, 3600.0), (12.3, 12.36, 3600.0)]
    visits = {"wrench": first, "hama2": first, "pose": first, "twist": second, "gripper": second}
    assert max(masked_s(visits, 16).values()) < 12.36 + PATIENCE_S


@pytest.mark.parametrize("offset_s", [-3600.0, -10.0, 10.0, 3600.0])
@pytest.mark.parametrize("end_s", [5.75, 5.85, 5.97])
@pytest.mark.parametrize("poll_s", [0.13, 0.31, 0.53])
def test_what_a_wrong_clock_has_said_just_before_it_came_back_is_not_taken(offset_s, end_s, poll_s):
    """Both sides of the step, and the second from which it is trusted, in one poll."""
    visits = {name: [(2.0, end_s, offset_s)] for name in ("pose", "gripper")}
    last_s = masked_s(visits, 11, poll_s)
    assert max(last_s["pose"], last_s["gripper"]) < end_s + PATIENCE_S + poll_s
