# SPDX-License-Identifier: Apache-2.0
"""Arrays of a LeRobotDataset v3: `episode_000000/observation.state`, pictures from its videos.

Beside its features, an episode has `timestamp`, exact in float64, and `subtask`, a text a frame.
Paths are those of the format, whatever the data set says of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import av
import numpy as np

from m2r2_ros.datasets.array_file import check_size, missing, rows_at_once
from m2r2_ros.datasets.frame_rate import check_times, checked_rate
from m2r2_ros.datasets.labels_file import read_json
from m2r2_ros.datasets.media import check_video_size
from m2r2_ros.datasets.parquet import column_names, row_groups, rows_where
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.messages.av_frames import rgb
from m2r2_ros.small_files import open_file, read_small_text
from m2r2_ros.vocabulary import UNLABELLED

TIMES, SUBTASK, SUBTASK_INDEX = "timestamp", "subtask", "subtask_index"
SUBTASKS_FILE, TASKS_FILE = "meta/subtasks.parquet", "meta/tasks.parquet"
TASK_INDEX = "task_index"
_NUMBERS = ("float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
_BOOKKEEPING = (TIMES, "frame_index", "episode_index", "index", TASK_INDEX, SUBTASK_INDEX)
# Of an episode's pictures.
_VIDEO = ("chunk_index", "file_index", "from_timestamp")
_MAX_EPISODES, _MAX_FEATURES = 100_000, 1000


@contextmanager
def open_lerobot_arrays(path: Path) -> Iterator[LerobotArrays]:
    """Open a data set's folder. Raises M2R2Error that names it."""
    yield LerobotArrays(path)


class LerobotArrays:
    """See `ArrayFile`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        info = read_info(path)
        self.rate_hz: float = info["fps"]
        self._shapes = _shapes(path, info.get("features"))
        self._videos = {name for name, (kind, _) in self._shapes.items() if kind == "video"}
        self._episodes = self._read_episodes()
        self._texts = subtask_texts(path) if (path / SUBTASKS_FILE).exists() else {}

    def names(self) -> list[str]:
        features = [TIMES, *self._shapes, *([SUBTASK] if self._texts else [])]
        return [f"{episode}/{name}" for episode in self._episodes for name in features]

    def groups(self, pattern: str) -> list[str]:
        return [name for name in self._episodes if fnmatchcase(name, pattern.strip("/"))]

    def form(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        row, feature = self._find(name)
        if feature == SUBTASK:
            return (row["length"],), np.dtype(f"U{max(map(len, self._texts.values()))}")
        kind, shape = self._shapes.get(feature, ("", (1,)))
        dtype = np.dtype(np.uint8 if kind == "video" else np.float64)
        return (row["length"], *(() if feature == TIMES else shape)), dtype

    def read(self, name: str) -> np.ndarray:
        row, feature = self._find(name)
        shape, dtype = self.form(name)
        check_size(name, shape)
        if feature == TIMES:
            self._check_times(name, row)
            return np.arange(row["length"]) / self.rate_hz
        if feature in self._videos:
            return np.concatenate(list(self.blocks(name)))
        column = SUBTASK_INDEX if feature == SUBTASK else feature
        values = self._column(row, column)
        if feature == SUBTASK:
            values = [self._texts.get(index, UNLABELLED) for index in values]
        try:
            return np.array(values, dtype).reshape(shape)
        except (TypeError, ValueError) as error:
            raise M2R2Error(f"'{name}' is not {shape}, as meta/info.json says: {error}") from error

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        row, feature = self._find(name)
        shape, dtype = self.form(name)
        step = rows_at_once(name, shape, dtype)
        if feature not in self._videos:
            values = self.read(name)
            yield from (values[start : start + step] for start in range(0, len(values), step))
            return
        pictures: list[np.ndarray] = []
        for picture in self._pictures(name, row, feature):
            if picture.shape != shape[1:]:
                raise M2R2Error(f"'{name}' has a picture of {picture.shape}, not {shape[1:]}")
            pictures.append(picture)
            if len(pictures) == step:
                yield np.stack(pictures)
                pictures = []
        if pictures:
            yield np.stack(pictures)

    def lengths(self) -> dict[str, int]:
        """Frames of each episode, in order."""
        return {name: row["length"] for name, row in self._episodes.items()}

    def video_starts(self, episode: str) -> dict[Path, float]:
        """Each camera's video file, which may hold other episodes too -> the second it begins."""
        row = self._episodes[episode]
        return dict(self._video(row, key) for key in sorted(self._videos))

    def tasks(self, episode: str) -> list[Any]:
        """The task's index of each frame."""
        return self._column(self._episodes[episode], TASK_INDEX)

    def _find(self, name: str) -> tuple[dict[str, Any], str]:
        episode, _, feature = name.partition("/")
        known = (TIMES, *self._shapes, *([SUBTASK] if self._texts else []))
        if episode not in self._episodes or feature not in known:
            raise missing(name, self.names()[:1000])
        return self._episodes[episode], feature

    def _check_times(self, name: str, row: dict[str, Any]) -> None:
        file = self._table(row)
        if TIMES in column_names(file):
            check_times(self._column(row, TIMES), self.rate_hz, f"{file}: '{name}'")

    def _table(self, row: dict[str, Any]) -> Path:
        place = _file(row["data/chunk_index"], row["data/file_index"])
        return self._path / "data" / f"{place}.parquet"

    def _column(self, row: dict[str, Any], column: str) -> list[Any]:
        file, index = self._table(row), row["episode_index"]
        found = rows_where(file, [column, "frame_index"], "episode_index", index)
        if found["frame_index"] != list(range(row["length"])):
            raise M2R2Error(f"episode {index}: its frames are not those that meta/episodes says")
        return found[column]

    def _video(self, row: dict[str, Any], key: str) -> tuple[Path, float]:
        chunk, number, start_s = (row[f"videos/{key}/{part}"] for part in _VIDEO)
        return self._path / "videos" / key / f"{_file(chunk, number)}.mp4", start_s

    def _pictures(self, name: str, row: dict[str, Any], key: str) -> Iterator[np.ndarray]:
        """The frames of an episode, which may share a video with others."""
        file, start_s = self._video(row, key)
        count = 0
        try:
            with open_file(file) as content, av.open(content, format="mp4") as container:
                stream = container.streams.video[0]
                check_video_size(stream.width, stream.height)
                container.seek(int(max(0.0, start_s) / stream.time_base), stream=stream)
                for frame in container.decode(stream):
                    check_video_size(frame.width, frame.height)
                    if frame.time is None or frame.time < start_s - 0.5 / self.rate_hz:
                        continue
                    if count == row["length"]:
                        break
                    count += 1
                    yield rgb(frame)
        except (av.FFmpegError, OSError, ValueError, IndexError, OverflowError) as error:
            raise M2R2Error(f"'{name}': its video cannot be read: {error}") from error
        if count < row["length"]:
            raise M2R2Error(f"'{name}' has {count} of {row['length']} pictures in its video")

    def _read_episodes(self) -> dict[str, dict[str, Any]]:
        """What meta/episodes says of each."""
        files = sorted(self._path.glob("meta/episodes/chunk-*/file-*.parquet"))
        numbers = ["episode_index", "length", "data/chunk_index", "data/file_index"]
        for key in self._videos:
            numbers += [f"videos/{key}/{part}" for part in _VIDEO]
        rows = []
        for group in row_groups(files, numbers):
            values = zip(*group.values(), strict=True)
            rows += [dict(zip(group, row, strict=True)) for row in values]
        if not 0 < len(rows) <= _MAX_EPISODES:
            raise M2R2Error(f"{self._path}: meta/episodes names {len(rows)} episodes")
        for row in rows:
            _check_row(self._path, row)
        rows.sort(key=lambda row: row["episode_index"])
        return {f"episode_{row['episode_index']:06d}": row for row in rows}


