# SPDX-License-Identifier: Apache-2.0
"""What a LeRobotDataset v3 says of its episodes: subtasks where it has them, else tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from m2r2_ros.datasets.lerobot_arrays import (
    SUBTASK_INDEX,
    SUBTASKS_FILE,
    LerobotArrays,
    open_lerobot_arrays,
    task_texts,
)
from m2r2_ros.datasets.parquet import column_names
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.label_formats.label_format import FormatOptions
from m2r2_ros.label_formats.label_track import NS
from m2r2_ros.label_formats.lerobot_dataset import PERSISTENT
from m2r2_ros.label_formats.registry import find_format


@dataclass(frozen=True)
class SpokenPart:
    """[start_s, end_s) of a video file, and the text that the data set has for it."""

    video: Path
    start_s: float
    end_s: float
    text: str


def read_spoken_parts(path: Path) -> Iterator[SpokenPart]:
    """Each stretch of an episode with one text, in the video of each camera.

    Raises M2R2Error that names the data set, or the file of it that is missing.
    """
    with open_lerobot_arrays(path) as arrays:
        lengths, found = arrays.lengths(), 0
        videos = {episode: arrays.video_starts(episode) for episode in lengths}
        _check_videos(path, videos)
        for episode, stretches in _stretches(path, arrays):
            for start_s, end_s, text in stretches:
                for video, zero_s in videos[episode].items():
                    yield SpokenPart(video, zero_s + start_s, zero_s + end_s, text)
                    found += 1
    if not found:
        raise M2R2Error(f"{path}: no part of an episode has a subtask or a task")


def _check_videos(path: Path, videos: dict[str, dict[Path, float]]) -> None:
    files = {video for of_episode in videos.values() for video in of_episode}
    if not files:
        raise M2R2Error(
            f"{path}: has no videos; a clip is a part of a video file, "
            "and pictures that are kept in tables are none"
        )
    missing = sorted(video for video in files if not video.is_file())
    if missing:
        raise M2R2Error(
            f"{path}: {len(missing)} of {len(files)} videos are missing, {missing[0].name} of "
            f"{missing[0].parent.parent.name} the first: get the data set with its videos"
        )


_Stretches = Iterator[tuple[float, float, str]]


def _stretches(path: Path, arrays: LerobotArrays) -> Iterator[tuple[str, _Stretches]]:
    """Episode -> the parts of it with one text, in seconds from its start."""
    if _has_subtasks(path):
        yield from _subtasks(path, arrays)
        return
    texts = task_texts(path)
    for episode in arrays.lengths():
        yield episode, _runs(path, episode, arrays, texts)


def _has_subtasks(path: Path) -> bool:
    file = next(iter(sorted(path.glob("data/chunk-*/file-*.parquet"))), None)
    if file is None:
        raise M2R2Error(f"{path}: has no data/chunk-*/file-*.parquet")
    names = column_names(file)
    return PERSISTENT in names or (SUBTASK_INDEX in names and (path / SUBTASKS_FILE).exists())


def _subtasks(path: Path, arrays: LerobotArrays) -> Iterator[tuple[str, _Stretches]]:
    tracks, lengths = find_format("lerobot").read(path, FormatOptions()), arrays.lengths()
    if len(tracks) != len(lengths):
        raise M2R2Error(f"{path}: {len(tracks)} episodes have frames, meta/ has {len(lengths)}")
    for episode, track in zip(lengths, tracks, strict=True):
        yield episode, ((s.start_ns / NS, s.end_ns / NS, s.label) for s in track.spans)


def _runs(path: Path, episode: str, arrays: LerobotArrays, texts: dict[int, str]) -> _Stretches:
    first = 0
    for index, frames in groupby(arrays.tasks(episode)):
        last = first + len(list(frames))
        if index not in texts:
            raise M2R2Error(f"{path}: no task has the index {brief(index)} of {episode}")
        yield first / arrays.rate_hz, last / arrays.rate_hz, texts[index]
        first = last
