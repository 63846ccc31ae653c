# SPDX-License-Identifier: Apache-2.0
"""Programs that run beside a command and never outlive it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.held_signals import held_back

# What is sent, and for how many seconds the program may take to obey.
_PERSUASION = ((signal.SIGINT, 10.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, None))

# What ROS writes before a logged line: severity, time, node.
_ROS_PREFIX = re.compile(r"^\[\w+\] \[[\d.]+\] \[[\w./]+\]: ")


class ChildProgram:
    """A program in the background, its output in a log file; leaving the block stops it.

    With `has_input` its standard input stays open until `end_input`.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, has_input: bool = False
    ) -> None:
        self.name = name
        self._command = list(command)
        self._log = log
        self._stdin = subprocess.PIPE if has_input else subprocess.DEVNULL

    def __enter__(self) -> ChildProgram:
        # A signal that raised now would leave the program without anyone to stop it.
        with held_back(signal.SIGINT, signal.SIGTERM) as held, self._log.open("wb") as log:
            # In a session of its own, so that Ctrl-C reaches it through `stop`, in our order.
            self._process = subprocess.Popen(
                self._command,
                stdin=self._stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Lines in the order in which they were said, so that the last one is the error.
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        try:
            for number in held:
                signal.raise_signal(number)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def end_input(self) -> None:
        """Close the program's standard input."""
        self._process.stdin.close()

    def ended(self) -> bool:
        """Whether it ended by itself without an error. Raises M2R2Error when it failed."""
        status = self._process.poll()
        if status:
            raise M2R2Error(f"the {self.name} failed: {self._last_line()} (log: {self._log})")
        return status == 0

    def check_running(self) -> None:
        """Raise M2R2Error when it has ended, whatever its status."""
        if self.ended():
            raise M2R2Error(f"the {self.name} ended too early (log: {self._log})")

    def ask_to_end(self) -> None:
        """Send SIGINT, on which a ROS node ends in order, and do not wait."""
        self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End it, politely first; returns when it is gone."""
        for number, patience_s in _PERSUASION:
            if self._process.poll() is not None:
                return
            self._process.send_signal(number)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue

    def _last_line(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        return _ROS_PREFIX.sub("", last)
