# SPDX-License-Identifier: Apache-2.0
"""One recording as an episode of frames at a rate: state, pictures, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.mstcn import frame_labels
from m2r2_ros.datasets.recording_source import RecordingSource, gap_label
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.errors import M2R2Error
from m2r2_ros.label_formats.video_file import VideoFile
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import reference_camera
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.window import SensorWindow


@dataclass(frozen=True)
class FrameEpisode:
    """`state` float32 (T, D), T labels, None without any, and the size of each camera's pictures.

    epoch_ns  the stamp at which the first frame begins.
    pictures  a camera's statistics.
    problems  what there is to say, a line each.
    """

    name: str
    epoch_ns: int
    state: np.ndarray
    labels: list[str] | None
    shapes: Mapping[str, tuple[int, ...]]
    pictures: Mapping[str, PictureStatistics]
    problems: list[str]


class PictureStatistics:
    """Of all pictures of a camera, channel by channel, 0 to 1."""

    def __init__(self) -> None:
        self.count = 0
        self._sums = np.zeros((2, 3))
        self._limits = np.array([np.ones(3), np.zeros(3)])

    def add(self, picture: np.ndarray) -> None:
        pixels = picture.reshape(-1, 3) / 255.0
        self.count += 1
        self._sums += pixels.mean(0), (pixels**2).mean(0)
        self._limits[0] = np.minimum(self._limits[0], pixels.min(0))
        self._limits[1] = np.maximum(self._limits[1], pixels.max(0))

    def join(self, other: PictureStatistics) -> None:
        """Take another recording's pictures in."""
        self.count += other.count
        self._sums += other._sums
        self._limits[0] = np.minimum(self._limits[0], other._limits[0])
        self._limits[1] = np.maximum(self._limits[1], other._limits[1])

    def to_dict(self) -> dict[str, list]:
        """As LeRobot keeps them: (3, 1, 1)."""
        mean, square = self._sums / self.count
        values = {"min": self._limits[0], "max": self._limits[1], "mean": mean}
        values["std"] = np.sqrt(np.maximum(square - mean**2, 0))
        return {k: v.reshape(3, 1, 1).tolist() for k, v in values.items()} | {"count": [self.count]}


def read_episode(
    path: Path, layout: SensorLayout, robot: Deployment, videos: Mapping[str, Path]
) -> FrameEpisode:
    """Frames of a recording, from when all sensors are there on; pictures go into `videos`.

    Raises M2R2Error when a sensor of the layout is never there.
    """
    with open_source(path, robot.topics) as source, ExitStack() as stack:
        files = {
            name: stack.enter_context(VideoFile(file, layout.window_rate_hz))
            for name, file in videos.items()
        }
        frames = _Frames(layout, files)
        reference = reference_camera(layout, robot)
        for window in windows(source, layout, robot.limits, reference):
            frames.add(window)
        return frames.episode(source)


class _Frames:
    """Gathers frames; what is masked for a while is held."""

    def __init__(self, layout: SensorLayout, files: Mapping[str, VideoFile]) -> None:
        self._layout, self._files = layout, files
        self._pictures = {name: PictureStatistics() for name in files}
        self._newest: dict[str, np.ndarray] = {}
        self._names = [name for name in layout.modalities if name != AUDIO]
        self._held = dict.fromkeys(self._names, 0)
        self._rows: list[np.ndarray] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._left_out = 0

    def add(self, window: SensorWindow) -> None:
        fresh = window.images | {name: rows[-1] for name, rows in window.signals.items()}
        self._newest |= fresh
        if len(self._newest) < len(self._names):
            self._left_out += 1
            return
        for name in self._held.keys() - fresh.keys():
            self._held[name] += 1
        for name, file in self._files.items():
            file.add(self._newest[name])
            self._pictures[name].add(self._newest[name])
        state = [self._newest[name] for name in self._layout.signals]
        self._rows.append(np.concatenate(state) if state else np.zeros(0))
        self._starts.append(window.start_ns)
        self._ends.append(window.end_ns)

    def episode(self, source: RecordingSource) -> FrameEpisode:
        if missing := [name for name in self._names if name not in self._newest]:
            why = "; ".join(line for line in source.problems if f"'{missing[0]}'" in line)
            raise M2R2Error(
                f"{source.name}: '{missing[0]}' is never there: leave it out of --layout: {why}"
            )
        shapes = {name: file.shape for name, file in self._files.items() if file.shape}
        problems = [*source.problems, *self._problems()]
        rows = np.array(self._rows, np.float32)
        labels, pictures = self._labels(source), self._pictures
        return FrameEpisode(source.name, self._starts[0], rows, labels, shapes, pictures, problems)

    def _labels(self, source: RecordingSource) -> list[str] | None:
        if source.actions is None:
            return None
        middles = (np.array(self._starts) + np.array(self._ends)) // 2
        times_s = (middles - source.start_ns) / 1e9
        return frame_labels(source.actions, times_s, gap_label(source))

    def _problems(self) -> Iterator[str]:
        if self._left_out:
            yield f"the first {self._left_out} frames are left out: not all sensors are there yet"
        for name, count in self._held.items():
            if count:
                yield f"'{name}' is masked in {count} of {len(self._rows)} frames: its last is held"
        even = self._ends[0] + np.arange(len(self._ends)) * self._layout.period_ns
        apart_s = np.abs(np.array(self._ends) - even).max() / 1e9
        if apart_s > 0.5 / self._layout.window_rate_hz:
            yield f"frames are up to {apart_s:.3f} s from the even rate that LeRobot assumes"
