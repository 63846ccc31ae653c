# SPDX-License-Identifier: Apache-2.0
"""Numbers and JSON in the files of other tools, within limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.annotations import MAX_JSON_BYTES
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.labels_file import read_json, seconds_to_ns
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.label_formats.label_track import LabelTrack
from m2r2_ros.small_files import read_small_text


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put a file's name before an error that does not have it."""
    try:
        yield
    except M2R2Error as error:
        if str(path) in str(error):
            raise
        raise M2R2Error(f"{path}: {error}") from error


def read_text(path: Path) -> str:
    """A file of at most 16 MiB. Raises M2R2Error."""
    return read_small_text(path, MAX_JSON_BYTES)


def write_text(path: Path, text: str) -> None:
    """Write a file, to appear when it is complete; line ends stay as they are."""
    with partial_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def read_entries(path: Path) -> Any:
    """A file of JSON. Raises M2R2Error."""
    return read_json(read_text(path))


def decimal_seconds(time_ns: int, places: int = 9) -> str:
    """Seconds with all their digits: "1.5" for 1500000000."""
    sign, whole = "-" if time_ns < 0 else "", abs(time_ns)
    fraction = f"{whole % 10**9:09d}"[:places].rstrip("0") or "0"
    return f"{sign}{whole // 10**9}.{fraction}"


def parsed_seconds(text: str, what: str) -> int:
    """The inverse of `decimal_seconds` [ns]. Raises M2R2Error."""
    return seconds_to_ns(parsed_number(text, what), what)


def parsed_number(text: str, what: str) -> float:
    """A decimal number. Raises M2R2Error."""
    try:
        number = math.nan if "_" in text else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        remedy = ": write it with a point, not with a comma" if "," in text else ""
        raise M2R2Error(f"{what} is no number: {brief(text)}{remedy}")
    return number


def entry(values: Any, key: str, kind: type, what: str) -> Any:
    """`values[key]`, an entry of this kind. Raises M2R2Error."""
    if not isinstance(values, dict) or not isinstance(values.get(key), kind):
        kinds = {dict: "entries", list: "a list", str: "a text"}
        raise M2R2Error(f"{what}: '{key}' must be {kinds[kind]}")
    return values[key]


def the_one(tracks: Sequence[LabelTrack]) -> LabelTrack:
    """Of a form that keeps one recording a file."""
    (track,) = tracks
    return track


def from_zero(track: LabelTrack) -> tuple[LabelTrack, list[str]]:
    """A track for a form that counts from zero, and what there is to say of it."""
    early = sum(span.start_ns < 0 for span in track.spans)
    spans = (replace(s, start_ns=max(0, s.start_ns)) for s in track.spans if s.end_ns > 0)
    line = f"{early} labels begin before zero, from which this form counts: they are cut there"
    return replace(track, spans=tuple(spans)), [f"{track.name}: {line}"] if early else []
