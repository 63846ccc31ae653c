# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong with a stream, windows without it come with the cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sensor_rig import EPOCH, SECOND, Event, sparse

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.builder import WindowBuilder

SECONDS = 5
BEGINS_NS = EPOCH + 2 * SECOND
STREAMS = ("hama1", "audio", "wrench")

Fault = Callable[[Event], list[Event]]


def stamped(stamp_ns: int) -> Fault:
    return lambda event: [replace(event, stamps=np.full_like(event.stamps, stamp_ns))]


def every_second(offset_s: int) -> Fault:
    seen = []

    def alternate(event: Event) -> list[Event]:
        seen.append(event)
        return [event.moved(offset_s * SECOND * (len(seen) % 2))]

    return alternate


def spoilt(value: float) -> Fault:
    return lambda event: [replace(event, payload=np.full_like(event.payload, value))]


# What may be said of it: as no stamp is used, the last of what came before grows old, too.
OLD, ODD = ("no frame for", "no sample for", "a part is missing"), ("stamps are", "its clock")
FAULTS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "silent": (lambda event: [], OLD),
    "before 1970": (stamped(-5 * SECOND), ("stamps are behind",)),
    "as far back as stamps go": (stamped(-(2**31) * SECOND), ("stamps are behind",)),
    "zero": (stamped(0), ("stamps are zero",)),
    "an hour ahead": (lambda event: [event.moved(3600 * SECOND)], ("its clock is more than 1 s",)),
    "an hour behind": (lambda event: [event.moved(-3600 * SECOND)], ("its clock is more than",)),
    "standing still": (stamped(BEGINS_NS), ("stamps stand still",)),
    "standing still ahead": (stamped(BEGINS_NS + 3600 * SECOND), ("stamps are ahead",)),
    "in turn 2^30 s ahead": (every_second(2**30), (*OLD, *ODD)),
}


def end_of(name: str, fault: Fault) -> WindowBuilder:
    """After three seconds of the fault."""
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    for event in sparse(SECONDS):
        is_faulty = event.stream == name and event.ready_ns > BEGINS_NS
        for each in fault(event) if is_faulty else [event]:
            each.feed(builder)
        builder.poll()
    return builder


def cause(name: str, builder: WindowBuilder) -> str:
    counters = builder.counters.streams[name]
    return counters.reason or counters.absence


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_cause_is_there(name, fault):
    builder = end_of(name, FAULTS[fault][0])
    counters = builder.counters.streams
    if not counters[name].absence:
        # Every second message is enough for a sensor that may be held that long.
        assert fault.startswith("in turn")
        assert counters[name].masked < 30
        return
    assert cause(name, builder).startswith(FAULTS[fault][1])
    others = REASSEMBLE_LAYOUT.modalities
    assert {each: counters[each].absence for each in others if each != name} == dict.fromkeys(
        [each for each in others if each != name], ""
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("name", ["wrench", "audio"])
def test_values_that_are_no_measurement_are_the_cause(name, value):
    assert "NaN, infinite or beyond" in cause(name, end_of(name, spoilt(value)))


def test_sound_of_another_rate_than_is_stated_is_noticed():
    """Three times as many samples as fit between two stamps: the rest was heard before."""

    def thrice(event: Event) -> list[Event]:
        return [replace(event, payload=np.repeat(event.payload, 3, axis=0))]

    assert "overlap by their stamps" in end_of("audio", thrice).counters.streams["audio"].notice
    assert not end_of("audio", lambda event: [event]).counters.streams["audio"].notice
