# SPDX-License-Identifier: Apache-2.0
"""One view of any recording: a REASSEMBLE .h5 and a rosbag2 bag look the same.

A recording and the bag made from it give the same windows, bit for bit.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2r2_ros.datasets.bag_files import is_bag_folder
from m2r2_ros.datasets.damage import what_it_is
from m2r2_ros.datasets.labels_file import find_labels, labels_path
from m2r2_ros.datasets.recording_source import (
    BAG_SUFFIXES,
    REASSEMBLE_SUFFIXES,
    RecordingSource,
    SensorBatch,
)
from m2r2_ros.datasets.stated_vocabulary import stated_vocabulary
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error, nearest_path
from m2r2_ros.labels import label_from_text, shown_vocabulary
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.counters import Counters
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.window import SensorWindow

# The ending of a file's name -> its reader: `open_READER` in the module of this name, which imports
# h5py or rosbags only when it is needed.
_READERS = {
    **dict.fromkeys(REASSEMBLE_SUFFIXES, "reassemble_source"),
    **dict.fromkeys(BAG_SUFFIXES, "bag_source"),
}
# Files that are a recording each; a rosbag2 folder is one, too.
RECORDING_SUFFIXES = tuple(_READERS)


@contextmanager
def open_source(path: Path | str, topics: TopicMap | None = None) -> Iterator[RecordingSource]:
    """Open a recording: an .h5 file, a rosbag2 folder, an .mcap or a .db3 file.

    The labels beside it win over those inside. Raises M2R2Error.
    """
    path = Path(path)
    if not path.exists():
        raise M2R2Error(f"{path}: no such file or folder{nearest_path(path)}")
    _refuse_many(path)
    reader = "bag_source" if path.is_dir() else _READERS.get(path.suffix)
    if reader is None:
        raise M2R2Error(f"{path}: {_refusal(path)}")
    module = importlib.import_module(f"m2r2_ros.datasets.{reader}")
    with getattr(module, f"open_{reader}")(path, topics or TopicMap()) as source:
        _take_labels(source, path)
        labels = (label_from_text(action.text) for action in source.actions or ())
        try:
            stated = stated_vocabulary(path)
        except M2R2Error as error:
            raise M2R2Error(f"{path}: {error}") from error
        source.vocabulary = stated.vocabulary if stated else shown_vocabulary(labels)
        yield source


def _take_labels(source: RecordingSource, path: Path) -> None:
    """Put the labels beside a recording, if there are any, in the place of those inside."""
    labels = find_labels(path)
    if labels is None:
        source.labels_epoch_ns = None
        return
    inside = source.actions
    source.labels_epoch_ns = labels.epoch_ns
    source.actions, source.complete = labels.actions(source.start_ns), labels.is_complete
    said = [f"its labels are those of {labels_path(path).name}"]
    said += ["not those inside it"] if inside is not None else []
    if labels.proposals:
        said.append(f"without {labels.proposals} that a model proposes and nobody has confirmed")
    source.problems.append(", ".join(said))


def is_recording(path: Path) -> bool:
    """Whether `open_source` would try to read it: a bag's folder, or a file of a known ending."""
    return is_bag_folder(path) or (path.is_file() and path.suffix in RECORDING_SUFFIXES)


def _refuse_many(path: Path) -> None:
    """A folder of bags or .h5 files is none itself."""
    if not path.is_dir() or is_bag_folder(path):
        return
    inside = sorted(p for p in path.iterdir() if is_recording(p) and p.suffix not in BAG_SUFFIXES)
    if inside:
        raise M2R2Error(f"{path}: is a folder of recordings: give one of them, as {inside[0]}")


def _refusal(path: Path) -> str:
    what = what_it_is(path)
    known = f": it {what}" if what else ""
    return f"neither a REASSEMBLE .h5 nor a bag (folder, .mcap, .db3){known}"


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
    for batch in source.batches(layout, limits):
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
