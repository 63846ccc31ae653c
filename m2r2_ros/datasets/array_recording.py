# SPDX-License-Identifier: Apache-2.0
"""One recording in a file of arrays, as a mapping and a sensor layout say: stamped and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from m2r2_ros.datasets.array_file import ArrayFile
from m2r2_ros.datasets.array_labels import Labelled, frame_labels, segment_labels
from m2r2_ros.datasets.array_mapping import STAMP_UNITS, ArrayMapping, Clock, SignalArrays
from m2r2_ros.datasets.array_numbers import (
    MAX_STAMP_S,
    chosen_columns,
    numbers,
    odd_stamps,
    stored_times,
)
from m2r2_ros.datasets.recording import Action
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.labels import text_from_label
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.signal import Signal

# Stamps of less than twelve days count from a recording's start. As header stamps they would say
# 1970, and 0 says that there is none: they are counted from 2001-09-09.
_UNIX_FROM_S = 1e6
_EPOCH_S = 10**9


class Track(NamedTuple):
    """Stamps int64 (N,) [ns], increasing, and values float64 (N, D) of a signal."""

    stamps: np.ndarray
    values: np.ndarray


class Pictures(NamedTuple):
    """Stamps int64 (N,) [ns] of a camera's pictures, which are read later."""

    stamps: np.ndarray
    array: str


@dataclass(frozen=True)
class ArrayRecording:
    """What a recording holds of a layout.

    actions   in seconds from `epoch_ns`; None without labels.
    problems  what is missing or odd, a line each.
    """

    epoch_ns: int
    end_ns: int
    signals: Mapping[str, Track]
    cameras: Mapping[str, Pictures]
    actions: list[Action] | None
    complete: bool
    problems: list[str]


def read_recording(
    file: ArrayFile, mapping: ArrayMapping, layout: SensorLayout, group: str = ""
) -> ArrayRecording:
    """Read all numbers of a recording; `group` is put before every array's name.

    Raises M2R2Error that names the array and what to do.
    """
    reader = _Reader(file, mapping, layout, group)
    signals = {name: reader.track(name, arrays) for name, arrays in mapping.signals.items()}
    cameras = {
        name: Pictures(reader.stamps(camera.clock, camera.array), group + camera.array)
        for name, camera in mapping.cameras.items()
    }
    labelled = reader.labels()
    tracks = [track.stamps for track in (*signals.values(), *cameras.values())]
    epoch_ns = min(int(stamps[0]) for stamps in tracks)
    end_ns = max(int(stamps[-1]) for stamps in tracks)
    return ArrayRecording(
        epoch_ns,
        end_ns,
        signals,
        cameras,
        None if labelled is None else [_action(each, epoch_ns) for each in labelled],
        mapping.labels is not None and mapping.labels.complete,
        [
            *reader.problems,
            *_strays(labelled or [], epoch_ns, end_ns),
            *_absences(mapping, layout),
            *_left(reader, group),
        ],
    )


def check_sensors(mapping: ArrayMapping, layout: SensorLayout) -> None:
    """Raise M2R2Error where a mapping names what the layout has not, or not so."""
    for kind, named, known in (
        ("signal", mapping.signals, layout.signals),
        ("camera", mapping.cameras, layout.cameras),
    ):
        for name in named:
            if name not in known:
                near = nearest_name(name, known)
                raise M2R2Error(f"the layout has no {kind} '{name}'{near}: name it there, too")
    for name, arrays in mapping.signals.items():
        _check_unit(layout.signals[name], arrays)


def _check_unit(signal: Signal, arrays: SignalArrays) -> None:
    units = "".join(dict.fromkeys(signal.units))
    if arrays.unit and {arrays.unit} != set(signal.units):
        raise M2R2Error(f"'{signal.name}' is in {units} in the layout, not {arrays.unit}: `scale`")
    if signal.kind.sums_joints and not arrays.unit:
        raise M2R2Error(
            f"'{signal.name}': grippers are stored as metres, radians or shares: say "
            f"`unit: {units}`, with `scale` and `offset` where it is stored otherwise"
        )
    for key, values in (("scale", arrays.scale), ("offset", arrays.offset)):
        if len(values) not in (0, 1, signal.width):
            raise M2R2Error(f"'{signal.name}': {key}: one number, or {signal.width}")


