# SPDX-License-Identifier: Apache-2.0
"""What is wrong with data before anything is learned from them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that somebody should look at.

    kind       the check that found it, in a word or two.
    recording  where it is, "" for the data as a whole; `start_s` and `end_s` are seconds from its
               first frame, None where it is the whole recording.
    label      the class that it is about, "" for none; `stream` likewise.
    text       what was found, with numbers; `remedy` what to do about it.
    fatal      nothing useful can be learned before it is mended.
    """

    kind: str
    text: str
    remedy: str
    recording: str = ""
    label: str = ""
    stream: str = ""
    start_s: float | None = None
    end_s: float | None = None
    fatal: bool = False

    def __str__(self) -> str:
        return f"{f'{self.recording}: ' if self.recording else ''}{self.text}: {self.remedy}"
