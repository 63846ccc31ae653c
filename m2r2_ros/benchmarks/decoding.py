# SPDX-License-Identifier: Apache-2.0
"""Proprioceptive messages as arrays: one NumPy view of a batch against one message at a time.

Ours: `decode_batch` on a batch of 0.1 s at 1 kHz, as it waits when a window closes, and on one of
10 s. Reference: `rosbags`' `deserialize_cdr` for each message, and its numbers put into an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from m2r2_ros.benchmarks.comparison import compare, cpu_seconds_of
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.samples import signal_messages
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.messages.signals import WRENCH, decode_batch

BATCHES = (100, 10_000)
# As many messages for every size of batch.
_TOTAL = 20_000


def run(options: Options) -> dict[str, Any]:
    """CPU seconds for 20,000 wrenches; `ratio` is that of the small batches, the worse one."""
    _, timed = signal_messages(_TOTAL)["/wrench"]
    messages = [message for _, message in timed]
    results: dict[str, Any] = {}
    for size in BATCHES:
        batches = [messages[i : i + size] for i in range(0, _TOTAL, size)]
        results[f"batches_of_{size}"] = compare(
            cpu_seconds_of(lambda batches=batches: [decode_batch(WRENCH, b) for b in batches]),
            cpu_seconds_of(lambda: one_by_one(messages)),
            max(5, options.repetitions),
        ) | {"unit": "s of CPU", "messages": _TOTAL}
    return {"ratio": results[f"batches_of_{BATCHES[0]}"]["ratio"], **results}


def one_by_one(messages: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Stamps int64 (n,) and values float64 (n, 6)."""
    deserialize = typestore().deserialize_cdr
    stamps, values = [], []
    for message in messages:
        wrench = deserialize(message, WRENCH)
        stamp, force, torque = wrench.header.stamp, wrench.wrench.force, wrench.wrench.torque
        stamps.append(stamp.sec * 1_000_000_000 + stamp.nanosec)
        values.append((force.x, force.y, force.z, torque.x, torque.y, torque.z))
    return np.array(stamps), np.array(values)
