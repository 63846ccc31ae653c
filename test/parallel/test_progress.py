# SPDX-License-Identifier: Apache-2.0
"""Progress on a terminal and in a file, with a clock that the test moves."""

from __future__ import annotations

import io

import pytest

from m2r2_ros.parallel.progress import LINE_INTERVAL_S, Progress, as_part, told_to


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(stream: io.StringIO, seconds_each: float, monkeypatch, steps: int = 5, **options) -> str:
    """`steps` steps that take so long each."""
    now = [100.0]
    monkeypatch.setattr(Progress, "_time", staticmethod(lambda: now[0]), raising=False)
    with Progress(total=steps, desc="extracting", file=stream, **options) as bar:
        # tqdm asks the clock of its class or of the bar.
        bar._time = lambda: now[0]
        bar.start_t = bar.last_print_t = now[0]
        for _ in range(steps):
            now[0] += seconds_each
            bar.update()
            bar.refresh()
    return stream.getvalue()


def test_long_work_leaves_lines_in_a_file(monkeypatch):
    lines = work(io.StringIO(), LINE_INTERVAL_S, monkeypatch).splitlines()
    assert len(lines) == 5
    assert all(line.startswith("extracting: ") for line in lines)
    assert "\r" not in "".join(lines)
    assert " 1/5 " in lines[0] and "100%" in lines[-1]


def test_no_more_lines_than_one_in_the_interval(monkeypatch):
    lines = work(io.StringIO(), LINE_INTERVAL_S / 4, monkeypatch, steps=16).splitlines()
    assert len(lines) == 4


def test_the_last_line_is_about_the_whole(monkeypatch):
    lines = work(io.StringIO(), LINE_INTERVAL_S / 2, monkeypatch).splitlines()
    assert [f" {count}/5 " in line for count, line in zip((2, 4, 5), lines, strict=True)] == [
        True
    ] * 3


def test_short_work_leaves_nothing_in_a_file(monkeypatch):
    assert work(io.StringIO(), 1.0, monkeypatch) == ""


def test_a_slow_piece_counts_as_one_of_all(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(Progress, "_time", staticmethod(lambda: now[0]), raising=False)
    with Progress(total=100, file=Terminal()) as bar:
        bar._time = lambda: now[0]
        bar.start_t = bar.last_print_t = now[0]
        for seconds in (*[1.0] * 48, 1.0, 51.0):
            now[0] += seconds
            bar.update()
        # 100 s for 50 pieces, so 100 s for the other 50.
        assert "[01:40<01:40" in str(bar)


def test_a_terminal_gets_a_bar(monkeypatch):
    text = work(Terminal(), 1.0, monkeypatch)
    assert text.count("\r") > 5 and text.endswith("\n") and "5/5" in text


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_what_others_report_is_silent(monkeypatch, stream):
    assert work(stream(), LINE_INTERVAL_S, monkeypatch, disable=True) == ""


def test_a_stream_that_knows_no_terminal(monkeypatch):
    class Plain:
        written = ""

        def write(self, text: str) -> None:
            self.written += text

        def flush(self) -> None:
            pass

    plain = Plain()
    plain.getvalue = lambda: plain.written
    assert work(plain, LINE_INTERVAL_S, monkeypatch, steps=2).count("\n") == 2


def test_a_listener_is_told_in_place_of_a_bar():
    stream, told = Terminal(), []
    with told_to(told.append), Progress(total=4, file=stream, mininterval=0) as bar:
        for _ in range(4):
            bar.update()
    assert stream.getvalue() == ""
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1


def test_parts_of_a_work_are_told_as_the_whole():
    told: list[float] = []
    with told_to(told.append):
        for start, size in ((0.0, 0.75), (0.75, 0.25)):
            with as_part(start, size):
                list(Progress(range(3), mininterval=0))
    assert told == sorted(told) and {0.25, 0.75, 1.0} <= set(told)


def test_bars_are_shown_again_after_a_listener(monkeypatch):
    with told_to(lambda done: None):
        pass
    assert "5/5" in work(Terminal(), 1.0, monkeypatch)
