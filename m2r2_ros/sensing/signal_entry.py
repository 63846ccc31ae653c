# SPDX-License-Identifier: Apache-2.0
"""A signal's entry in a layout file: `{width, columns, unit, range, quaternions, ...}`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.sensing.signal import Range, Signal, bare_signal
from m2r2_ros.signal_presets import OTHER, PRESETS, UNLIMITED, SignalPreset, preset_of

# More columns are no signal but a picture.
MAX_WIDTH = 1024
MAX_NAME = 64
NO_PRESET = "none"
_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_ENTRIES = ("preset", "width", "columns", "unit", "range", "quaternions", "rate_hz")
# Names of a graph's other inputs and outputs, and the endings that it adds to a signal's name.
_TAKEN = ("audio", "mask", "feature", "embedding", "present")
_PREFIXES = ("image_", "prepared_", "state_", "next_state_")
_SUFFIXES = ("_length", "_valid")


def declared_signal(name: str, entry: Mapping[str, Any] | None = None) -> Signal:
    """The signal of a layout's entry `name: {...}`. Raises M2R2Error that names it."""
    try:
        return _declared(_checked_name(name), {} if entry is None else entry)
    except M2R2Error as error:
        raise M2R2Error(f"signal {brief(name)}: {error}") from error


def entry_of(signal: Signal) -> dict[str, Any]:
    """The inverse of `declared_signal`: {} for a preset as it is."""
    plain = _plain(signal)
    implied = _plain(bare_signal(signal.name, signal.preset, signal.width))
    implied |= {"preset": preset_of(signal.name) or NO_PRESET, "width": signal.kind.width}
    return {key: plain[key] for key in _ENTRIES if plain[key] != implied[key]}


def _declared(name: str, entry: Any) -> Signal:
    if not isinstance(entry, Mapping):
        raise M2R2Error(f"expected entries such as width, got {brief(entry)}")
    for key in entry:
        if key not in _ENTRIES:
            raise M2R2Error(f"unknown entry {brief(key)}{nearest_name(brief(key), _ENTRIES)}")
    preset = _preset(name, entry)
    kind = PRESETS[preset] if preset else OTHER
    width = _width(entry.get("width", kind.width or None), kind, name, preset)
    signal = bare_signal(name, preset, width)
    return replace(
        signal,
        columns=_columns(entry["columns"], width) if "columns" in entry else signal.columns,
        units=_units(entry["unit"], signal) if "unit" in entry else signal.units,
        ranges=_ranges(entry["range"], width) if "range" in entry else (),
        quaternions=(
            _quaternions(entry["quaternions"], width)
            if "quaternions" in entry
            else signal.quaternions
        ),
        rate_hz=_whole(entry["rate_hz"], "rate_hz", 999_999) if "rate_hz" in entry else 0,
    )


def _plain(signal: Signal) -> dict[str, Any]:
    return {
        "preset": signal.preset or NO_PRESET,
        "width": signal.width,
        "columns": list(signal.columns),
        "unit": _one_or_all(signal.units),
        "range": _one_or_all(tuple(map(list, signal.ranges))) if signal.ranges else None,
        "quaternions": [list(columns) for columns in signal.quaternions],
        "rate_hz": signal.rate_hz,
    }


def _one_or_all(values: Sequence[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else list(values)


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise M2R2Error("its name must be a plain word: letters, digits and _, a letter first")
    if len(name) > MAX_NAME:
        raise M2R2Error(f"its name is longer than {MAX_NAME} letters")
    if name in _TAKEN or name.startswith(_PREFIXES) or name.endswith(_SUFFIXES):
        raise M2R2Error("this name is taken: a model's other inputs are called so")
    return name


def _preset(name: str, entry: Mapping[str, Any]) -> str:
    preset = entry.get("preset", preset_of(name))
    if preset in (None, "", NO_PRESET):
        return ""
    if not isinstance(preset, str) or preset not in PRESETS:
        near = nearest_name(brief(preset), (*PRESETS, NO_PRESET))
        raise M2R2Error(f"no preset is called {brief(preset)}{near}")
    return preset


def _width(width: object, kind: SignalPreset, name: str, preset: str) -> int:
    if width is None:
        near = "" if preset else nearest_name(name, PRESETS)
        raise M2R2Error(f"it needs a width, its number of columns{near}")
    number = _whole(width, "width", MAX_WIDTH)
    if kind.width and number != kind.width:
        raise M2R2Error(
            f"a {preset} has {kind.width} columns, not {number}; "
            f"`preset: {NO_PRESET}` if it is none"
        )
    return number


def _whole(value: object, name: str, largest: int) -> int:
    if type(value) is not int or not 0 < value <= largest:
        raise M2R2Error(f"{name} must be a whole number in [1, {largest}], got {brief(value)}")
    return value


def _columns(columns: object, width: int) -> tuple[str, ...]:
    if not _are_texts(columns, width) or len(set(columns)) != width or not all(columns):
        raise M2R2Error(f"columns must be {width} different names, got {brief(columns)}")
    return tuple(columns)


def _units(unit: object, signal: Signal) -> tuple[str, ...]:
    units = [unit] * signal.width if isinstance(unit, str) else unit
    if not _are_texts(units, signal.width):
        raise M2R2Error(f"unit must be a text, or {signal.width} of them, got {brief(unit)}")
    if signal.kind.width and tuple(units) != signal.units:
        raise M2R2Error(
            f"a {signal.preset} is in {', '.join(dict.fromkeys(signal.units))}, not in "
            f"{brief(unit)}; `preset: {NO_PRESET}` if it is none"
        )
    return tuple(units)


def _are_texts(values: object, count: int) -> bool:
    is_list = isinstance(values, list | tuple) and len(values) == count
    return is_list and all(isinstance(value, str) and len(value) <= MAX_NAME for value in values)


def _ranges(given: object, width: int) -> tuple[Range, ...]:
    pairs = [given] * width if _is_range(given) else given
    if not isinstance(pairs, list | tuple) or len(pairs) != width or not all(map(_is_range, pairs)):
        raise M2R2Error(
            f"range must be [lowest, highest], or {width} of them, within +-{UNLIMITED:g}; "
            f"got {brief(given)}"
        )
    return tuple((float(low), float(high)) for low, high in pairs)


def _is_range(pair: object) -> bool:
    is_pair = isinstance(pair, list | tuple) and len(pair) == 2
    if not is_pair or not all(type(end) in (int, float) for end in pair):
        return False
    return -UNLIMITED <= pair[0] < pair[1] <= UNLIMITED


def _quaternions(given: object, width: int) -> tuple[tuple[int, int], ...]:
    spans = given if isinstance(given, list | tuple) else [given]
    taken: set[int] = set()
    for span in spans:
        is_span = isinstance(span, list | tuple) and len(span) == 2
        if not is_span or not all(type(end) is int for end in span) or span[1] - span[0] != 4:
            raise M2R2Error(f"a quaternion is four columns, [3, 7] for 3 to 6, got {brief(span)}")
        columns = set(range(*span))
        if span[0] < 0 or span[1] > width or columns & taken:
            raise M2R2Error(f"quaternion {list(span)} is beyond its {width} columns, or overlaps")
        taken |= columns
    return tuple((first, stop) for first, stop in spans)
