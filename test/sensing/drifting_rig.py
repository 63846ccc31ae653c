# SPDX-License-Identifier: Apache-2.0
"""A rig whose clocks creep apart: what each variant is, and what has to come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from sensor_rig import EPOCH, MS, SECOND, Event, audio, camera, signal, ticks

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

LIMIT_S = SensingLimits().jump_s
ALL = REASSEMBLE_LAYOUT.modalities
RATES_HZ = {"hama1": 30, "hama2": 30, "wrench": 250, "pose": 250, "twist": 100, "gripper": 30}
SECONDS = 26
# Offset at these times: creeping over the limit, then, as in a time lapse, further off and back.
CREEP_S, OFF_S, HELD_S, BACK_S = 6, 10, 14, 20
# A stream that is left out is seen for so long by what it brought before, or comes back so late.
SETTLED_S = 3.0


@dataclass(frozen=True)
class Drift:
    """`streams` of `layout` drift together by `ppm` over the limit, to `peak_s`, and back.

    left_out  the side that has to be left out beyond the limit.
    skews     constant offsets of other streams [s].
    """

    streams: tuple[str, ...]
    ppm: float
    peak_s: float = 3.0
    layout: tuple[str, ...] = ALL
    left_out: tuple[str, ...] | None = None
    skews: tuple[tuple[str, float], ...] = ()
    seed: int = 0

    def __str__(self) -> str:
        sides = f"{'+'.join(self.streams)} of {len(self.layout)}"
        skewed = "".join(f" {name}{skew:+g}" for name, skew in self.skews)
        return f"{sides} {self.ppm:+g} ppm to {self.peak_s:g} s{skewed} seed {self.seed}"

    @property
    def loser(self) -> frozenset[str]:
        return frozenset(self.streams if self.left_out is None else self.left_out)

    def offset_s(self, times_s: np.ndarray) -> np.ndarray:
        """Offset of the drifting clocks at true times since the start."""
        sign = np.sign(self.ppm)
        at_limit = LIMIT_S - abs(self.ppm) * 1e-6 * CREEP_S / 2
        crept = LIMIT_S + abs(self.ppm) * 1e-6 * CREEP_S / 2
        known = [0, CREEP_S, OFF_S, HELD_S, BACK_S]
        return sign * np.interp(times_s, known, [at_limit, crept, self.peak_s, self.peak_s, 0])

    def sensor_layout(self) -> SensorLayout:
        return SensorLayout(
            cameras=tuple(name for name in self.layout if name.startswith("hama")),
            audio="audio" in self.layout,
            signals=tuple(n for n in self.layout if n != "audio" and not n.startswith("hama")),
        )

    def events(self) -> tuple[list[Event], dict[int, int]]:
        """The messages as they arrive, and when each does [ns]."""
        events, arrivals = [], {}
        skews = dict(self.skews)
        moved = {*self.streams, *skews}
        for true in truth(self.seed):
            if true.stream not in self.layout:
                continue
            event = true
            if true.stream in moved:
                shift_s = np.full(len(true.stamps), skews.get(true.stream, 0.0))
                if true.stream in self.streams:
                    shift_s += self.offset_s((true.stamps - EPOCH) / SECOND)
                shifts = np.round(shift_s * SECOND).astype(np.int64)
                event = replace(true, stamps=true.stamps + shifts)
            events.append(event)
            arrivals[id(event)] = true.ready_ns
        return events, arrivals


@cache
def truth(seed: int) -> list[Event]:
    """All streams with right clocks, in the order in which their messages become ready."""
    rng = np.random.default_rng(seed)
    events = [
        *(e for n in ("hama1", "hama2") for e in camera(n, times(n, 3 * MS, rng), rng)),
        *(e for n in ("wrench", "pose") for e in signal(n, times(n, MS // 3, rng), rng, batch=10)),
        *signal("twist", times("twist", MS, rng), rng, batch=4),
        *signal("gripper", times("gripper", 2 * MS, rng), rng, batch=1),
        *audio(rng.uniform(-0.5, 0.5, 16_000 * SECONDS).astype("f4"), 16_000, EPOCH, chunk=640),
    ]
    return sorted(events, key=lambda event: event.ready_ns)


def times(name: str, jitter_ns: int, rng: np.random.Generator) -> np.ndarray:
    return ticks(SECONDS, RATES_HZ[name], jitter_ns, rng)


def variants() -> Sequence[Drift]:
    """At least 50 of the kind, 31 of them single streams and groups to three seconds and back."""
    ppm = [20, -20, 50, -50, 200, -200, 1000, -1000]
    robot = ("wrench", "pose", "twist")
    found = [Drift((name,), p, seed=k % 3) for k, name in enumerate(ALL) for p in ppm[k % 2 :: 3]]
    groups = [("hama1", "hama2"), robot, ("audio", "gripper"), ("hama2", "pose", "gripper")]
    found += [Drift(group, p, seed=k) for k, group in enumerate(groups) for p in ppm[k % 2 :: 3]]
    # The majority is kept, whichever side drifts.
    for drifting in (("hama1", "hama2", *robot), (*robot, "gripper")):
        rest = tuple(name for name in ALL if name not in drifting)
        found += [Drift(drifting, p, 1.8, left_out=rest) for p in (100, -100)]
    # Of two halves the one with the reference camera is kept.
    six = tuple(name for name in ALL if name != "audio")
    for layout in (six, ("hama1", "hama2", "wrench", "gripper"), ("hama1", "wrench")):
        half = len(layout) // 2
        for drifting in (layout[:half], layout[half:]):
            found += [
                Drift(drifting, p, 1.8, layout=layout, left_out=layout[half:]) for p in (60, -60)
            ]
    # Others are not together either, but within what is accepted.
    skews = (("gripper", 0.5), ("wrench", 0.2), ("hama2", -0.05))
    found += [Drift(("audio",), p, skews=skews) for p in (100, -100)]
    found += [Drift(("hama1",), p, skews=(("pose", 0.7), ("twist", 0.7))) for p in (100, -100)]
    return found
