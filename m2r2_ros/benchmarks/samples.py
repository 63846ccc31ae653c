# SPDX-License-Identifier: Apache-2.0
"""Serialised sensor messages as a robot sends them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import numpy as np

from m2r2_ros.messages.definitions import typestore
from m2r2_ros.messages.encode import encode_vectors
from m2r2_ros.messages.images import IMAGE
from m2r2_ros.messages.signals import POSE, TWIST, WRENCH

SIGNAL_HZ, FRAME_HZ = 1000, 30
TYPES = {"/wrench": (WRENCH, 6), "/pose": (POSE, 7), "/twist": (TWIST, 6)}
Timed = tuple[int, bytes]


def signal_messages(count: int) -> dict[str, tuple[str, list[Timed]]]:
    """Topic -> type and `count` messages at 1 kHz with their times [ns]."""
    random = np.random.default_rng(0)
    stamps = 1_000_000_000 + np.arange(count) * (1_000_000_000 // SIGNAL_HZ)
    made = {}
    for topic, (kind, width) in TYPES.items():
        messages = encode_vectors(kind, stamps, random.normal(0, 1, (count, width)), "hand")
        made[topic] = kind, list(zip(stamps.tolist(), messages, strict=True))
    return made


def pictures(count: int) -> Iterator[Timed]:
    """`count` raw 320x240 frames at 30 Hz, all of one content."""
    types = typestore().types
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](1, 0), "camera")
    pixels = np.random.default_rng(0).integers(0, 256, 320 * 240 * 3, np.uint8)
    image = types[IMAGE](header, 240, 320, "rgb8", 0, 960, pixels)
    message = bytes(typestore().serialize_cdr(image, IMAGE))
    times = (1_000_000_000 + k * 1_000_000_000 // FRAME_HZ for k in range(count))
    return zip(times, repeat(message), strict=False)
