# SPDX-License-Identifier: Apache-2.0
"""Faults of clocks give the same windows however the messages are delivered."""

from faulty_clocks import deliveries, generated, sent
from sensor_rig import content

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.builder import WindowBuilder

SEEDS = range(50)


def outcomes(seed: int) -> dict[str, tuple]:
    """Windows and resets by the name of the delivery."""
    messages = sent(seed, generated(seed))
    found = {}
    for delivery in deliveries(seed):
        builder = WindowBuilder(REASSEMBLE_LAYOUT)
        windows = delivery.windows(messages, builder)
        found[delivery.name] = content(windows), builder.counters.resets
    return found


def test_faults_of_clocks_are_judged_alike_however_messages_come():
    """The same windows bit for bit: in small and large blocks, late by 40 ms, polled at random."""
    fallen = []
    for seed in SEEDS:
        (_, first), *others = outcomes(seed).items()
        fallen += [f"{seed}: {generated(seed)}, {name}" for name, each in others if each != first]
    tried = len(SEEDS)
    print(f"survived {tried - len({line.split(':')[0] for line in fallen})} of {tried}")
    assert not fallen, "\n".join(fallen)
