# SPDX-License-Identifier: Apache-2.0
"""The page of `m2r2 label` in a browser, for a scripted operator whose keys are counted."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from m2r2_ros.labels import NO_ACTION

# A key, and making up one's mind.
KEY_S, DECISION_S = 0.28, 1.35
FRAME_S = 1 / 30
# The page shows hundredths of a second.
SHOWN_S = 0.006
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Span:
    """Of the truth, idle time included; or a piece on the page, whose label may be ""."""

    start: float
    end: float
    label: str
    is_proposal: bool = False

    @property
    def is_idle(self) -> bool:
        return self.label in ("", NO_ACTION)


class Page:
    """The page as the operator sees it, and what the operator's hands have done."""

    def __init__(self, page: Any, url: str, end_s: float) -> None:
        self._page, self._url, self._end_s = page, url, end_s
        self.keys = self.decisions = 0
        self.watched_s = 0.0

    @property
    def seconds(self) -> float:
        return self.keys * KEY_S + self.decisions * DECISION_S + self.watched_s

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)
        self.keys += len(keys)

    def play_or_pause(self) -> None:
        self.keys += 1

    def decide(self) -> None:
        self.decisions += 1

    @property
    def time(self) -> float:
        minutes, seconds = self._page.inner_text("#time").split(":")
        return 60 * int(minutes) + float(seconds)

    def watch_to(self, time_s: float) -> None:
        """As if it had been played until there."""
        self.watched_s += max(0.0, time_s - self.time)
        self._go(time_s)

    def play(self, start_s: float, end_s: float) -> None:
        """As the page does it by itself: the playhead stays within the end."""
        self._go(start_s)
        self.watch_to(end_s - FRAME_S)

    def _go(self, time_s: float) -> None:
        """Not counted: playing has led there."""
        for step_s, back, on in (
            (1.0, "Shift+ArrowLeft", "Shift+ArrowRight"),
            (FRAME_S, "ArrowLeft", "ArrowRight"),
        ):
            steps = int((time_s - self.time) / step_s)
            for _ in range(abs(steps)):
                self._page.keyboard.press(on if steps > 0 else back)

    def pieces(self) -> list[Span]:
        """What is on the disk."""
        self._page.wait_for_selector("#status[data-status=saved]")
        with urllib.request.urlopen(f"{self._url}api/0/labels") as answer:
            now = json.load(answer)
        found, last = [], 0.0
        for entry in [*now["labels"], {"start": self._end_s, "end": self._end_s, "label": ""}]:
            inside = [cut for cut in now["cuts"] if last + 0.01 < cut < entry["start"] - 0.01]
            gaps = pairwise([last, *inside, entry["start"]])
            found += [Span(start, end, "") for start, end in gaps if end - start > 0.01]
            last = entry["end"]
            if entry["label"]:
                is_proposal = entry["source"] == "model"
                found.append(Span(entry["start"], last, entry["label"], is_proposal))
        return found

    def at(self, time_s: float) -> Span:
        return next(p for p in reversed(self.pieces()) if p.start <= time_s + SHOWN_S)

    def name(self, label: str) -> None:
        """By its number key, or by the shortest words that find it."""
        self.decide()
        names = self._page.eval_on_selector_all(
            "#names button", "buttons => buttons.map(b => b.dataset.name)"
        )
        if label in names[:10]:
            self.press(str((names.index(label) + 1) % 10))
        else:
            self.press("n", *shortest_search(label, names), "Enter")


def shortest_search(label: str, names: list[str]) -> str:
    """Beginnings of the words of a label, as few letters as find it first."""
    queries = [""]
    for word in label.lower().split():
        beginnings = [word[:count] for count in range(len(word) + 1)]
        queries = [f"{query} {begin}".strip() for query in queries for begin in beginnings]
    for query in sorted(set(queries), key=len):
        words = query.split()
        if label == next(n for n in names if all(word in n.lower() for word in words)):
            return query
    raise ValueError(label)


@contextmanager
def serving(*arguments: object) -> Iterator[tuple[str, int]]:
    """The address of a page, and the server's process."""
    command = [sys.executable, "-m", "m2r2_ros.cli.main", "label", *map(str, arguments)]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            yield server.stdout.readline().removeprefix("open ").strip(), server.pid
        finally:
            server.kill()
