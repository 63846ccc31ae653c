# SPDX-License-Identifier: Apache-2.0
"""Bags of any types, and all that is read of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.sensing.layout import SensorLayout

SECOND, START = 10**9, 1_700_000_000 * 10**9


def stamp(k: int) -> int:
    """The k-th of a hundred a second."""
    return START + k * SECOND // 100


def write(
    path: Path,
    streams: dict[str, tuple[str, list[bytes]]],
    store: Any,
    storage: StoragePlugin = StoragePlugin.MCAP,
    late_ns: int = 0,
    stamps: Callable[[int], int] = stamp,
) -> Path:
    """`streams`: topic -> type and messages; each is recorded when it was stamped, or later."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        for topic, (kind, messages) in streams.items():
            connection = writer.add_connection(topic, kind, typestore=store)
            for k, message in enumerate(messages):
                writer.write(connection, stamps(k) + late_ns, message)
    return path


@dataclass
class Read:
    """All that a recording holds of a layout's sensors; pictures are decoded."""

    signals: dict[str, tuple[np.ndarray, np.ndarray]]
    audio: list[tuple[int, np.ndarray, int]]
    images: list[tuple[str, int, np.ndarray]]
    problems: list[str]


def read(path: Path, layout: SensorLayout, topics: TopicMap) -> Read:
    """Read a bag from beginning to end."""
    signals, audio, images = {}, [], []
    with open_source(path, topics) as source:
        for batch in source.batches(layout):
            for name, (stamps, values) in batch.signals.items():
                signals.setdefault(name, []).append((stamps, values))
            audio += batch.audio
            images += [(camera, at, picture()) for camera, at, picture in batch.images]
        problems = list(source.problems)
    parts = {n: tuple(map(np.concatenate, zip(*each, strict=True))) for n, each in signals.items()}
    return Read(parts, audio, images, problems)


def topic_map(**inputs: SensorInput) -> TopicMap:
    """A robot file with these sensors."""
    topics = {name: said.topic for name, said in inputs.items()}
    return TopicMap(topics, reference_camera="", signals=inputs)
