# SPDX-License-Identifier: Apache-2.0
"""Write a LeRobotDataset v3 that holds the labels of its frames."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from m2r2_ros.datasets.atomic import partial_folder
from m2r2_ros.errors import M2R2Error
from m2r2_ros.label_formats.parquet import arrow, write_table
from m2r2_ros.label_formats.texts import write_text
from m2r2_ros.vocabulary import UNLABELLED

TASK = "labelled recording"
_FILE = "chunk-000/file-000.parquet"
INDEX, PERSISTENT = "subtask_index", "language_persistent"
# Rows of language, which every frame of an episode repeats.
_MAX_LANGUAGE = 2_000_000
_NUMBERS = ("frame_index", "episode_index", "index", "task_index", INDEX)
_TYPES = {"timestamp": "float32", **dict.fromkeys(_NUMBERS, "int64"), PERSISTENT: "language"}


def write_dataset(
    path: Path, episodes: Mapping[str, Sequence[str]], rate_hz: float, column: str
) -> None:
    """Write recordings, each with a label a frame; the folder appears when it is complete.

    `column`: INDEX or PERSISTENT; no version of LeRobot reads a data set that has both. Raises
    M2R2Error.
    """
    named = sorted(set(chain.from_iterable(episodes.values())))
    subtasks = {name: number for number, name in enumerate(named)}
    columns = _columns(episodes, subtasks, rate_hz)
    pa, language = arrow(), None
    if column == PERSISTENT:
        columns.pop(INDEX)
        language = _language(episodes, rate_hz)
    with partial_folder(path) as folder:
        data = {name: pa.array(values) for name, values in columns.items()}
        write_table(folder / "data" / _FILE, data | ({PERSISTENT: language} if language else {}))
        write_table(folder / "meta" / "episodes" / _FILE, _episodes(episodes))
        kinds = {"task": [TASK]} if language else {"task": [TASK], "subtask": named}
        for kind, names in kinds.items():
            numbers = pa.array(range(len(names)), pa.int64())
            table = {f"{kind}_index": numbers, kind: pa.array(names)}
            write_table(folder / "meta" / f"{kind}s.parquet", table, index=kind)
        _write_json(folder / "meta" / "stats.json", {n: _stats(v) for n, v in columns.items()})
        features = [*columns, *([PERSISTENT] if language else [])]
        _write_json(folder / "meta" / "info.json", _info(episodes, rate_hz, features))


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


def _episodes(episodes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    pa = arrow()
    ends = np.cumsum([len(labels) for labels in episodes.values()])
    zeros = np.zeros(len(episodes), np.int64)
    return {
        "episode_index": pa.array(np.arange(len(episodes))),
        "tasks": pa.array([[TASK]] * len(episodes)),
        "length": pa.array([len(labels) for labels in episodes.values()]),
        "recording": pa.array(list(episodes)),
        "data/chunk_index": pa.array(zeros),
        "data/file_index": pa.array(zeros),
        "dataset_from_index": pa.array(np.append(0, ends[:-1])),
        "dataset_to_index": pa.array(ends),
        "meta/episodes/chunk_index": pa.array(zeros),
        "meta/episodes/file_index": pa.array(zeros),
    }


def _stats(values: np.ndarray) -> dict[str, list[float]]:
    numbers = {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std()}
    return {name: [number.item()] for name, number in numbers.items()} | {"count": [len(values)]}


def _info(
    episodes: Mapping[str, Sequence[str]], rate_hz: float, features: Sequence[str]
) -> dict[str, Any]:
    # LeRobot takes a whole number of frames a second for an integer.
    return {
        "codebase_version": "v3.0",
        "robot_type": None,
        "total_episodes": len(episodes),
        "total_frames": sum(map(len, episodes.values())),
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": int(rate_hz) if float(rate_hz).is_integer() else rate_hz,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "features": {
            name: {"dtype": _TYPES[name], "shape": [1], "names": None} for name in features
        },
    }


def _write_json(path: Path, values: dict[str, Any]) -> None:
    write_text(path, json.dumps(values, indent=4) + "\n")
