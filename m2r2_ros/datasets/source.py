# SPDX-License-Identifier: Apache-2.0
"""One view of any recording: a REASSEMBLE .h5 and a rosbag2 bag look the same.

A recording and the bag made from it give the same windows, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2r2_ros.datasets.damage import what_it_is
from m2r2_ros.datasets.recording_source import (
    BAG_SUFFIXES,
    REASSEMBLE_SUFFIXES,
    RecordingSource,
    SensorBatch,
)
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.counters import Counters
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.window import SensorWindow


@contextmanager
def open_source(path: Path | str, topics: TopicMap | None = None) -> Iterator[RecordingSource]:
    """Open a recording: an .h5 file, a rosbag2 folder, an .mcap or a .db3 file.

    Raises M2R2Error.
    """
    # h5py and rosbags are imported by the reader that needs them.
    path, topics = Path(path), topics or TopicMap()
    if path.is_dir() or path.suffix in BAG_SUFFIXES:
        from m2r2_ros.datasets.bag_source import open_bag_source as open_it
    elif path.suffix in REASSEMBLE_SUFFIXES:
        from m2r2_ros.datasets.reassemble_source import open_reassemble_source as open_it
    elif not path.exists():
        raise M2R2Error(f"{path}: no such recording")
    else:
        what = what_it_is(path)
        known = f": it {what}" if what else ""
        raise M2R2Error(f"{path}: neither a REASSEMBLE .h5 nor a bag (folder, .mcap, .db3){known}")
    with open_it(path, topics) as source:
        yield source


def windows(
    source: RecordingSource,
    layout: SensorLayout,
    limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
    reference_camera: str | None = None,
    max_pixels: int | None = None,
) -> Iterator[SensorWindow]:
    """Yield the windows of a recording, as the nodes build them while it is played.

    `reference_camera` is the layout's first camera unless named; `max_pixels` is the encoder's.
    What was dropped, late or refused is added to `source.problems` at the end. Raises M2R2Error as
    `batches` does.
    """
    builder = WindowBuilder(layout, limits, reference_camera, max_pixels)
    for batch in source.batches(layout):
        _add(builder, batch)
        yield from builder.poll()
    yield from builder.flush()
    source.problems += _losses(builder.counters, source.problems)


def _add(builder: WindowBuilder, batch: SensorBatch) -> None:
    for name, (stamps, values) in batch.signals.items():
        builder.add_signal(name, stamps, values)
    for chunk in batch.audio:
        builder.add_audio(*chunk)
    for frame in batch.images:
        builder.add_image(*frame)


def _losses(counters: Counters, said: list[str]) -> list[str]:
    """One line for each stream that lost samples, or is never seen and nobody has `said` so."""
    lines = []
    for name, counts in counters.streams.items():
        lost = {
            "late": counts.late,
            "duplicate": counts.duplicate,
            "dropped": counts.dropped,
            **counts.rejected,
        }
        kinds = ", ".join(f"{count} {kind}" for kind, count in lost.items() if count)
        parts = [f"{kinds} of {counts.received} samples" if kinds else "", counts.reason]
        known = not counts.received and any(f"'{name}'" in line for line in said)
        if counters.windows and counts.masked == counters.windows and not known:
            parts.append(f"masked in all {counters.windows} windows")
        if any(parts):
            lines.append(f"'{name}': {': '.join(filter(None, parts))}")
    return lines
