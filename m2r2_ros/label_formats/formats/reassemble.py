# SPDX-License-Identifier: Apache-2.0
"""`segments_info` of a REASSEMBLE file. Labels are written into a copy, never into the file itself.

Low-level skills stay in the copy with the labels that are as they were.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import h5py

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.hdf5 import HDF5_ERRORS
from m2r2_ros.datasets.reassemble import open_recording
from m2r2_ros.datasets.reassemble_writer import write_actions
from m2r2_ros.datasets.recording import FAILURE, SUCCESS, Action
from m2r2_ros.datasets.recording_source import REASSEMBLE_SUFFIXES
from m2r2_ros.errors import M2R2Error
from m2r2_ros.label_formats.label_format import (
    COMPLETE,
    NEIGHBOURS,
    OUTCOME,
    FormatOptions,
    LabelFormat,
)
from m2r2_ros.label_formats.label_track import NS, LabelSpan, LabelTrack
from m2r2_ros.label_formats.texts import the_one
from m2r2_ros.labels import label_from_text, text_from_label

SEGMENTS = "segments_info"


def read(path: Path, options: FormatOptions) -> list[LabelTrack]:
    with open_recording(path) as recording:
        actions, epoch_ns, complete = recording.actions, recording.epoch_ns, recording.complete
    if actions is None:
        raise M2R2Error("has no labels")
    spans = tuple(
        LabelSpan(*_bounds(action), label_from_text(action.text), _outcome(action))
        for action in actions
    )
    skills = sum(len(action.low_level) for action in actions)
    problems = (f"its {skills} low-level skills are not taken",) if skills else ()
    return [LabelTrack(path.stem, spans, epoch_ns, complete=complete, problems=problems)]


def write(path: Path, tracks: Sequence[LabelTrack], options: FormatOptions) -> list[str]:
    track = the_one(tracks)
    original = options.originals.get(track.name)
    if original is None or original.suffix not in REASSEMBLE_SUFFIXES:
        raise M2R2Error(f"labels of '{track.name}' go into a copy of its .h5, which is not there")
    if path.exists() and path.samefile(original):
        raise M2R2Error(f"would write into {original} itself: give another --out")
    with open_recording(original) as recording:
        actions = _actions(track, recording.epoch_ns, recording.actions or [])
        skills = sum(len(action.low_level) for action in recording.actions or ())
    try:
        with partial_file(path) as temporary:
            shutil.copyfile(original, temporary)
            with h5py.File(temporary, "r+") as file:
                if SEGMENTS in file:
                    del file[SEGMENTS]
                write_actions(file, actions)
            _check(temporary, actions)
    except HDF5_ERRORS as error:
        raise M2R2Error(f"{original}: cannot be copied: {' '.join(str(error).split())}") from error
    left = skills - sum(len(action.low_level) for action in actions)
    lines = [f"{left} low-level skills of labels that have changed are left out"] if left else []
    if unsaid := sum(span.outcome is None for span in track.spans):
        lines.append(f"{unsaid} labels whose outcome nobody has said are stored as a success")
    return lines


def _actions(track: LabelTrack, epoch_ns: int, before: Sequence[Action]) -> list[Action]:
    """In seconds from the recording's start."""
    shift_ns = 0 if track.epoch_ns is None else track.epoch_ns - epoch_ns
    skills = {(*_bounds(a), label_from_text(a.text)): a.low_level for a in before}
    return [
        Action(
            start_ns / NS,
            end_ns / NS,
            text_from_label(span.label),
            span.outcome != FAILURE,
            skills.get((start_ns, end_ns, span.label), ()),
            judged=True,
        )
        for span in track.spans
        for start_ns, end_ns in [(span.start_ns + shift_ns, span.end_ns + shift_ns)]
    ]


def _check(path: Path, actions: Sequence[Action]) -> None:
    """A file may keep its times otherwise than as seconds from its start."""
    with open_recording(path) as recording:
        found = [_bounds(action) for action in recording.actions or ()]
    if found != [_bounds(action) for action in actions]:
        raise M2R2Error("the file does not count its times in seconds from its start")


def _bounds(action: Action) -> tuple[int, int]:
    return round(action.start_s * NS), round(action.end_s * NS)


def _outcome(action: Action) -> str:
    return SUCCESS if action.success else FAILURE


FORMAT = LabelFormat(
    REASSEMBLE_SUFFIXES[0], False, frozenset((OUTCOME, COMPLETE, NEIGHBOURS)), read, write
)
