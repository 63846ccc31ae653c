# SPDX-License-Identifier: Apache-2.0
"""Recordings as a LeRobotDataset v3 with state, pictures and subtasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.atomic import partial_folder
from m2r2_ros.datasets.parquet import arrow
from m2r2_ros.errors import M2R2Error
from m2r2_ros.label_formats.lerobot_dataset import (
    INDEX,
    Observations,
    video_file,
    write_tables,
)
from m2r2_ros.label_formats.lerobot_episode import FrameEpisode, read_episode
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.vocabulary import UNLABELLED


def write_recordings(
    recordings: Sequence[Path],
    path: Path,
    layout: SensorLayout,
    robot: Deployment,
    say: Callable[[object, str], None],
) -> None:
    """Write each as an episode, a frame for each window of the layout.

    The folder appears when it is complete; `say` takes lines, and of which recording they are.
    Raises M2R2Error.
    """
    arrow()
    if layout.audio:
        say(path, "sound is not taken: a LeRobotDataset has no place for it")
    if path.exists() and any(path.iterdir()):
        raise M2R2Error(f"{path}: holds files already: a data set is written into a new folder")
    with partial_folder(path) as folder:
        episodes: list[FrameEpisode] = []
        for number, recording in enumerate(recordings):
            videos = {name: folder / video_file(name, number) for name in layout.cameras}
            episodes.append(read_episode(recording, layout, robot, videos))
            for line in episodes[-1].problems:
                say(episodes[-1].name, line)
        _check_shapes(episodes)
        labels = {e.name: e.labels or [UNLABELLED] * len(e.state) for e in episodes}
        epochs_ns = [episode.epoch_ns for episode in episodes]
        seen = _seen(episodes, layout)
        write_tables(folder, labels, epochs_ns, layout.window_rate_hz, INDEX, seen)


def _seen(episodes: Sequence[FrameEpisode], layout: SensorLayout) -> Observations:
    names = [f"{name}.{column}" for name, each in layout.signals.items() for column in each.columns]
    cameras = {}
    for name, shape in episodes[0].shapes.items():
        first, *others = (episode.pictures[name] for episode in episodes)
        for other in others:
            first.join(other)
        cameras[name] = shape, first
    return Observations(np.concatenate([e.state for e in episodes]), names, cameras)


def _check_shapes(episodes: Sequence[FrameEpisode]) -> None:
    first = episodes[0]
    for episode in episodes:
        for name, shape in episode.shapes.items():
            if shape != first.shapes[name]:
                raise M2R2Error(
                    f"pictures of '{name}' are {first.shapes[name]} in {first.name}, {shape} in "
                    f"{episode.name}: a data set has one size"
                )
