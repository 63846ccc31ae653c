# SPDX-License-Identifier: Apache-2.0
"""The terminal of `m2r2 record`: one line that says how it stands, and keys."""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from m2r2_ros.errors import printable

if TYPE_CHECKING:
    from m2r2_ros.nodes.recording import RecordingState

# Without a terminal the state is a line of the log so often.
_LOG_S = 10.0
_MOST_KEYS = 64


class RecordingConsole:
    """See `nodes.recording.Console`. The line is drawn over itself where there is a terminal."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._has_keys = sys.stdin is not None and sys.stdin.isatty()
        self._logged_s = time.monotonic()
        self._drawn = ""

    def say(self, line: str) -> None:
        """A line that stays, above the state."""
        blank = " " * len(self._drawn)
        over = f"\r{blank}\r" if self._drawn else ""
        self._drawn = ""
        _put(f"{over}{printable(line)}\n")

    def show(self, state: RecordingState) -> None:
        """Draw how it stands."""
        line = printable(state_line(state))
        if not self._is_terminal:
            if time.monotonic() - self._logged_s >= _LOG_S:
                self._logged_s = time.monotonic()
                _put(f"{line}\n")
            return
        line = line[: shutil.get_terminal_size().columns - 1]
        _put(f"\r{line.ljust(len(self._drawn))}")
        self._drawn = line

    def pressed(self) -> Sequence[str]:
        """Keys that were pressed since the last time."""
        if not self._has_keys or not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        try:
            keys = os.read(sys.stdin.fileno(), _MOST_KEYS)
        except OSError:
            keys = b""
        # Nothing to read means that the terminal is gone.
        self._has_keys = bool(keys)
        return keys.decode(errors="replace")

    @contextmanager
    def reading_keys(self) -> Iterator[None]:
        """Inside the block keys come at once and are not shown; Ctrl-C stays what it is."""
        if not self._has_keys:
            yield
            return
        import termios
        import tty

        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setcbreak(sys.stdin)
            yield
        finally:
            # A terminal that is gone has nothing to be set back.
            with suppress(termios.error):
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
            if self._drawn:
                _put("\n")


def _put(text: str) -> None:
    """A take does not end because its terminal is gone, or the log's disk is full."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def state_line(state: RecordingState) -> str:
    """Take, length, size, label; then each topic's rate, silent ones first."""
    parts = [f"{state.free_bytes / 1e9:.0f} GB free"]
    if state.take:
        parts.insert(0, f"{state.take} {state.seconds:.1f} s {state.size / 1e6:.1f} MB")
        parts.insert(1, f"[{state.label}]" if state.label else "")
    else:
        parts.insert(0, "waiting")
    counts = {"lost": state.lost, "dropped": state.dropped}
    parts += [f"{count} {name}" for name, count in counts.items() if count]
    silent = [f"{topic} SILENT {seconds:.1f} s" for topic, seconds in state.silent.items()]
    rates = [f"{t} {rate:.0f}" for t, rate in state.rates.items() if t not in state.silent]
    return " | ".join(filter(None, [*parts, *silent, *rates]))