class _Reader:
    """Reads arrays of one recording and keeps in mind which; `problems` is what it noticed."""

    def __init__(
        self, file: ArrayFile, mapping: ArrayMapping, layout: SensorLayout, group: str
    ) -> None:
        self.file, self.group = file, group
        self.problems: list[str] = []
        self.used = {group + camera.array for camera in mapping.cameras.values()}
        self._mapping, self._layout = mapping, layout
        self._epoch_ns = self._epoch()

    def track(self, name: str, arrays: SignalArrays) -> Track:
        signal = self._layout.signals[name]
        parts = [chosen_columns(each, self._numbers(each.array)) for each in arrays.columns]
        for columns, part in zip(arrays.columns, parts, strict=True):
            if len(part) != len(parts[0]):
                raise M2R2Error(
                    f"{columns} has {len(part)} rows, {arrays.columns[0]} {len(parts[0])}"
                )
        values = np.concatenate(parts, axis=1)
        if values.shape[1] != signal.width:
            named = ", ".join(map(str, arrays.columns))
            raise M2R2Error(
                f"{named}: {values.shape[1]} columns, '{name}' has {signal.width} in the layout: "
                "choose columns as in 'qpos[0:6]'"
            )
        values = values * (arrays.scale or 1.0) + (arrays.offset or 0.0)
        stamps = self.stamps(arrays.clock, arrays.columns[0].array)
        if lost := int(np.count_nonzero(~np.isfinite(values).all(axis=1))):
            self.problems.append(f"'{name}': {lost} of {len(values)} rows are NaN: masked")
        return Track(stamps, values)

    def stamps(self, clock: Clock, array: str) -> np.ndarray:
        """Stamps int64 (N,) of the rows of an array, from the epoch on."""
        shape, _ = self.file.form(self.group + array)
        count = shape[0] if shape else 0
        if not count:
            raise M2R2Error(f"'{array}' has no rows")
        stamps = self._epoch_ns + self._times(clock, count)
        if len(stamps) != count:
            raise M2R2Error(
                f"'{array}' has {count} rows, its stamps '{clock.stamps}' {len(stamps)}"
            )
        if not 0 < stamps[0] <= stamps[-1] < MAX_STAMP_S * 10**9:
            raise M2R2Error(
                f"'{clock.stamps or array}' reaches {stamps[-1] / 1e9:g} s, which no header stamp "
                "can hold: give stamps_unit (ms, us, ns) or epoch_s"
            )
        if not clock.rate_hz:
            lines = odd_stamps(clock, self._numbers(clock.stamps), stamps)
            self.problems += [line for line in lines if line not in self.problems]
        return stamps

    def labels(self) -> list[Labelled] | None:
        labels = self._mapping.labels
        if labels is None:
            return None
        stored = self._any(labels.segments or labels.frames)
        if labels.frames:
            return frame_labels(labels, stored, self.stamps(labels.clock, labels.frames))
        unit_ns = 10**9 // STAMP_UNITS[labels.clock.unit]
        return segment_labels(labels, stored, unit_ns, self._epoch_ns)

    def _any(self, array: str) -> np.ndarray:
        self.used.add(self.group + array)
        return self.file.read(self.group + array)

    def _epoch(self) -> int:
        """What is added to all stamps [ns]."""
        if self._mapping.epoch_s is not None:
            return round(self._mapping.epoch_s * 1e9)
        clocks = {sensor.clock for sensor in self._mapping.sensors.values()}
        firsts = [int(self._times(clock, 1)[0]) for clock in clocks]
        return _EPOCH_S * 10**9 if min(firsts) < _UNIX_FROM_S * 1e9 else 0

    def _times(self, clock: Clock, count: int) -> np.ndarray:
        """Stamps before the epoch is added, int64 [ns]; of a rate, of `count` rows."""
        if not clock.rate_hz:
            return stored_times(clock, self._numbers(clock.stamps))
        latest_s = MAX_STAMP_S * 2.0
        return np.round((np.arange(count) / clock.rate_hz).clip(max=latest_s) * 1e9).astype(int)

    def _numbers(self, array: str) -> np.ndarray:
        return numbers(array, self._any(array))


def _action(labelled: Labelled, epoch_ns: int) -> Action:
    start_s, end_s = ((ns - epoch_ns) / 1e9 for ns in labelled[:2])
    return Action(start_s, end_s, text_from_label(labelled.label))


def _strays(labelled: Sequence[Labelled], start_ns: int, end_ns: int) -> list[str]:
    beyond = sum(each.end_ns <= start_ns or each.start_ns > end_ns for each in labelled)
    if not beyond:
        return []
    return [
        f"{beyond} of {len(labelled)} labels lie beyond the data: do their times have the clock "
        "and the unit of the stamps?"
    ]


def _absences(mapping: ArrayMapping, layout: SensorLayout) -> list[str]:
    absent = [name for name in layout.sensed if name not in mapping.sensors]
    lines = [f"no array for '{name}': masked" for name in absent if name != AUDIO]
    lines += ["sound is not taken from arrays: 'audio' is masked"] if AUDIO in absent else []
    return lines if mapping.labels is not None else [*lines, "no labels inside"]


def _left(reader: _Reader, group: str) -> list[str]:
    names = [name for name in reader.file.names() if name.startswith(group)]
    left = [name.removeprefix(group) for name in names if name not in reader.used]
    return [f"not taken: {', '.join(left)}"] if left else []
