# SPDX-License-Identifier: Apache-2.0
"""One view of any recording: a REASSEMBLE .h5 and a rosbag2 bag look the same.

A recording and the bag made from it give the same windows, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.messages.types import check_type
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.counters import Counters
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.window import SensorWindow

# Length of a block of data; what is in memory at once.
BLOCK_NS = 50_000_000

BAG_SUFFIXES = (".mcap", ".db3")


@dataclass
class SensorBatch:
    """What a recording holds of one short stretch of time.

    images    (camera, stamp_ns, picture): `picture()` decodes uint8 (H, W, 3) RGB.
    signals   name -> stamps int64 (n,), values float64 (n, D); n may be 0.
    audio     (stamp_ns of the first sample, float32 (n, channels), rate_hz).
    """

    images: list[tuple[str, int, Callable[[], np.ndarray]]] = field(default_factory=list)
    signals: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    audio: list[tuple[int, np.ndarray, int]] = field(default_factory=list)


class RecordingSource(Protocol):
    """A recording, whatever file it is in.

    start_ns  stamp of the first frame of the reference camera, the zero of segments files; without
              that camera, a stamp near the recording's start.
    end_ns    stamp of the last data.
    actions   ground truth, seconds from `start_ns`; None when the recording has none.
    problems  what is missing or odd, a line each; reading may add to it.
    """

    name: str
    start_ns: int
    end_ns: int
    actions: list[Action] | None
    problems: list[str]

    def batches(self, layout: SensorLayout) -> Iterator[SensorBatch]:
        """Yield blocks of `BLOCK_NS`, in order of time, of the streams that the layout names.

        Raises M2R2Error when none of them is there.
        """
        ...


@contextmanager
def open_source(path: Path | str, topics: TopicMap | None = None) -> Iterator[RecordingSource]:
    """Open a recording: an .h5 file, a rosbag2 folder, an .mcap or a .db3 file.

    Raises M2R2Error.
    """
    # h5py and rosbags are imported by the reader that needs them.
    path, topics = Path(path), topics or TopicMap()
    if path.is_dir() or path.suffix in BAG_SUFFIXES:
        from m2r2_ros.datasets.bag_source import open_bag_source as open_it
    elif path.suffix in (".h5", ".hdf5"):
        from m2r2_ros.datasets.reassemble_source import open_reassemble_source as open_it
    elif not path.exists():
        raise M2R2Error(f"{path}: no such recording")
    else:
        raise M2R2Error(f"{path}: neither a REASSEMBLE .h5 nor a bag (folder, .mcap, .db3)")
    with open_it(path, topics) as source:
        yield source


def windows(
    source: RecordingSource,
    layout: SensorLayout,
    limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
    reference_camera: str | None = None,
) -> Iterator[SensorWindow]:
    """Yield the windows of a recording, as the nodes build them while it is played.

    `reference_camera` is the layout's first camera unless named. What was dropped, late or
    refused is added to `source.problems` at the end. Raises M2R2Error as `batches` does.
    """
    builder = WindowBuilder(layout, limits, reference_camera)
    for batch in source.batches(layout):
        _add(builder, batch)
        yield from builder.poll()
    yield from builder.flush()
    source.problems += _losses(builder.counters)


def present_topics(
    name: str, there: dict[str, str], topics: TopicMap, layout: SensorLayout, problems: list[str]
) -> dict[str, str]:
    """Modality -> topic for those of the layout's modalities whose topic is `there`.

    The others are added to `problems`. Raises M2R2Error when no topic is there, or one has a type
    that cannot carry its modality.
    """
    wanted = {modality: topics.topic(modality) for modality in layout.modalities}
    missing = {modality: topic for modality, topic in wanted.items() if topic not in there}
    lines = [
        f"no topic {topic} for '{modality}'{nearest_name(topic, there)}"
        for modality, topic in missing.items()
    ]
    if len(missing) == len(wanted):
        raise M2R2Error(f"{name}: none of the configured topics is in the recording; {lines[0]}")
    problems += [line for line in lines if line not in problems]
    chosen = {modality: topic for modality, topic in wanted.items() if topic in there}
    for modality, topic in chosen.items():
        check_type(modality, there[topic])
    return chosen


def _add(builder: WindowBuilder, batch: SensorBatch) -> None:
    for name, (stamps, values) in batch.signals.items():
        builder.add_signal(name, stamps, values)
    for chunk in batch.audio:
        builder.add_audio(*chunk)
    for frame in batch.images:
        builder.add_image(*frame)


def _losses(counters: Counters) -> list[str]:
    """One line for each stream that lost samples."""
    lines = []
    for name, counts in counters.streams.items():
        lost = {
            "late": counts.late,
            "duplicate": counts.duplicate,
            "dropped": counts.dropped,
            **counts.rejected,
        }
        said = ", ".join(f"{count} {reason}" for reason, count in lost.items() if count)
        if said:
            lines.append(f"'{name}': {said} of {counts.received} samples")
    return lines
