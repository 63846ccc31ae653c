# SPDX-License-Identifier: Apache-2.0
"""Labels that a file keeps as an array: segments, or one label a frame."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from m2r2_ros.datasets.annotations import MAX_ACTIONS, MAX_LABEL_CHARACTERS
from m2r2_ros.datasets.array_mapping import NO_LABELS, LabelArrays
from m2r2_ros.datasets.array_numbers import MAX_STAMP_S
from m2r2_ros.errors import M2R2Error, brief, escaped, nearest_name


class Labelled(NamedTuple):
    """[start_ns, end_ns) of one label."""

    start_ns: int
    end_ns: int
    label: str


def frame_labels(labels: LabelArrays, stored: np.ndarray, stamps: np.ndarray) -> list[Labelled]:
    """Runs of one label: each to the next frame, the last as long as a frame usually is.

    `stored` (N,) numbers or texts, `stamps` int64 (N,) [ns]. Raises M2R2Error that names the array.
    """
    tags = stored[:, 0] if stored.ndim == 2 and stored.shape[1] == 1 else stored
    if tags.ndim != 1:
        raise M2R2Error(f"'{labels.frames}' has the shape {stored.shape}: labels are one a frame")
    keys = _keys(tags)
    starts = [row for row in range(len(keys)) if row == 0 or keys[row] != keys[row - 1]]
    frame_ns = max(1, int(np.median(np.diff(stamps)))) if len(stamps) > 1 else 1
    ends = [*(int(stamps[row]) for row in starts[1:]), int(stamps[-1]) + frame_ns]
    runs = [(keys[row], int(stamps[row]), end_ns) for row, end_ns in zip(starts, ends, strict=True)]
    # A repeated stamp leaves no time to the first of its labels.
    lasting = [run for run in runs if run[2] > run[1]]
    return _named(labels.frames, labels.names, lasting)


def segment_labels(
    labels: LabelArrays, stored: np.ndarray, unit_ns: int, epoch_ns: int
) -> list[Labelled]:
    """Rows of label, start, end; times in units of `unit_ns` from `epoch_ns`.

    Raises M2R2Error that names the array.
    """
    name = labels.segments
    if stored.ndim != 2 or stored.shape[1] != 3 or stored.dtype.kind not in "fiu":
        raise M2R2Error(
            f"'{name}' is {stored.dtype} {stored.shape}: segments are rows of three numbers, "
            "label, start, end"
        )
    if not np.isfinite(stored).all():
        raise M2R2Error(f"'{name}' holds a NaN: remove that segment")
    longest = np.abs(stored[:, 1:].astype(np.float64)).max(initial=0.0)
    if longest >= MAX_STAMP_S * 1e9 / unit_ns:
        raise M2R2Error(f"'{name}': a time is beyond all stamps: stamps_unit says its unit")
    times = epoch_ns + np.round(stored[:, 1:] * float(unit_ns)).astype(np.int64)
    rows = sorted(zip(_keys(stored[:, 0]), *times.T.tolist(), strict=True), key=lambda row: row[1])
    for _, start_ns, end_ns in rows:
        if end_ns <= start_ns:
            raise M2R2Error(f"'{name}': a segment ends where it starts, or before: remove it")
    for (_, _, end_ns), (_, start_ns, _) in pairwise(rows):
        if start_ns < end_ns:
            raise M2R2Error(f"'{name}': two segments overlap: a frame has one label")
    return _named(name, labels.names, rows)


def _keys(stored: np.ndarray) -> list[str]:
    """As a mapping's `names` has them: 3 and 3.0 as "3"; a NaN is ""."""
    if stored.dtype.kind in "SU":
        return [_text(text).strip() for text in stored.tolist()]
    if stored.dtype.kind not in "fiub":
        raise M2R2Error(f"labels are numbers or texts, not {stored.dtype}")
    if stored.dtype.kind != "f":
        return [str(int(number)) for number in stored.tolist()]
    return [
        "" if np.isnan(number) else str(int(number)) if number.is_integer() else str(number)
        for number in stored.tolist()
    ]


def _text(stored: str | bytes) -> str:
    try:
        return stored if isinstance(stored, str) else stored.decode()
    except UnicodeDecodeError as error:
        raise M2R2Error(f"the label {brief(stored)} is no UTF-8: store it so") from error


def _named(
    array: str, names: Mapping[str, str | None] | None, runs: list[tuple[str, int, int]]
) -> list[Labelled]:
    if len(runs) > MAX_ACTIONS:
        raise M2R2Error(f"'{array}' has {len(runs)} segments; the limit is {MAX_ACTIONS}")
    if names is None:
        return [Labelled(start, end, label) for key, start, end in runs if (label := _own(key))]
    for key, _, _ in runs:
        if key and key not in names:
            near = nearest_name(key, names)
            raise M2R2Error(f"'{array}' has the label {brief(key)}, `names` has not{near}")
    labelled = [(names.get(key), start, end) for key, start, end in runs]
    return [Labelled(start, end, label) for label, start, end in labelled if label]


def _own(text: str) -> str:
    """A label of the file's own; "" for none."""
    if text.lstrip("-").replace(".", "").isdecimal():
        raise M2R2Error(f"labels are numbers such as {text}: `names: {{{text}: ...}}` names them")
    if len(text) > MAX_LABEL_CHARACTERS:
        raise M2R2Error(f"a label has {len(text)} characters; the limit is {MAX_LABEL_CHARACTERS}")
    return "" if text in NO_LABELS else escaped(text)
