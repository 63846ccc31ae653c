# SPDX-License-Identifier: Apache-2.0
"""Generated faults of clocks, and ways in which the same messages may be delivered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from sensor_rig import EPOCH, MS, SECOND, Event, audio, camera, signal, ticks

SECONDS = 4
CAMERAS = ("hama1", "hama2")
RATES_HZ = {"wrench": 200, "pose": 200, "twist": 100, "gripper": 30}
STREAMS = (*CAMERAS, *RATES_HZ, "audio")
# Steps of clocks [s]: around what is a step at all, and far beyond.
STEPS_S = (1.02, 1.04, 1.06, 1.1, 1.2, 1.5, 2.0, 20.0, 1e5)
LATEST_MS = 40
# A clock that is further away does not come back; at this limit [s], less what messages are late
# by, readings decide.
RETURN_S = 0.9 - LATEST_MS / 1000


@cache
def truth(seed: int) -> list[Event]:
    """All streams with right clocks; a message at a time, as a robot sends them."""
    rng = np.random.default_rng(seed)
    events = [
        *camera("hama1", ticks(SECONDS, 30, 3 * MS, rng), rng),
        *camera("hama2", ticks(SECONDS, 30, 3 * MS, rng) + 11 * MS, rng),
        *(
            event
            for name, rate_hz in RATES_HZ.items()
            for event in signal(name, ticks(SECONDS, rate_hz, MS // 3, rng), rng, 1 + rate_hz // 60)
        ),
        *audio(
            rng.uniform(-0.5, 0.5, (16_000 * SECONDS, 1)).astype("f4"),
            16_000,
            EPOCH,
            int(rng.choice([320, 480, 1600, 4800])),
        ),
    ]
    return sorted(events, key=lambda event: event.ready_ns)


@dataclass(frozen=True)
class Fault:
    """What happens to `streams` from `begin_s` to `end_s` of true time.

    kind  "step": their clocks are `offset_s` off; "pause": they bring nothing; "odd": every few
          messages a stamp is; "zero": stamps are zero; "again": messages come twice.
    """

    kind: str
    streams: frozenset[str]
    begin_s: float
    end_s: float
    offset_s: float = 0.0

    def apply(self, true: Event, event: Event, rng: np.random.Generator) -> list[Event]:
        time_s = (true.ready_ns - EPOCH) / SECOND
        if event.stream not in self.streams or not self.begin_s < time_s < self.end_s:
            return [event]
        if self.kind == "step":
            return [event.moved(round(self.offset_s * SECOND))]
        if self.kind == "odd":
            is_odd = rng.random() < 0.05
            return [event.moved(int(rng.integers(-(2**40), 2**40)) if is_odd else 0)]
        if self.kind == "zero":
            return [replace(event, stamps=np.zeros_like(event.stamps))]
        return [event, event] if self.kind == "again" else []


def generated(seed: int) -> list[Fault]:
    """A fault of half of the streams or more, or up to two of fewer."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(STREAMS).tolist()
    count = int(rng.choice([1, 1, 1, 2, 3, 4, 5, 7]))
    faults = [_fault(frozenset(names[:count]), rng)]
    if count < 3 and rng.random() < 0.5:
        faults.append(_fault(frozenset(names[count : count + 1]), rng))
    return faults


def _fault(streams: frozenset[str], rng: np.random.Generator) -> Fault:
    begin_s = float(rng.uniform(0.5, SECONDS - 1.5))
    # What most do lasts: whether it is a jump of time is known when it has.
    lasts_s = float(rng.choice([0.3, 0.7, 1.5, SECONDS])) if len(streams) < 4 else SECONDS
    offset_s = float(rng.choice([-1, 1]) * rng.choice(STEPS_S))
    kinds = ["step"] * 6 + ["pause", "again"] + ["odd", "zero"] * (len(streams) == 1)
    return Fault(str(rng.choice(kinds)), streams, begin_s, begin_s + lasts_s, offset_s)


