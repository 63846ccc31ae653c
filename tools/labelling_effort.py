# SPDX-License-Identifier: Apache-2.0
"""What labelling the shipped recording takes on the page of `m2r2 label`, from three beginnings.

    .venv/bin/python tools/labelling_effort.py

From nothing, from cuts where the arm rests, and from the segments of the shipped model, which has
not seen the recording. A scripted operator works in headless Chromium until every boundary is
within `NEAR_S` of the true one and every name is right; what is on the disk is compared with the
truth at the end. From the model also as somebody who is content sooner. The keys that a person
would press are pressed and counted, but for those that play: they are counted, and the playhead is
moved. Time is the keystroke-level model of Card, Moran and Newell: a key 0.28 s, a decision 1.35 s,
and what is watched, at the speed of the recording. Needs the packages playwright, starlette and
uvicorn, and Chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import yaml
from labelled_page import CHROMIUM, FRAME_S, Page, Span, serving

from m2r2_ros.datasets.source import open_source
from m2r2_ros.labels import FINE_LABELS, NO_ACTION, label_from_text
from m2r2_ros.shipped import shipped

# A boundary that is as near is right; somebody who sees one presses a key so much later.
NEAR_S, REACTION_S = 0.25, 0.15
# An edge that is as near is brought to where it belongs; one further away is another one.
BROUGHT_S = 1.0
# After so many right ones in a row, in the order of doubt, the rest is confirmed unseen.
TRUSTED = 5


class Operator:
    """Labels as the truth says; unlabelled time is idle."""

    def __init__(self, page: Page, truth: list[Span]) -> None:
        self.page, self.truth, self.seen = page, truth, set()
        self._boundaries = [span.start for span in truth[1:]]

    def in_order(self) -> None:
        """From the start to the end."""
        self.page.press("Home")
        self.page.play_or_pause()
        self._mend(self.truth)
        self.page.play_or_pause()

    def by_doubt(self, trusted: int = 0) -> None:
        """Proposals as the page leads to them and plays them, until none is left.

        Or until so many in a row were right: then the rest is confirmed unseen.
        """
        page, in_row = self.page, 0
        page.press("d")
        page.play_or_pause()
        while (piece := page.at(page.time)).is_proposal:
            if trusted and in_row >= trusted:
                page.press("Shift+Enter")
                return
            if piece not in self.seen:
                in_row = in_row + 1 if self._looked_at(piece) else 0
            page.press("Enter")

    def _looked_at(self, piece: Span) -> bool:
        """Whether it was right; it is now, and the playhead is in what has become of it."""
        page, spans = self.page, self._spans_of(piece)
        is_right = len(spans) == 1 and spans[0].label == piece.label and self._fits(piece, spans[0])
        if is_right:
            page.play(piece.start, piece.end)
            page.decide()
        else:
            page.play(spans[0].start, spans[0].start)
            self._mend(spans)
            page.play_or_pause()
            self._enter((piece.start + piece.end) / 2)
            self.seen |= {p for s in spans for p in page.pieces() if _overlap(s, p) > NEAR_S}
        return is_right

    def _fits(self, piece: Span, span: Span) -> bool:
        return abs(piece.start - span.start) <= NEAR_S and abs(piece.end - span.end) <= NEAR_S

    def _mend(self, spans: list[Span]) -> None:
        """Watch these spans, one after the other, and mend what is wrong where it is seen."""
        page = self.page
        for span in spans:
            while (edge := self._false_edge(span)) is not None:
                page.watch_to(edge + REACTION_S)
                self._paused("Shift+M")
            page.watch_to(span.end + REACTION_S)
            if span.end in self._boundaries and not _near(span.end, self._edges()):
                nearest = min(self._edges(), key=lambda edge: abs(edge - page.time), default=0.0)
                self._paused("b" if self._can_be_brought(nearest) else "s")
            self._name(span)

    def _can_be_brought(self, edge: float) -> bool:
        """Whether it is no boundary where it is, and nearby."""
        is_near = abs(edge - self.page.time) <= BROUGHT_S + REACTION_S
        return is_near and not _near(edge, [0.0, *self._boundaries])

    def _name(self, span: Span) -> None:
        """Without a pause of its own: at its end, before the next one is watched."""
        middle = (span.start + span.end) / 2
        label = self.page.at(middle).label
        if label == span.label or (span.is_idle and not label):
            return
        self.page.play_or_pause()
        self._enter(middle)
        self.page.name(span.label)
        self.page.play_or_pause()

    def _paused(self, key: str) -> None:
        self.page.play_or_pause()
        self.page.decide()
        self.page.press(key)
        self.page.play_or_pause()

    def _enter(self, time_s: float) -> Span:
        """Bring the playhead into the piece at a time, which is a few edges away at most."""
        piece = self.page.at(time_s)
        if abs(piece.end - self.page.time) < FRAME_S:
            self.page.press("ArrowLeft")
        while self.page.at(self.page.time).start != piece.start:
            self.page.press(*(["ArrowDown"] if self.page.time < piece.start else ["ArrowUp"]))
            if self.page.time > time_s:
                self.page.press("ArrowLeft")
        return piece

    def _edges(self) -> list[float]:
        return [piece.start for piece in self.page.pieces()[1:]]

    def _false_edge(self, span: Span) -> float | None:
        """The first edge inside of a span, unless it will be brought to the span's end."""
        pieces = self.page.pieces()
        edges = [piece.start for piece in pieces[1:]]
        inside = [
            piece.start
            for before, piece in pairwise(pieces)
            if span.start + NEAR_S < piece.start < span.end - NEAR_S
            and not (span.is_idle and before.is_idle and piece.is_idle)
        ]
        if not _near(span.end, edges) and inside:
            nearest = min(edges, key=lambda edge: abs(edge - span.end - REACTION_S))
            if nearest == inside[-1] > span.end - BROUGHT_S:
                inside.pop()
        return inside[0] if inside else None

    def _spans_of(self, piece: Span) -> list[Span]:
        """What is to be watched of the truth to tell whether a piece is right."""
        found = [i for i, span in enumerate(self.truth) if _overlap(span, piece) > NEAR_S]
        first = found[0]
        while first and not _near(self.truth[first].start, self._edges()):
            first -= 1
        return self.truth[first : found[-1] + 1]


