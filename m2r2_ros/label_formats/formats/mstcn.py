# SPDX-License-Identifier: Apache-2.0
"""MS-TCN's layout: groundTruth/<recording>.txt, a label a frame, and mapping.txt.

Frames end at stamps/<recording>.npy where that is there, as `m2r2 extract` writes it; else they
are of a rate and the first begins at the recording's start.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    check_name,
    read_lines,
    write_lines,
    write_mapping,
)
from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.label_formats.frames import MAX_FRAMES, frame_labels, regular_bounds, runs
from m2r2_ros.label_formats.label_format import GAPS, FormatOptions, LabelFormat
from m2r2_ros.label_formats.label_track import LabelTrack
from m2r2_ros.label_formats.texts import from_zero
from m2r2_ros.vocabulary import UNLABELLED

TRUTH, MAPPING = "groundTruth", "mapping.txt"


def read(path: Path, options: FormatOptions) -> list[LabelTrack]:
    """A folder of this layout, or one file of its groundTruth."""
    files = sorted((path / TRUTH).glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise M2R2Error(f"holds no {TRUTH}/<recording>.txt")
    return [_track(file, options) for file in files]


def write(path: Path, tracks: Sequence[LabelTrack], options: FormatOptions) -> list[str]:
    if not options.rate_hz:
        raise M2R2Error("has a label a frame: --rate says how many frames a second")
    cut = [from_zero(track) for track in tracks]
    truth = {track.name: _frames(track, options.rate_hz) for track, _ in cut}
    for file in (path / TRUTH / f"{name}.txt" for name in truth):
        if file.exists() and not options.overwrite:
            raise M2R2Error(f"{file} is there already: give --overwrite")
    _write_mapping(path, tracks, set(chain.from_iterable(truth.values())) - {UNLABELLED})
    for name, labels in truth.items():
        write_lines(path / TRUTH / f"{name}.txt", labels)
    return [line for _, lines in cut for line in lines]


def _track(file: Path, options: FormatOptions) -> LabelTrack:
    labels, folder = read_lines(file), file.parent.parent
    if not labels or len(labels) > MAX_FRAMES:
        raise M2R2Error(f"{file}: {len(labels)} frames; it needs 1 to {MAX_FRAMES}")
    if file.parent.name == TRUTH and (folder / MAPPING).exists():
        FeatureFolder(folder).ground_truth(file.stem)
    stamps = FeatureFolder(folder).stamps(file.stem) if file.parent.name == TRUTH else None
    if stamps is None:
        if not options.rate_hz:
            raise M2R2Error(f"{file}: --rate says how many of its frames are a second")
        bounds = regular_bounds(len(labels), options.rate_hz)
        return LabelTrack(file.stem, runs(labels, bounds))
    if len(stamps) != len(labels):
        raise M2R2Error(f"{file}: {len(labels)} labels, but {len(stamps)} stamps")
    frame_ns = int(np.median(np.diff(stamps))) if len(stamps) > 1 else 1
    zero_ns = int(stamps[0]) - frame_ns
    return LabelTrack(file.stem, runs(labels, [0, *(stamps - zero_ns).tolist()]), zero_ns)


def _frames(track: LabelTrack, rate_hz: float) -> list[str]:
    check_name(track.name)
    idle = track.vocabulary.idle if track.vocabulary else ()
    gap = idle[0] if track.complete and idle else UNLABELLED
    return frame_labels(track, rate_hz, gap)


def _write_mapping(path: Path, tracks: Sequence[LabelTrack], labels: set[str]) -> None:
    """One that is there must have all labels; of none there is none to write."""
    if (path / MAPPING).exists():
        known = FeatureFolder(path).labels
        for label in sorted(labels.difference(known)):
            near = nearest_name(label, known)
            raise M2R2Error(f"{path / MAPPING}: has no label {brief(label)}{near}")
        return
    stated = (track.vocabulary.labels for track in tracks if track.vocabulary)
    known = list(dict.fromkeys(chain.from_iterable(stated)))
    if names := [*known, *sorted(labels.difference(known))]:
        write_mapping(path, names)


FORMAT = LabelFormat("", True, frozenset((GAPS,)), read, write, 0)
