# SPDX-License-Identifier: Apache-2.0
"""Reading a bag: our reader, with its limits and one-line errors, against bare `rosbags`."""

from __future__ import annotations

import tempfile
from collections import deque
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from m2r2_ros.benchmarks.comparison import compare, cpu_seconds_of
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.samples import FRAME_HZ, SIGNAL_HZ, pictures, signal_messages
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.messages.images import IMAGE

# Of recording; a few hundred megabytes of it are pictures.
SECONDS = 10
STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}


def run(options: Options) -> dict[str, Any]:
    """CPU seconds for all messages of a bag; `ratio` is the worse of the two storages'."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="m2r2_bench_bags_") as folder:
        for name, storage in STORAGES.items():
            bag = Path(folder, name)
            count = write_bag(bag, storage, SECONDS)
            result = compare(
                cpu_seconds_of(lambda bag=bag: _ours(bag)),
                cpu_seconds_of(lambda bag=bag: _bare(bag)),
                max(5, options.repetitions),
            )
            results[name] = result | {"unit": "s of CPU", "messages": count}
    return {"ratio": max(result["ratio"] for result in results.values()), **results}


def write_bag(path: Path, storage: StoragePlugin, seconds: int) -> int:
    """Three signals at 1 kHz and a 320x240 camera; returns the number of messages."""
    messages = [
        (log_ns, topic, kind, message)
        for topic, (kind, stamped) in signal_messages(seconds * SIGNAL_HZ).items()
        for log_ns, message in stamped
    ]
    messages += [
        (log_ns, "/camera", IMAGE, message) for log_ns, message in pictures(seconds * FRAME_HZ)
    ]
    messages.sort(key=lambda entry: entry[0])
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=typestore())
            for topic, kind in {topic: kind for _, topic, kind, _ in messages}.items()
        }
        for log_ns, topic, _, message in messages:
            writer.write(connections[topic], log_ns, message)
    return len(messages)


def _ours(path: Path) -> None:
    with open_bag(path) as bag:
        deque(bag.messages(), maxlen=0)


def _bare(path: Path) -> None:
    with Reader(path) as reader:
        deque(reader.messages(), maxlen=0)
