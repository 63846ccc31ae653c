# SPDX-License-Identifier: Apache-2.0
"""Write a LeRobotDataset v3: the labels of frames, and what the frames hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from m2r2_ros.datasets.parquet import arrow, write_table
from m2r2_ros.errors import M2R2Error
from m2r2_ros.label_formats.lerobot_episode import PictureStatistics
from m2r2_ros.label_formats.texts import write_text
from m2r2_ros.vocabulary import UNLABELLED

TASK = "labelled recording"
STATE = "observation.state"
_CHUNK = 1000
_FILE = "chunk-000/file-000.parquet"
INDEX, PERSISTENT = "subtask_index", "language_persistent"
# Rows of language, which every frame of an episode repeats.
_MAX_LANGUAGE = 2_000_000
_NUMBERS = ("frame_index", "episode_index", "index", "task_index", INDEX)
_TYPES = {"timestamp": "float32", **dict.fromkeys(_NUMBERS, "int64"), PERSISTENT: "language"}


@dataclass(frozen=True)
class Observations:
    """What the frames of all episodes hold beside a label.

    state     float32 (N, D), and the name of each column.
    cameras   camera -> shape of its pictures and their statistics; an episode's video is a file.
    """

    state: np.ndarray
    names: Sequence[str]
    cameras: Mapping[str, tuple[tuple[int, ...], PictureStatistics]]


def write_tables(
    folder: Path,
    episodes: Mapping[str, Sequence[str]],
    epochs_ns: Sequence[int],
    rate_hz: float,
    column: str,
    seen: Observations | None = None,
) -> None:
    """All of a data set but its videos: recordings, each with a label a frame. Raises M2R2Error.

    epochs_ns  the stamp at which each one's first frame begins.
    column     INDEX or PERSISTENT; no version of LeRobot reads a data set that has both.
    """
    named = sorted(set(chain.from_iterable(episodes.values())))
    columns = _columns(episodes, {name: number for number, name in enumerate(named)}, rate_hz)
    pa = arrow()
    data = {name: pa.array(values) for name, values in columns.items()}
    kinds = {"task": [TASK], "subtask": named}
    if column == PERSISTENT:
        data[PERSISTENT] = _language(episodes, rate_hz)
        del data[INDEX], columns[INDEX], kinds["subtask"]
    features = {name: {"dtype": _TYPES[name], "shape": [1], "names": None} for name in data}
    stats = {name: _stats(values) for name, values in columns.items()}
    if seen is not None and seen.names:
        width = len(seen.names)
        data[STATE] = pa.FixedSizeListArray.from_arrays(pa.array(seen.state.reshape(-1)), width)
        features[STATE] = {"dtype": "float32", "shape": [width], "names": list(seen.names)}
        stats[STATE] = _stats(seen.state)
    for camera, (shape, statistics) in (seen.cameras if seen else {}).items():
        features[video_key(camera)] = _video(shape, rate_hz)
        stats[video_key(camera)] = statistics.to_dict()
    write_table(folder / "data" / _FILE, data)
    about = _episodes(episodes, epochs_ns, seen.cameras if seen else (), rate_hz)
    write_table(folder / "meta" / "episodes" / _FILE, about)
    for kind, names in kinds.items():
        table = {f"{kind}_index": pa.array(range(len(names)), pa.int64()), kind: pa.array(names)}
        write_table(folder / "meta" / f"{kind}s.parquet", table, index=kind)
    _write_json(folder / "meta" / "stats.json", stats)
    _write_json(folder / "meta" / "info.json", _info(episodes, rate_hz, features))


def video_key(camera: str) -> str:
    """A camera's feature."""
    return f"observation.images.{camera}"


def video_file(camera: str, episode: int) -> Path:
    """Where in a data set an episode's pictures are."""
    chunk, file = divmod(episode, _CHUNK)
    return Path("videos", video_key(camera), f"chunk-{chunk:03d}", f"file-{file:03d}.mp4")


def _columns(
    episodes: Mapping[str, Sequence[str]], subtasks: Mapping[str, int], rate_hz: float
) -> dict[str, np.ndarray]:
    lengths = [len(labels) for labels in episodes.values()]
    frames = np.concatenate([np.arange(length) for length in lengths])
    values = {
        "timestamp": frames / rate_hz,
        "frame_index": frames,
        "episode_index": np.repeat(np.arange(len(lengths)), lengths),
        "index": np.arange(len(frames)),
        "task_index": np.zeros(len(frames)),
        INDEX: [subtasks[label] for label in chain.from_iterable(episodes.values())],
    }
    return {name: np.asarray(given, _TYPES[name]) for name, given in values.items()}


