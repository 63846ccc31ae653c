# SPDX-License-Identifier: Apache-2.0
"""Faults of clocks give the same windows however the messages are delivered."""

import pytest
from faulty_clocks import (
    Fault,
    deliveries,
    generated,
    sent,
    short_jump,
    small_group_step,
    small_step,
    step_to_the_limit,
)
from sensor_rig import EPOCH, SECOND, content, without

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.builder import WindowBuilder

SEEDS = range(32)
FEW_SEEDS = range(8)


def outcomes(seed: int, faults: list[Fault], but: frozenset[str]) -> dict[str, tuple]:
    """Windows, `but` for some streams, and resets by the name of the delivery."""
    messages = sent(seed, faults)
    found = {}
    for delivery in deliveries(seed):
        builder = WindowBuilder(REASSEMBLE_LAYOUT)
        windows = without(but, delivery.windows(messages, builder))
        found[delivery.name] = content(windows), builder.counters.resets
    return found


def fallen(generate, seeds, is_seen: bool = True) -> list[str]:
    """What depends on the delivery, nothing when all faults are survived.

    is_seen: the faulty streams are looked at, too.
    """
    lines = []
    for seed in seeds:
        faults = generate(seed)
        but = frozenset() if is_seen else frozenset().union(*(f.streams for f in faults))
        (_, first), *others = outcomes(seed, faults, but).items()
        lines += [f"{seed}: {generate(seed)}, {name}" for name, each in others if each != first]
    print(f"survived {len(seeds) - len({line.split(':')[0] for line in lines})} of {len(seeds)}")
    return lines


def test_faults_of_clocks_are_judged_alike_however_messages_come():
    """The same windows bit for bit: in small and large blocks, late by 40 ms, polled at random."""
    lines = fallen(generated, SEEDS)
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("generate", [small_step, small_group_step, short_jump])
def test_smaller_and_shorter_steps_are_judged_alike_however_messages_come(generate):
    lines = fallen(generate, FEW_SEEDS)
    assert not lines, "\n".join(lines)


def test_a_step_to_the_limit_costs_at_most_the_stream_itself():
    """Within what messages are late by, no rule can tell on which side of the limit a clock is."""
    lines = fallen(step_to_the_limit, FEW_SEEDS, is_seen=False)
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    ("seed", "streams", "begin_s", "end_s", "offset_s"),
    [
        (8, {"hama1", "hama2", "gripper", "wrench"}, 1.34, 2.30, 1.1),
        (30, {"hama2", "pose", "twist", "wrench"}, 1.69, 2.29, -1.5),
    ],
)
def test_streams_that_most_return_to_are_back_at_the_next_whole_second(
    seed, streams, begin_s, end_s, offset_s
):
    """Most have stepped away and come back to where the others have been all the time."""
    messages = sent(seed, [Fault("step", frozenset(streams), begin_s, end_s, offset_s)])
    for delivery in deliveries(seed):
        windows = delivery.windows(messages, WindowBuilder(REASSEMBLE_LAYOUT))
        # Ends between whole seconds, and gap windows where the reference camera is away.
        late = [w for w in windows if (w.end_ns - EPOCH) / SECOND > 3.45]
        assert late, delivery.name
        assert all(all(window.mask.values()) for window in late), delivery.name
