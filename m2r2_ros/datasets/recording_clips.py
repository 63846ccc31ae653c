# SPDX-License-Identifier: Apache-2.0
"""Clips cut from labelled recordings: every action, seen by every camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from m2r2_ros.datasets.clips import Clip
from m2r2_ros.datasets.recording_source import vocabulary_of
from m2r2_ros.datasets.source import open_source
from m2r2_ros.descriptions import ROBOT, clip_sentence
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labels import label_from_text


def recording_clips(path: Path, cameras: Sequence[str]) -> Iterator[Clip]:
    """Yield the actions of a recording in order of time, those without a duration left out.

    Idle time is no action. Raises M2R2Error when the recording cannot be read or has no labels.
    """
    with open_source(path) as source:
        if source.actions is None:
            raise M2R2Error(f"{path}: has no labels to cut clips by")
        vocabulary = vocabulary_of(source)
        for action in source.actions:
            label = label_from_text(action.text)
            start_s = max(action.start_s, 0.0)
            if vocabulary.is_idle(label) or action.end_s <= start_s:
                continue
            verb, name = vocabulary.action_of(label), vocabulary.object_of(label)
            sentence = clip_sentence(ROBOT, verb, name)
            for camera in cameras:
                yield Clip(path, start_s, action.end_s, camera, ROBOT, verb, name, sentence)