def _near(time_s: float, others: list[float]) -> bool:
    return any(abs(time_s - other) <= NEAR_S for other in others)


def _overlap(one: Span, other: Span) -> float:
    return min(one.end, other.end) - max(one.start, other.start)


def unlabelled_copy(folder: Path) -> Path:
    """The shipped recording without the labels inside, and the vocabulary beside it."""
    copy = folder / "taskboard_demo.h5"
    shutil.copyfile(shipped("recordings/taskboard_demo.h5"), copy)
    with h5py.File(copy, "r+") as file:
        del file["segments_info"]
    words = {"format": 1, "labels": list(FINE_LABELS), "idle": [NO_ACTION]}
    (folder / "vocabulary.yaml").write_text(yaml.safe_dump(words))
    return copy


def true_spans() -> tuple[list[Span], float]:
    """All labels of the shipped recording, and its length."""
    with open_source(shipped("recordings/taskboard_demo.h5")) as source:
        end_s = (source.end_ns - source.start_ns) / 1e9
        spans = [Span(a.start_s, a.end_s, label_from_text(a.text)) for a in source.actions]
    return [Span(max(s.start, 0.0), min(s.end, end_s), s.label) for s in spans], end_s


def work(browser: Any, beginning: str, trusted: int = 0) -> tuple[Page, int]:
    """Label all of the recording; also how many labels are wrong in the end."""
    truth, end_s = true_spans()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        models = ("--models", shipped("models/taskboard_compact"))
        given = models if beginning == "model" else ()
        with serving(unlabelled_copy(Path(folder)), *given) as (url, _):
            window = browser.new_page()
            window.goto(url)
            window.wait_for_selector("body[data-ready]")
            if beginning == "model":
                window.wait_for_selector(".piece.model", timeout=0)
            page = Page(window, url, end_s)
            window.check("#complete")
            if beginning == "cuts":
                window.click("#cut")
                window.wait_for_function("() => !document.getElementById('cut').disabled")
            window.keyboard.press("Escape")
            operator = Operator(page, truth)
            operator.by_doubt(trusted) if beginning == "model" else operator.in_order()
            wrong = wrong_labels(page.pieces(), truth)
            window.close()
    return page, wrong


def wrong_labels(pieces: list[Span], truth: list[Span]) -> int:
    """How many of what is done in the truth has no piece of its own with its name and edges.

    What is idle may have a label, or none, in one piece or several.
    """
    assert not any(piece.is_proposal for piece in pieces)
    slack_s = NEAR_S + FRAME_S
    return sum(
        not any(
            piece.label == span.label
            and abs(piece.start - span.start) <= slack_s
            and abs(piece.end - span.end) <= slack_s
            for piece in pieces
        )
        for span in truth
        if not span.is_idle
    )


def main() -> int:
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, CHROMIUM)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for beginning, trusted in (("nothing", 0), ("cuts", 0), ("model", 0), ("model", TRUSTED)):
            page, wrong = work(browser, beginning, trusted)
            print(
                f"{beginning}{f', {trusted} right in a row trusted' if trusted else ''}: "
                f"{page.keys} keys, {page.decisions} decisions, {page.watched_s:.0f} s watched, "
                f"{page.seconds / 60:.1f} min, {wrong} labels wrong",
                flush=True,
            )
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
