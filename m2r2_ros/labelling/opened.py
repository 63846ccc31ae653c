# SPDX-License-Identifier: Apache-2.0
"""An open recording as the page asks for it: by moments and stretches of time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.annotations import MAX_STAMP_NS
from m2r2_ros.datasets.recording_source import RecordingSource, SensorBatch, segments_epoch_ns
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inspection.small_pictures import Frame, newest, to_jpeg
from m2r2_ros.labelling.pictures import WHOLE_PIXELS, WHOLE_QUALITY, Jpeg
from m2r2_ros.labelling.plots import Plot, plots_of
from m2r2_ros.sensing.layout import SensorLayout

# How far back a camera's newest frame is looked for, one after the other.
_REACHES_NS = (250_000_000, 3_000_000_000)


class OpenedRecording:
    """Times are seconds from `epoch_ns`, as in the labels beside the recording.

    Its methods may be called from any thread.
    """

    def __init__(self, source: RecordingSource, layout: SensorLayout) -> None:
        self.name, self.problems, self.source = source.name, source.problems, source
        self.layout = layout
        self.epoch_ns = segments_epoch_ns(source)
        if not 0 <= self.epoch_ns < MAX_STAMP_NS:
            raise M2R2Error(
                f"{self.name}: its stamps are before 1970 or after 2038, which no clock of ROS says"
            )
        self.start_ns, self.end_ns = source.start_ns, max(source.end_ns, source.start_ns + 1)
        self.plots: list[Plot] = plots_of(layout)
        self._cameras = SensorLayout(layout.cameras, False, ()) if layout.cameras else None
        self._lock = threading.Lock()

    def between(self, start_ns: int, end_ns: int) -> SensorBatch:
        """Raises M2R2Error."""
        with self._lock:
            batch = self.source.between(self.layout, start_ns, end_ns)
            self._note_order(batch)
            return batch

    def pictures(self, time_s: float) -> list[Jpeg]:
        """What each camera shows at a time: its newest frame, before the first one the first.

        A camera without one near that time is left out. Raises M2R2Error.
        """
        if not self._cameras:
            return []
        at_ns = self.epoch_ns + round(time_s * 1e9)
        found: dict[str, Frame] = {}
        for reach_ns in _REACHES_NS:
            if len(found) < len(self.layout.cameras):
                found = newest(self._frames(at_ns - reach_ns, at_ns + 1))
        if len(found) < len(self.layout.cameras):
            later = self._frames(at_ns, at_ns + _REACHES_NS[-1])
            found = {frame[0]: frame for frame in reversed(later)} | found
        with self._lock:
            return list(self._jpegs(found.values()))

    def seconds(self, stamp_ns: int) -> float:
        """Of a stamp, from `epoch_ns`."""
        return (stamp_ns - self.epoch_ns) / 1e9

    def _note_order(self, batch: SensorBatch) -> None:
        """Say of which streams nothing can be shown in its time."""
        for name, (stamps, _) in batch.signals.items():
            line = f"'{name}': its stamps stand still or go back: `m2r2 doctor` says more"
            if (
                2 * np.count_nonzero(np.diff(stamps) <= 0) > len(stamps)
                and line not in self.problems
            ):
                self.problems.append(line)

    def _frames(self, start_ns: int, end_ns: int) -> list[Frame]:
        with self._lock:
            return self.source.between(self._cameras, start_ns, end_ns).images

    def _jpegs(self, frames: Iterable[Frame]) -> Iterator[Jpeg]:
        for camera, stamp_ns, picture in frames:
            data = to_jpeg(picture, WHOLE_PIXELS, WHOLE_QUALITY)
            if data is not None:
                yield Jpeg(self.layout.cameras.index(camera), self.seconds(stamp_ns), data)


@contextmanager
def open_recording_of_page(
    path: Path, topics: TopicMap, layout: SensorLayout
) -> Iterator[OpenedRecording]:
    """Raises M2R2Error."""
    with open_source(path, topics) as source:
        yield OpenedRecording(source, layout)
