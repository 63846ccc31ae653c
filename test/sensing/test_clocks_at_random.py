# SPDX-License-Identifier: Apache-2.0
"""Random drifts, dropouts, stalls and deliveries against what a simple oracle expects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from drifting_rig import ALL, SECONDS, truth
from sensor_rig import EPOCH, MS, SECOND, run

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.builder import WindowBuilder

# What a stream may be masked for around an event of its own, or around those of the present [s].
MARGIN_S = 1.5


@dataclass
class Story:
    """What happens to each stream: offsets at times, times without a message, a late delivery."""

    seed: int
    knots_s: np.ndarray = field(init=False)
    offsets_s: dict[str, np.ndarray] = field(init=False)
    dropouts_s: dict[str, tuple[float, float]] = field(init=False)
    delays_ms: dict[str, int] = field(init=False)
    block_ms: int = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        names = rng.permutation(ALL)
        self.knots_s = np.concatenate(([0], np.sort(rng.uniform(1, SECONDS, 4))))
        peaks_s = rng.uniform(-2.5, 2.5, (3, 5)) * rng.choice([0.05, 0.4, 1.0], (3, 1))
        group = rng.integers(0, 2) + 1
        self.offsets_s = {
            name: peaks_s[0 if k < group else k] for k, name in enumerate(names[:3].tolist())
        }
        begins_s = rng.uniform(2, SECONDS - 6, 2)
        self.dropouts_s = {
            name: (begin_s, begin_s + rng.uniform(0.2, 4))
            for name, begin_s in zip(names[5:].tolist(), begins_s, strict=True)
            if rng.random() < 0.7
        }
        self.delays_ms = {name: int(rng.integers(0, 30)) for name in ALL}
        self.block_ms = int(rng.choice([10, 33, 50, 120]))

    def offset_s(self, name: str, time_s: np.ndarray) -> np.ndarray:
        known = self.offsets_s.get(name, np.zeros(len(self.knots_s)))
        return np.interp(time_s, self.knots_s, known)

    def play(self):
        events, arrivals = [], {}
        for true in truth(self.seed % 3):
            times_s = (true.stamps - EPOCH) / SECOND
            begin_s, end_s = self.dropouts_s.get(true.stream, (0, 0))
            if begin_s <= times_s[0] < end_s:
                continue
            shifts = np.round(self.offset_s(true.stream, times_s) * SECOND).astype(np.int64)
            # A driver that follows a clock that is set back gently keeps its order.
            event = replace(true, stamps=true.stamps + shifts)
            events.append(event)
            arrivals[id(event)] = true.ready_ns + self.delays_ms[true.stream] * MS
        events.sort(key=lambda event: arrivals[id(event)])
        builder = WindowBuilder(REASSEMBLE_LAYOUT)
        windows = run(events, self.block_ms * MS, builder, lambda e: arrivals[id(e)])
        return windows, builder

    def healthy_at(self, name: str, time_s: float) -> bool:
        begin_s, end_s = self.dropouts_s.get(name, (-9, -9))
        is_there = not begin_s - 0.2 < time_s < end_s + MARGIN_S
        return name not in self.offsets_s and is_there


def faults(story: Story) -> list[str]:
    windows, builder = story.play()
    found = [f"{builder.counters.resets} resets"] if builder.counters.resets else []
    starts = [window.start_ns for window in windows[1:]]
    if starts != [window.end_ns for window in windows[:-1]]:
        found.append("windows with a hole or an overlap")
    # What is before the reference camera's first frame, or after its last, is not there at all.
    for window in windows:
        time_s = (window.end_ns - EPOCH) / SECOND
        if not 2.7 < time_s < SECONDS - 2.7:
            continue
        for name, is_there in window.mask.items():
            # The reference camera's clock may be the window's: both are to be within the limit.
            if not is_there and story.healthy_at(name, time_s):
                found.append(f"{name} masked at {time_s:.1f}")
    return found


@pytest.mark.parametrize("seed", [*range(12), 37])
def test_healthy_streams_are_whole_whatever_the_others_do(seed):
    assert faults(Story(seed)) == []
