# SPDX-License-Identifier: Apache-2.0
"""Read a mapping file (YAML).

stamps: t                       # seconds; or rate_hz: 50
signals:
  pose: [eef/position, eef/quaternion_wxyz[1:4], eef/quaternion_wxyz[0]]
  gripper: {arrays: finger, scale: 0.1176, unit: m}
cameras: {front: images/front}
labels: {frames: tag, names: {0: wait, 1: tighten cap}, idle: [wait]}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.array_mapping import (
    NO_LABELS,
    PIXEL_ORDERS,
    STAMP_UNITS,
    ArrayMapping,
    CameraArray,
    Clock,
    Columns,
    LabelArrays,
    SignalArrays,
)
from m2r2_ros.datasets.array_numbers import MAX_STAMP_S
from m2r2_ros.datasets.sensor_input import is_topic_name
from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.sensing.layout_file import read_yaml
from m2r2_ros.vocabulary import FORMAT, Vocabulary

_CLOCK = ("stamps", "stamps_unit", "rate_hz")
_MAPPING = (*_CLOCK, "recordings", "epoch_s", "signals", "cameras", "labels")
_SIGNAL = (*_CLOCK, "arrays", "scale", "offset", "unit", "topic")
_CAMERA = (*_CLOCK, "array", "pixels", "topic")
_LABELS = (*_CLOCK, "segments", "frames", "names", "complete", "idle", "parts")
# What a factor or an offset may be.
_LARGEST = 1e12
_COLUMNS = re.compile(r"([^\[\]]+)(?:\[(\d+)(?:(:)(\d+))?\])?")


def load_mapping(path: Path) -> ArrayMapping:
    """Read a mapping file. Raises M2R2Error that names it."""
    values = read_yaml(path)
    try:
        return _mapping(_entries(values, "a mapping", _MAPPING))
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error


def _mapping(given: Mapping[str, Any]) -> ArrayMapping:
    clock = _clock(given, Clock())
    mapping = ArrayMapping(
        signals=_each(given, "signals", lambda entry: _signal(entry, clock)),
        cameras=_each(given, "cameras", lambda entry: _camera(entry, clock)),
        labels=_labels(given["labels"], clock) if "labels" in given else None,
        recordings=_text(given.get("recordings", ""), "recordings"),
        epoch_s=_epoch(given["epoch_s"]) if "epoch_s" in given else None,
    )
    if not mapping.sensors:
        raise M2R2Error("it names no sensor: give `signals` or `cameras`")
    if twice := set(mapping.signals) & set(mapping.cameras):
        raise M2R2Error(f"'{min(twice)}' is a signal and a camera: name it once")
    topics = [mapping.topic(name) for name in mapping.sensors]
    for topic in topics:
        if not is_topic_name(topic) or topics.count(topic) > 1:
            raise M2R2Error(f"topic {brief(topic)} is no name of a topic, or of two: give `topic`")
    return mapping


def _epoch(value: Any) -> float:
    epoch_s = _number(value, "epoch_s")
    if abs(epoch_s) >= MAX_STAMP_S:
        raise M2R2Error(f"epoch_s must be less than 2^31 s, got {brief(value)}")
    return epoch_s


def _each(given: Mapping[str, Any], kind: str, read: Callable[[Any], Any]) -> dict[str, Any]:
    found = {}
    for name, entry in _entries(given.get(kind, {}), kind, None).items():
        try:
            found[str(name)] = read(entry)
        except M2R2Error as error:
            raise M2R2Error(f"{kind}: {name}: {error}") from error
    return found


def _signal(entry: Any, clock: Clock) -> SignalArrays:
    given = _entries(entry if isinstance(entry, Mapping) else {"arrays": entry}, "it", _SIGNAL)
    arrays = given.get("arrays")
    names = arrays if isinstance(arrays, list) and arrays else [arrays]
    return SignalArrays(
        columns=tuple(map(_columns, names)),
        clock=_clock(given, clock, needed=True),
        scale=_numbers(given.get("scale", ()), "scale"),
        offset=_numbers(given.get("offset", ()), "offset"),
        unit=_text(given.get("unit", ""), "unit"),
        topic=_text(given.get("topic", ""), "topic"),
    )


def _camera(entry: Any, clock: Clock) -> CameraArray:
    given = _entries(entry if isinstance(entry, Mapping) else {"array": entry}, "it", _CAMERA)
    pixels = given.get("pixels", "rgb")
    if pixels not in PIXEL_ORDERS:
        raise M2R2Error(f"pixels must be {' or '.join(PIXEL_ORDERS)}, got {brief(pixels)}")
    return CameraArray(
        array=_array(given.get("array"), "array"),
        clock=_clock(given, clock, needed=True),
        pixels=pixels,
        topic=_text(given.get("topic", ""), "topic"),
    )


def _labels(entry: Any, clock: Clock) -> LabelArrays:
    given = _entries(entry, "labels", _LABELS)
    kinds = [kind for kind in ("segments", "frames") if kind in given]
    if len(kinds) != 1:
        raise M2R2Error("labels: give one of `segments` (label, start, end) and `frames`")
    complete = given.get("complete", False)
    if not isinstance(complete, bool):
        raise M2R2Error(f"labels: complete must be true or false, got {brief(complete)}")
    names = _names(given["names"]) if "names" in given else None
    return LabelArrays(
        **{kinds[0]: _array(given[kinds[0]], kinds[0])},
        clock=_clock(given, clock, needed=kinds[0] == "frames"),
        names=names,
        complete=complete,
        vocabulary=_vocabulary(given, names),
    )


def _vocabulary(
    given: Mapping[str, Any], names: Mapping[str, str | None] | None
) -> Vocabulary | None:
    """What `idle` and `parts` say of the labels in `names`, in their order."""
    entries = {key: given[key] for key in ("idle", "parts") if key in given}
    if names is None:
        if entries:
            raise M2R2Error("labels: idle and parts are of the labels in `names`: give them, too")
        return None
    labels = list(dict.fromkeys(name for name in names.values() if name is not None))
    try:
        return Vocabulary.from_dict({"format": FORMAT, "labels": labels, **entries})
    except M2R2Error as error:
        raise M2R2Error(f"labels: {error}") from error


def _names(table: Any) -> dict[str, str | None]:
    names = {str(key): name for key, name in _entries(table, "labels: names", None).items()}
    for key, name in names.items():
        if isinstance(name, str) and name in NO_LABELS:
            raise M2R2Error(f"labels: names: {key}: '{name}' is no label: null says unlabelled")
    return names


def _clock(given: Mapping[str, Any], outer: Clock, needed: bool = False) -> Clock:
    """The clock that an entry names, else the one outside of it."""
    if "stamps" in given and "rate_hz" in given:
        raise M2R2Error("give one of `stamps` and `rate_hz`")
    unit = given.get("stamps_unit", outer.unit)
    if unit not in tuple(STAMP_UNITS):
        raise M2R2Error(f"stamps_unit must be {', '.join(STAMP_UNITS)}, got {brief(unit)}")
    if "stamps" in given:
        return Clock(_array(given["stamps"], "stamps"), unit=unit)
    if "rate_hz" in given:
        rate_hz = _number(given["rate_hz"], "rate_hz")
        if not 1e-3 <= rate_hz <= 1e6:
            raise M2R2Error(f"rate_hz must be in [0.001, 1e6], got {brief(rate_hz)}")
        return Clock(rate_hz=rate_hz)
    if needed and not outer.stamps and not outer.rate_hz:
        raise M2R2Error("when were its rows taken? Give `stamps` (an array) or `rate_hz`")
    return outer


def _entries(values: Any, what: str, known: Sequence[str] | None) -> Mapping[Any, Any]:
    if not isinstance(values, Mapping):
        raise M2R2Error(f"{what}: expected entries `name: ...`, got {brief(values)}")
    for key in values:
        if known is not None and key not in known:
            raise M2R2Error(f"{what}: unknown entry {brief(key)}{nearest_name(brief(key), known)}")
    return values


def _columns(text: Any) -> Columns:
    match = _COLUMNS.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise M2R2Error(f"an array is named like 'qpos' or 'qpos[0:6]', got {brief(text)}")
    array, start, colon, stop = match.groups()
    if start is None:
        return Columns(array)
    end = int(stop) if colon else int(start) + 1
    if end <= int(start):
        raise M2R2Error(f"{brief(text)} has no columns")
    return Columns(array, int(start), end)


def _array(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise M2R2Error(f"{name} must name an array, got {brief(value)}")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise M2R2Error(f"{name} must be a text, got {brief(value)}")
    return value


def _number(value: Any, name: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -_LARGEST <= value <= _LARGEST:
        raise M2R2Error(f"{name} must be a number, got {brief(value)}")
    return float(value)


def _numbers(value: Any, name: str) -> tuple[float, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(_number(each, name) for each in values)
