# SPDX-License-Identifier: Apache-2.0
"""Clips from what a command line names: lists of clips and labelled recordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from m2r2_ros.datasets.clips import Clip, read_clips
from m2r2_ros.datasets.recording_clips import recording_clips
from m2r2_ros.errors import M2R2Error
from m2r2_ros.offline.extraction import find_recordings

LIST_SUFFIX = ".jsonl"


def find_clips(paths: Iterable[Path], cameras: Sequence[str]) -> list[Clip]:
    """The clips of lists (.jsonl) as they are; of recordings, every action seen by each camera.

    Raises M2R2Error when there is none, or something cannot be read.
    """
    paths = list(paths)
    lists = [path for path in paths if path.suffix == LIST_SUFFIX]
    clips = [clip for path in lists for clip in read_clips(path)]
    for path in find_recordings(path for path in paths if path not in lists):
        clips += recording_clips(path, cameras)
    if not clips:
        raise M2R2Error(f"{', '.join(map(str, paths))}: holds no clip of an action")
    return clips
