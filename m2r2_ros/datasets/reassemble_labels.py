# SPDX-License-Identifier: Apache-2.0
"""Read the labelled actions of a REASSEMBLE file."""

from __future__ import annotations

from collections.abc import Callable

import h5py
import numpy as np

from m2r2_ros.datasets.clocks import MAX_TIME_S
from m2r2_ros.datasets.hdf5 import (
    Hdf5Error,
    member_names,
    read_number,
    read_numbers,
    read_text,
    subgroup,
)
from m2r2_ros.datasets.recording import Action, LowLevelSkill
from m2r2_ros.errors import M2R2Error

# From times as they are stored, (N,), to seconds from the recording's start.
FromStart = Callable[[np.ndarray], np.ndarray]


def read_actions(
    file: h5py.File, from_start: FromStart, report: Callable[[str], None]
) -> tuple[list[Action] | None, bool]:
    """All readable actions in order of time, and whether these are all.

    None when the file has no labels at all.
    """
    segments = subgroup(file, "segments_info")
    if segments is None:
        report("no segments_info: no labels inside")
        return None, True
    actions, keys = [], member_names(segments)
    for key in keys:
        try:
            actions.append(_read_action(segments, key, from_start))
        except M2R2Error as error:
            report(f"segment {key} is left out: {error}")
    actions.sort(key=lambda action: action.start_s)
    return actions, len(actions) == len(keys)


def _read_action(segments: h5py.Group, key: str, from_start: FromStart) -> Action:
    group = _group(segments, key)
    # Published with both capitalisations.
    names = {name.lower(): name for name in member_names(group)}
    skills = subgroup(group, names["low_level"]) if "low_level" in names else None
    keys = member_names(skills) if skills is not None else []
    read = [_read_skill(skills, key, from_start) for key in keys]
    return Action(
        *_read_span(group, from_start),
        tuple(sorted(read, key=lambda skill: skill.start_s)),
        judged=True,
    )


def _read_skill(skills: h5py.Group, key: str, from_start: FromStart) -> LowLevelSkill:
    return LowLevelSkill(*_read_span(_group(skills, key), from_start))


def _group(parent: h5py.Group, key: str) -> h5py.Group:
    group = subgroup(parent, key)
    if group is None:
        raise Hdf5Error(f"'{key}' is no group")
    return group


def _read_span(group: h5py.Group, from_start: FromStart) -> tuple[float, float, str, bool]:
    stored = np.array([read_number(group, "start"), read_number(group, "end")])
    start_s, end_s = from_start(stored).tolist()
    if not (abs(start_s) <= MAX_TIME_S and 0 <= end_s - start_s <= MAX_TIME_S):
        raise Hdf5Error(f"it lasts from {start_s} s to {end_s} s")
    return start_s, end_s, read_text(group, "text"), bool(read_numbers(group, "success").all())
