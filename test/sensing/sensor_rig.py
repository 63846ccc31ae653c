# SPDX-License-Identifier: Apache-2.0
"""A rig of simulated sensors: events as they would arrive, and ways to feed and compare them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.window import SensorWindow
from m2r2_ros.signal_presets import PRESETS

MS = 1_000_000
SECOND = 1000 * MS
EPOCH = 1_700_000_000 * SECOND
SPARSE_HZ = {"wrench": 20, "pose": 20, "twist": 20, "gripper": 20}


@dataclass(frozen=True)
class Event:
    """A message: `stamps` int64 (n,), and what is passed on with them."""

    stream: str
    stamps: np.ndarray
    payload: np.ndarray
    rate_hz: int = 0

    @property
    def ready_ns(self) -> int:
        """When the message can leave its sensor: audio at its last sample."""
        return int(self.stamps.max()) + (
            len(self.payload) * SECOND // self.rate_hz if self.rate_hz else 0
        )

    def moved(self, offset_ns: int) -> Event:
        return replace(self, stamps=self.stamps + offset_ns)

    def feed(self, builder: WindowBuilder) -> None:
        if self.stream == "audio":
            builder.add_audio(int(self.stamps[0]), self.payload, self.rate_hz)
        elif self.stream in builder.layout.cameras:
            builder.add_image(self.stream, int(self.stamps[0]), self.payload)
        else:
            builder.add_signal(self.stream, self.stamps, self.payload)


def camera(name: str, stamps: Iterable[int], rng: np.random.Generator) -> list[Event]:
    """Frames of 4x6 random pixels."""
    return [
        Event(name, np.array([stamp]), rng.integers(0, 256, (4, 6, 3), np.uint8))
        for stamp in stamps
    ]


def signal(name: str, stamps: np.ndarray, rng: np.random.Generator, batch: int = 10) -> list[Event]:
    """Random rows; a pose turns slowly and keeps a unit quaternion of random sign."""
    values = rng.uniform(-0.5, 0.5, (len(stamps), PRESETS[name].width))
    if name == "pose":
        angle = np.linspace(0, 3, len(stamps))
        sign = rng.choice([-1.0, 1.0], len(stamps))
        values[:, 3:] = np.stack([np.cos(angle), np.sin(angle), 0 * angle, 0 * angle], 1)
        values[:, 3:] *= sign[:, None]
    cuts = range(0, len(stamps), batch)
    return [Event(name, stamps[i : i + batch], values[i : i + batch]) for i in cuts]


def audio(samples: np.ndarray, rate_hz: int, start_ns: int, chunk: int = 960) -> list[Event]:
    """Chunks with exact stamps."""
    return [
        Event(
            "audio",
            np.array([start_ns + i * SECOND // rate_hz]),
            samples[i : i + chunk],
            rate_hz,
        )
        for i in range(0, len(samples), chunk)
    ]


def ticks(seconds: float, rate_hz: float, jitter_ns: int, rng: np.random.Generator) -> np.ndarray:
    """Stamps at a rate from EPOCH on, each off by up to the jitter."""
    stamps = np.round(np.arange(int(seconds * rate_hz)) * SECOND / rate_hz).astype(np.int64)
    return EPOCH + jitter_ns + stamps + rng.integers(-jitter_ns, jitter_ns + 1, len(stamps))


def recording(
    seconds: float = 2.0, seed: int = 0, reference_hz: float = 30, batch: int = 10
) -> list[Event]:
    """All streams of the default layout, jittered, in the order in which they become ready."""
    rng = np.random.default_rng(seed)
    events = [
        *camera("hama1", ticks(seconds, reference_hz, 3 * MS, rng), rng),
        *camera("hama2", ticks(seconds, 30, 3 * MS, rng) + 11 * MS, rng),
        *signal("wrench", ticks(seconds, 1000, MS // 3, rng), rng, batch),
        *signal("pose", ticks(seconds, 1000, MS // 3, rng), rng, batch),
        *signal("twist", ticks(seconds, 250, MS, rng), rng, batch=min(batch, 3)),
        *signal("gripper", ticks(seconds, 30, 2 * MS, rng), rng, batch=1),
        *audio(rng.uniform(-0.5, 0.5, (int(48_000 * seconds), 2)).astype("f4"), 48_000, EPOCH),
    ]
    return sorted(events, key=lambda event: event.ready_ns)


def sparse(seconds: int) -> list[Event]:
    """All streams with as few messages as windows need, in the order in which they are ready."""
    rng = np.random.default_rng(0)
    events = audio(np.zeros((8_000 * seconds, 1), np.float32), 8_000, EPOCH, 800)
    for name in ("hama1", "hama2"):
        events += camera(name, ticks(seconds, 10, 0, rng), rng)
    for name, rate_hz in SPARSE_HZ.items():
        events += signal(name, ticks(seconds, rate_hz, 0, rng), rng, 1)
    return sorted(events, key=lambda event: event.ready_ns)


def run(
    events: Iterable[Event],
    block_ns: int = 50 * MS,
    builder: WindowBuilder | None = None,
    arrival: Callable[[Event], int] = lambda event: event.ready_ns,
) -> list[SensorWindow]:
    """Feed events in the order given; poll whenever a block of arrival time is complete."""
    builder = builder or WindowBuilder(REASSEMBLE_LAYOUT)
    windows, block = [], None
    for event in events:
        if block is not None and arrival(event) // block_ns != block:
            windows += builder.poll()
        block = arrival(event) // block_ns
        event.feed(builder)
    return windows + builder.poll() + builder.flush()


def content(windows: Iterable[SensorWindow], offset_ns: int = 0) -> list[tuple]:
    """Everything in the windows, comparable bit for bit."""
    return [
        (
            window.index,
            window.start_ns - offset_ns,
            window.end_ns - offset_ns,
            {name: image.tobytes() for name, image in window.images.items()},
            window.audio.tobytes(),
            {name: (rows.shape, rows.tobytes()) for name, rows in window.signals.items()},
            window.mask,
        )
        for window in windows
    ]


def without(streams: Collection[str], windows: Iterable[SensorWindow]) -> list[SensorWindow]:
    """The windows but for what some streams are in them."""
    return [
        replace(
            window,
            images=_left(window.images, streams),
            signals=_left(window.signals, streams),
            audio=window.audio[:0] if "audio" in streams else window.audio,
            mask=_left(window.mask, streams),
        )
        for window in windows
    ]


def _left(parts: dict, streams: Collection[str]) -> dict:
    return {name: part for name, part in parts.items() if name not in streams}
