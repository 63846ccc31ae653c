# SPDX-License-Identifier: Apache-2.0
"""Clips of one atomic action each, what RoboAct-CLIP is trained on (its Algorithm 1).

A list of clips is a JSONL file, one clip a line: path, start_s, end_s, camera, subject, action,
object, sentence. Paths are relative to the list's folder; other entries of a line are ignored.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.descriptions import HUMAN, ROBOT, clip_sentence
from m2r2_ros.errors import M2R2Error, brief, why_unreadable
from m2r2_ros.small_files import open_file

__all__ = ["HUMAN", "ROBOT", "Clip", "clip_sentence", "read_clips", "write_clips"]

# A line is a sentence and a few words; a longer one is another kind of file.
MAX_LINE_CHARACTERS = 100_000


@dataclass(frozen=True)
class Clip:
    """The part [start_s, end_s] of a video that shows one action.

    path      a video (.mp4), or a recording (.h5, .mcap, .db3, rosbag2 folder) with `camera`.
    start_s   seconds from the start of the video or recording, not negative.
    end_s     later than `start_s`; None: the end of the video.
    camera    the camera of a recording; "" for a video file.
    subject   ROBOT or HUMAN.
    action    lower case, e.g. "insert"; object: as written, "" when there is none.
    sentence  as `clip_sentence` writes it.
    """

    path: Path
    start_s: float
    end_s: float | None
    camera: str
    subject: str
    action: str
    object: str
    sentence: str

    def __post_init__(self) -> None:
        end_s = math.inf if self.end_s is None else self.end_s
        if not 0 <= self.start_s < end_s or math.isnan(end_s):
            raise M2R2Error(f"a clip from {self.start_s} s to {self.end_s} s")
        for name in ("subject", "action", "sentence"):
            if not getattr(self, name).strip():
                raise M2R2Error(f"a clip without {name}")


def write_clips(path: Path, clips: Iterable[Clip]) -> int:
    """Write a list of clips, whole or not at all; returns how many there are."""
    folder, count = os.path.realpath(path.parent), 0
    with partial_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for clip in clips:
            place = os.path.relpath(os.path.realpath(clip.path), folder)
            file.write(json.dumps(asdict(clip) | {"path": place}, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_clips(path: Path) -> Iterator[Clip]:
    """Yield the clips of a list. Raises M2R2Error that names the file and the line."""
    try:
        with io.TextIOWrapper(open_file(path), encoding="utf-8") as file:
            # Bounded, so that a file without line ends is never read as one line.
            lines = iter(lambda: file.readline(MAX_LINE_CHARACTERS), "")
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _clip(line, path.parent, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise M2R2Error(f"cannot read {path}: {why_unreadable(path, error)}") from error


def _clip(line: str, folder: Path, where: str) -> Clip:
    try:
        values: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise M2R2Error(f"{where}: not JSON: {error}") from error
    if not isinstance(values, dict):
        raise M2R2Error(f"{where}: not a clip: {line.strip():.40}")
    end_s = None if values.get("end_s") is None else _number(values, "end_s", where)
    texts = ("camera", "subject", "action", "object", "sentence")
    try:
        return Clip(
            folder / _text(values, "path", where),
            _number(values, "start_s", where),
            end_s,
            **{name: _text(values, name, where) for name in texts},
        )
    except M2R2Error as error:
        message = str(error)
        raise M2R2Error(message if where in message else f"{where}: {message}") from error


def _text(values: dict[str, Any], name: str, where: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise M2R2Error(f"{where}: '{name}' must be a text, got {brief(value)}")
    if not (is_path if name == "path" else is_text)(value):
        raise M2R2Error(f"{where}: '{name}' holds what is no character: {value:.40}")
    return value


def is_text(value: str) -> bool:
    """Whether UTF-8 can hold it: JSON also has halves of characters."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def is_path(value: str) -> bool:
    """Whether a file can be called so."""
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _number(values: dict[str, Any], name: str, where: str) -> float:
    value = values.get(name)
    if type(value) not in (int, float) or not abs(value) < 1e9:
        raise M2R2Error(f"{where}: '{name}' must be seconds, got {brief(value)}")
    return float(value)