def _language(episodes: Mapping[str, Sequence[str]], rate_hz: float) -> Any:
    """In every frame of an episode the same rows: where each subtask begins."""
    rows = sum(len(labels) * len(_starts(labels)) for labels in episodes.values())
    if rows > _MAX_LANGUAGE:
        raise M2R2Error(f"{PERSISTENT} would have {rows} rows, more than {_MAX_LANGUAGE}: --rate")
    pa = arrow()
    row = pa.struct(
        {
            "role": pa.string(),
            "content": pa.string(),
            "style": pa.string(),
            "timestamp": pa.float32(),
            "camera": pa.string(),
            "tool_calls": pa.list_(pa.string()),
        }
    )
    frames = []
    for labels in episodes.values():
        said = [_row(labels[k], k / rate_hz) for k in _starts(labels)]
        frames += [said] * len(labels)
    return pa.array(frames, pa.list_(row))


def _starts(labels: Sequence[str]) -> list[int]:
    """The frames with which another label begins."""
    return [0, *(k for k, (a, b) in enumerate(pairwise(labels), 1) if a != b)]


def _row(label: str, time_s: float) -> dict[str, Any]:
    content = None if label == UNLABELLED else label
    times = {"timestamp": time_s, "camera": None, "tool_calls": None}
    return {"role": "assistant", "content": content, "style": "subtask", **times}


def _episodes(
    episodes: Mapping[str, Sequence[str]],
    epochs_ns: Sequence[int],
    cameras: Iterable[str],
    rate_hz: float,
) -> dict[str, Any]:
    pa = arrow()
    ends = np.cumsum([len(labels) for labels in episodes.values()])
    zeros = np.zeros(len(episodes), np.int64)
    columns = {
        "episode_index": pa.array(np.arange(len(episodes))),
        "tasks": pa.array([[TASK]] * len(episodes)),
        "length": pa.array([len(labels) for labels in episodes.values()]),
        "recording": pa.array(list(episodes)),
        "epoch_ns": pa.array(epochs_ns, pa.int64()),
        "data/chunk_index": pa.array(zeros),
        "data/file_index": pa.array(zeros),
        "dataset_from_index": pa.array(np.append(0, ends[:-1])),
        "dataset_to_index": pa.array(ends),
        "meta/episodes/chunk_index": pa.array(zeros),
        "meta/episodes/file_index": pa.array(zeros),
    }
    chunks, files = np.divmod(np.arange(len(episodes)), _CHUNK)
    for key in map(video_key, cameras):
        columns[f"videos/{key}/chunk_index"] = pa.array(chunks)
        columns[f"videos/{key}/file_index"] = pa.array(files)
        columns[f"videos/{key}/from_timestamp"] = pa.array(np.zeros(len(episodes)))
        seconds = [len(labels) / rate_hz for labels in episodes.values()]
        columns[f"videos/{key}/to_timestamp"] = pa.array(seconds)
    return columns


def _stats(values: np.ndarray) -> dict[str, list[float]]:
    """One number a column."""
    rows = values.reshape(len(values), -1).astype(np.float64)
    numbers = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    return {name: each.tolist() for name, each in numbers.items()} | {"count": [len(values)]}


def _video(shape: tuple[int, ...], rate_hz: float) -> dict[str, Any]:
    height, width, channels = shape
    is_even = height % 2 == width % 2 == 0
    info = {
        "video.height": height,
        "video.width": width,
        "video.codec": "h264",
        "video.pix_fmt": "yuv420p" if is_even else "yuv444p",
        "video.is_depth_map": False,
        "video.fps": _whole(rate_hz),
        "video.channels": channels,
        "has_audio": False,
    }
    names = ["height", "width", "channels"]
    return {"dtype": "video", "shape": list(shape), "names": names, "info": info}


def _whole(rate_hz: float) -> float:
    """LeRobot wants a whole number of frames a second as an integer."""
    return int(rate_hz) if float(rate_hz).is_integer() else rate_hz


def _info(
    episodes: Mapping[str, Sequence[str]], rate_hz: float, features: Mapping[str, Any]
) -> dict[str, Any]:
    has_videos = any(feature["dtype"] == "video" for feature in features.values())
    video_path = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    return {
        "codebase_version": "v3.0",
        "robot_type": None,
        "total_episodes": len(episodes),
        "total_frames": sum(map(len, episodes.values())),
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": _whole(rate_hz),
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": video_path if has_videos else None,
        "features": dict(features),
    }


def _write_json(path: Path, values: dict[str, Any]) -> None:
    write_text(path, json.dumps(values, indent=4) + "\n")
