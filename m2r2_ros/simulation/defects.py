# SPDX-License-Identifier: Apache-2.0
"""The defects that REASSEMBLE's own page lists, made on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np

from m2r2_ros.datasets.recording import Action, RecordingData, VideoTrack
from m2r2_ros.labels import NO_ACTION, label_from_text

_LATE_S = 8.0  # until the hand camera starts
_GARBAGE_N = 1e6  # beyond what any wrist measures


def defect_of(seed: int) -> str:
    """The defect that a seed's recording has: one after the other."""
    return tuple(DEFECTS)[seed % len(DEFECTS)]


def damage(data: RecordingData, defect: str) -> None:
    """Give a recording one of DEFECTS, in place."""
    DEFECTS[defect](data)


def _late_hand_camera(data: RecordingData) -> None:
    if (video := data.videos.get("hand")) is None:
        return
    lost = int(np.searchsorted(video.times_s, min(_LATE_S, video.times_s[-1] / 2)))
    data.videos["hand"] = VideoTrack(video.times_s[lost:], islice(video.frames, lost, None))


def _no_hand_camera(data: RecordingData) -> None:
    data.videos.pop("hand", None)


def _no_leading_no_action(data: RecordingData) -> None:
    if label_from_text(data.actions[0].text) == NO_ACTION:
        del data.actions[0]


def _invalid_wrench(data: RecordingData) -> None:
    """The driver repeats nonsense: no number as force, a torque beyond all measure."""
    for name, garbage in (("force", np.nan), ("torque", _GARBAGE_N)):
        for signal in (f"measured_{name}", f"compensated_base_{name}"):
            _set_from(data, signal, _last_action(data).start_s, garbage)


def _broken_gripper(data: RecordingData) -> None:
    """In the middle of the last action the fingers stop to report anything but zero."""
    action = _last_action(data)
    for signal in ("gripper_positions", "gripper_velocities", "gripper_efforts"):
        _set_from(data, signal, (action.start_s + action.end_s) / 2, 0.0)


def _no_pose(data: RecordingData) -> None:
    start_s = _last_action(data).start_s
    for signal in ("pose", "velocity"):
        track = data.signals[signal]
        kept = track.times_s < start_s
        data.signals[signal] = replace(
            track, times_s=track.times_s[kept], values=track.values[kept]
        )


def _set_from(data: RecordingData, signal: str, start_s: float, value: float) -> None:
    track = data.signals[signal]
    track.values[track.times_s >= start_s] = value


def _last_action(data: RecordingData) -> Action:
    return next(a for a in reversed(data.actions) if label_from_text(a.text) != NO_ACTION)


DEFECTS: dict[str, Callable[[RecordingData], None]] = {
    "hand camera late": _late_hand_camera,
    "no hand camera": _no_hand_camera,
    'no leading "No action."': _no_leading_no_action,
    "force and torque invalid in the last action": _invalid_wrench,
    "gripper broken in the last action": _broken_gripper,
    "pose missing in the last action": _no_pose,
}
