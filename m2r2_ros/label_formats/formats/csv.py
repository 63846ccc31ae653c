# SPDX-License-Identifier: Apache-2.0
"""A table of RFC 4180: `start,end,label,outcome,source,confidence`, times in seconds.

The first three columns have to be there, in any order; an empty field says nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from m2r2_ros.datasets.recording_labels import IMPORT
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.label_formats.label_format import (
    GAPS,
    NEIGHBOURS,
    OF_LABELS,
    FormatOptions,
    LabelFormat,
)
from m2r2_ros.label_formats.label_track import LabelSpan, LabelTrack
from m2r2_ros.label_formats.texts import (
    decimal_seconds,
    parsed_number,
    parsed_seconds,
    read_text,
    the_one,
    write_text,
)

COLUMNS = ("start", "end", "label", "outcome", "source", "confidence")
_REQUIRED = 3


def read(path: Path, options: FormatOptions) -> list[LabelTrack]:
    rows = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        _check_header(header)
        spans = tuple(_span(number, header, row) for number, row in enumerate(rows, 1) if row)
    except (csv.Error, ValueError) as error:
        raise M2R2Error(f"no table of commas, line {rows.line_num}: {error}") from error
    others = [name for name in header if name not in COLUMNS]
    problems = (f"columns not taken: {', '.join(others)}",) if others else ()
    return [LabelTrack("", spans, problems=problems)]


def write(path: Path, tracks: Sequence[LabelTrack], options: FormatOptions) -> list[str]:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for span in the_one(tracks).spans:
        times = decimal_seconds(span.start_ns), decimal_seconds(span.end_ns)
        table.writerow([*times, span.label, span.outcome or "", span.source, repr(span.confidence)])
    write_text(path, text.getvalue())
    return []


def _check_header(header: list[str]) -> None:
    for name in COLUMNS[:_REQUIRED]:
        if name not in header:
            given = brief(",".join(header))
            raise M2R2Error(f"its first line must name the column '{name}', it is {given}")
    if len(set(header)) < len(header):
        raise M2R2Error("its first line names a column twice")


def _span(number: int, header: list[str], fields: list[str]) -> LabelSpan:
    what = f"row {number}"
    if len(fields) != len(header):
        raise M2R2Error(f"{what} has {len(fields)} fields, the first line names {len(header)}")
    row = dict(zip(header, fields, strict=True))
    confidence = row.get("confidence") or "1"
    return LabelSpan(
        parsed_seconds(row["start"], f"{what}: start"),
        parsed_seconds(row["end"], f"{what}: end"),
        row["label"],
        row.get("outcome") or None,
        row.get("source") or IMPORT,
        parsed_number(confidence, f"{what}: confidence"),
    )


FORMAT = LabelFormat(".csv", False, OF_LABELS | {GAPS, NEIGHBOURS}, read, write)
