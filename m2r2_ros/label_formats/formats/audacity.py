# SPDX-License-Identifier: Apache-2.0
"""A label track of Audacity: a line of start, end and label a label, with tabs between them.

A line that begins with a backslash is the band of frequencies of the label before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.label_formats.label_format import GAPS, NEIGHBOURS, FormatOptions, LabelFormat
from m2r2_ros.label_formats.label_track import LabelSpan, LabelTrack
from m2r2_ros.label_formats.texts import (
    decimal_seconds,
    from_zero,
    parsed_seconds,
    read_text,
    the_one,
    write_text,
)

# Of all systems; `splitlines` knows more, which may be in a label.
_LINE_END = re.compile(r"\r\n|\r|\n")


def read(path: Path, options: FormatOptions) -> list[LabelTrack]:
    lines = _LINE_END.split(read_text(path))
    labels = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    spans = tuple(_span(number, line) for number, line in labels if line[0] != "\\")
    return [LabelTrack("", spans)]


def write(path: Path, tracks: Sequence[LabelTrack], options: FormatOptions) -> list[str]:
    track, lines = from_zero(the_one(tracks))
    rows = (
        (decimal_seconds(span.start_ns), decimal_seconds(span.end_ns), span.label)
        for span in track.spans
    )
    write_text(path, "".join("\t".join(row) + "\n" for row in rows))
    return lines


def _span(number: int, line: str) -> LabelSpan:
    start, _, rest = line.partition("\t")
    end, tab, label = rest.partition("\t")
    if not tab:
        raise M2R2Error(f"line {number}: {brief(line)} is not start, end and label with tabs")
    what = f"line {number}"
    times = parsed_seconds(start, f"{what}: start"), parsed_seconds(end, f"{what}: end")
    return LabelSpan(*times, label)


FORMAT = LabelFormat(".txt", False, frozenset((GAPS, NEIGHBOURS)), read, write)