def small_step(seed: int) -> list[Fault]:
    """A clock or two step by less than a jump, for good or for a while."""
    rng, names = _drawn(seed)
    lasts_s = float(rng.choice([0.3, 0.7, 1.5, SECONDS]))
    offset_s = float(rng.choice([-1, 1]) * rng.uniform(0.02, RETURN_S))
    return [_step(names[: int(rng.choice([1, 1, 2]))], offset_s, lasts_s, rng)]


def small_group_step(seed: int) -> list[Fault]:
    """Many clocks, or all, step together by less than a jump."""
    rng, names = _drawn(seed)
    offset_s = float(rng.choice([-1, 1]) * rng.uniform(0.4, RETURN_S))
    return [_step(names[: int(rng.choice([3, 4, 5, 6, 7]))], offset_s, SECONDS, rng)]


def short_jump(seed: int) -> list[Fault]:
    """About half of the clocks jump, and return soon."""
    rng, names = _drawn(seed)
    offset_s = float(rng.choice([-1, 1]) * rng.choice(STEPS_S))
    return [_step(names[: int(rng.choice([3, 4]))], offset_s, rng.uniform(0.2, 1.5), rng)]


def step_to_the_limit(seed: int) -> list[Fault]:
    """A clock, though not the reference camera's, steps to where readings decide."""
    rng, names = _drawn(seed)
    names.remove(CAMERAS[0])
    offset_s = float(rng.choice([-1, 1]) * rng.uniform(0.88, 0.92))
    return [_step(names[: int(rng.choice([1, 1, 2]))], offset_s, SECONDS, rng)]


def _drawn(seed: int) -> tuple[np.random.Generator, list[str]]:
    rng = np.random.default_rng([seed, 1])
    return rng, rng.permutation(STREAMS).tolist()


def _step(names: list[str], offset_s: float, lasts_s: float, rng: np.random.Generator) -> Fault:
    begin_s = float(rng.uniform(0.6, SECONDS - 2))
    return Fault("step", frozenset(names), begin_s, begin_s + lasts_s, offset_s)


def sent(seed: int, faults: list[Fault]) -> list[tuple[int, Event]]:
    """True times [ns] and messages."""
    rng = np.random.default_rng(seed)
    messages = []
    for true in truth(seed % 4):
        events = [true]
        for fault in faults:
            events = [each for event in events for each in fault.apply(true, event, rng)]
        messages += [(true.ready_ns, event) for event in events]
    return messages


@dataclass(frozen=True)
class Delivery:
    """Each stream's messages come so much later, and are polled whenever `cuts` says so."""

    name: str
    delays_ms: tuple[int, ...]
    cuts: Callable[[int, int], bool]

    def windows(self, messages: list[tuple[int, Event]], builder):
        delays = dict(zip(STREAMS, self.delays_ms, strict=True))
        come = [(sent_ns + delays[e.stream] * MS, e) for sent_ns, e in messages]
        come.sort(key=lambda each: each[0])
        windows = []
        for k, (now_ns, event) in enumerate(come):
            event.feed(builder)
            if k + 1 == len(come) or self.cuts(now_ns, come[k + 1][0]):
                windows += builder.poll()
        return windows + builder.flush()


def in_blocks(block_ms: int) -> Callable[[int, int], bool]:
    return lambda now_ns, next_ns: now_ns // (block_ms * MS) != next_ns // (block_ms * MS)


def deliveries(seed: int) -> list[Delivery]:
    """In blocks, late by up to 40 ms, polled at random."""
    rng = np.random.default_rng(seed)
    none, some = (0,) * 7, tuple(rng.integers(0, LATEST_MS + 1, 7).tolist())
    return [
        Delivery("blocks of 5 ms", none, in_blocks(5)),
        Delivery("blocks of 50 ms", none, in_blocks(50)),
        Delivery(f"late by {some} ms", some, in_blocks(33)),
        Delivery("polled at random", some, lambda now_ns, next_ns: rng.random() < 0.25),
    ]
