# SPDX-License-Identifier: Apache-2.0
"""Pairs of a video and its description: manifests, RH20T, REASSEMBLE and LeRobot data sets."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2r2_ros.annotation.lerobot_language import read_spoken_parts
from m2r2_ros.datasets.clips import is_path
from m2r2_ros.datasets.reassemble import open_recording
from m2r2_ros.datasets.recording_source import REASSEMBLE_SUFFIXES
from m2r2_ros.datasets.source import RECORDING_SUFFIXES
from m2r2_ros.descriptions import HUMAN
from m2r2_ros.errors import M2R2Error, brief, nearest_path, why_unreadable
from m2r2_ros.small_files import open_file

RH20T_TASKS = "task_description.json"

MAX_BYTES = 2**30
MAX_DESCRIPTION = 10_000
_MANIFESTS = (".csv", ".jsonl")
# In an RH20T scene's name: the human demonstration that belongs to the robot's.
_HUMAN_SCENE = "_human"


@dataclass(frozen=True)
class DescribedVideo:
    """A video or a recording, or [start_s, end_s) of it, and what is said about it.

    end_s    None: its end.
    camera   of a recording; "" for a video file.
    subject  who acts where the data says so by other means than the text, else "".
    """

    path: Path
    description: str
    start_s: float = 0.0
    end_s: float | None = None
    camera: str = ""
    subject: str = ""


def read_described_videos(path: Path) -> Iterator[DescribedVideo]:
    """Yield what is in a manifest (.csv, .jsonl), an .h5, or a data set's folder.

    Raises M2R2Error that names the file, and the line where there is one.
    """
    if path.is_dir():
        tasks = next(
            (p for p in (path / RH20T_TASKS, path.parent / RH20T_TASKS) if p.is_file()), None
        )
        recordings = sorted(file for file in path.iterdir() if file.suffix in REASSEMBLE_SUFFIXES)
        if (path / "meta" / "info.json").is_file():
            yield from _read_lerobot(path)
        elif recordings:
            for recording in recordings:
                yield from _read_reassemble(recording)
        elif tasks is not None:
            yield from _read_rh20t(path, tasks)
        else:
            raise M2R2Error(
                f"{path}: holds neither .h5 recordings nor RH20T's {RH20T_TASKS} "
                "nor a LeRobotDataset's meta/info.json"
            )
    elif not path.exists():
        raise M2R2Error(f"{path}: no such file or folder{nearest_path(path)}")
    elif path.suffix in REASSEMBLE_SUFFIXES:
        yield from _read_reassemble(path)
    elif path.suffix in _MANIFESTS:
        yield from _read_manifest(path)
    else:
        raise M2R2Error(f"{path}: neither a manifest (.csv, .jsonl) nor a recording (.h5)")


def _read_manifest(path: Path) -> Iterator[DescribedVideo]:
    """Columns or keys: video, description; optional start, end [s] and, of a recording, camera.

    Videos are relative to the file.
    """
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        if not isinstance(row, dict):
            raise M2R2Error(f"{where}: not an object with video and description")
        video, description = row.get("video"), row.get("description")
        if not isinstance(video, str) or not video.strip() or not isinstance(description, str):
            raise M2R2Error(f"{where}: needs a video and a description")
        if not is_path(video):
            raise M2R2Error(f"{where}: no file can be called '{video}'")
        if len(description) > MAX_DESCRIPTION:
            raise M2R2Error(f"{where}: a description of more than {MAX_DESCRIPTION} characters")
        start_s, end_s = (_seconds(row.get(name), where) for name in ("start", "end"))
        if end_s is not None and not (start_s or 0.0) < end_s:
            raise M2R2Error(f"{where}: it ends before it starts")
        camera = row.get("camera") or ""
        if not isinstance(camera, str) or (Path(video).suffix in RECORDING_SUFFIXES and not camera):
            raise M2R2Error(f"{where}: '{video}' is a recording: 'camera' must name one of it")
        yield DescribedVideo(path.parent / video, description, start_s or 0.0, end_s, camera)


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Rows with their line numbers; blank lines are left out."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise M2R2Error(f"{path}: larger than {MAX_BYTES} bytes")
        with io.TextIOWrapper(open_file(path), encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                reader = csv.DictReader(file)
                if not {"video", "description"} <= set(reader.fieldnames or ()):
                    raise M2R2Error(f"{path}: its first line must name video and description")
                for row in reader:
                    yield reader.line_num, row
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield number, json.loads(line)
                    except (ValueError, RecursionError) as error:
                        raise M2R2Error(f"{path}, line {number}: not JSON") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise M2R2Error(f"{path}: cannot be read as text: {error}") from error
    except OSError as error:
        raise M2R2Error(f"cannot read {path}: {why_unreadable(path, error)}") from error


def _seconds(value: Any, where: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < 1e9:
        raise M2R2Error(f"{where}: {brief(value)} is no time in seconds")
    return seconds


def _read_rh20t(folder: Path, tasks: Path) -> Iterator[DescribedVideo]:
    """RH20T: [RH20T_cfg<n>/]task_<n>_user_<n>_scene_<n>_cfg_<n>[_human]/cam_<serial>/color.mp4.

    The descriptions are those of the tasks, in English, one for all scenes of a task.
    """
    descriptions = _rh20t_descriptions(tasks)
    scenes = sorted({*folder.glob("task_*"), *folder.glob("*/task_*")})
    videos = [(scene, video) for scene in scenes for video in sorted(scene.glob("cam_*/color.mp4"))]
    if not videos:
        raise M2R2Error(f"{folder}: holds no task_*/cam_*/color.mp4")
    for scene, video in videos:
        description = descriptions.get(scene.name[: len("task_0000")], "")
        subject = HUMAN if scene.name.endswith(_HUMAN_SCENE) else ""
        yield DescribedVideo(video, description, subject=subject)


def _rh20t_descriptions(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise M2R2Error(f"{path}: larger than {MAX_BYTES} bytes")
        with open_file(path) as file:
            tasks = json.load(file)
        return {name: str(task["task_description_english"]) for name, task in tasks.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise M2R2Error(f"{path}: not RH20T's descriptions of tasks") from error


def _read_reassemble(path: Path) -> Iterator[DescribedVideo]:
    """One clip for each labelled action, as the first camera saw it."""
    with open_recording(path) as recording:
        camera = next(iter(recording.cameras), "")
        for action in recording.actions or ():
            start_s = max(action.start_s, 0.0)
            if not camera or not start_s < action.end_s:
                continue
            yield DescribedVideo(path, action.text, start_s, action.end_s, camera)


def _read_lerobot(path: Path) -> Iterator[DescribedVideo]:
    """One clip for each part of an episode with one text, and for each camera."""
    for part in read_spoken_parts(path):
        if len(part.text) > MAX_DESCRIPTION:
            raise M2R2Error(f"{path}: a text of more than {MAX_DESCRIPTION} characters")
        yield DescribedVideo(part.video, part.text, part.start_s, part.end_s)