def read_info(path: Path) -> dict[str, Any]:
    """meta/info.json of a data set of this version, with its rate checked. Raises M2R2Error."""
    file = path / "meta" / "info.json"
    info = read_json(read_small_text(file))
    version = info.get("codebase_version") if isinstance(info, dict) else None
    if not isinstance(version, str) or not version.startswith("v3."):
        raise M2R2Error(f"{file}: no LeRobotDataset v3.x, it says {brief(version)}")
    return info | {"fps": checked_rate(info.get("fps"), f"{file}: fps")}


def subtask_texts(path: Path) -> dict[int, str]:
    """Subtask by its index. Raises M2R2Error."""
    return _texts(path / SUBTASKS_FILE, SUBTASK_INDEX, SUBTASK)


def task_texts(path: Path) -> dict[int, str]:
    """Task by its index. Raises M2R2Error."""
    return _texts(path / TASKS_FILE, TASK_INDEX, "task")


def _texts(file: Path, index: str, kind: str) -> dict[int, str]:
    names = column_names(file)
    texts = [name for name in names if name != index]
    if index not in names or not texts:
        needs = f"{index} and the {kind}s' texts"
        raise M2R2Error(f"{file}: needs {needs}, has {', '.join(names)}")
    # Where the texts are the rows' names, pandas may give their column one of its own.
    column = kind if kind in texts else texts[-1]
    found: dict[int, str] = {}
    for group in row_groups([file], [index, column]):
        found.update(zip(group[index], group[column], strict=True))
    if not found or not all(isinstance(text, str) for text in found.values()):
        raise M2R2Error(f"{file}: '{column}' are no texts")
    return found


def _shapes(path: Path, features: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of what can be read of a frame."""
    if not isinstance(features, dict) or len(features) > _MAX_FEATURES:
        raise M2R2Error(f"{path}: meta/info.json has no features, or more than {_MAX_FEATURES}")
    found = {}
    for name, feature in features.items():
        kind = feature.get("dtype") if isinstance(feature, dict) else None
        shape = feature.get("shape") if isinstance(feature, dict) else None
        is_taken = kind in (*_NUMBERS, "video") and name not in _BOOKKEEPING
        if not is_taken or Path(name).name != name:
            continue
        if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape):
            raise M2R2Error(f"{path}: '{name}' has the shape {brief(shape)} in meta/info.json")
        found[name] = kind, tuple(shape)
    return found


def _check_row(path: Path, row: dict[str, Any]) -> None:
    for name, value in row.items():
        is_time = name.endswith("from_timestamp")
        is_fine = isinstance(value, float) and 0 <= value < 1e9 if is_time else _is_count(value)
        if not is_fine:
            raise M2R2Error(f"{path}: meta/episodes: '{name}' is {brief(value)}")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 10**9


def _file(chunk: int, number: int) -> str:
    return f"chunk-{chunk:03d}/file-{number:03d}"
