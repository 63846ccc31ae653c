# SPDX-License-Identifier: Apache-2.0
"""How long something takes that is killed and started again."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file


class Stopwatch:
    """Seconds over all starts, kept in a file."""

    def __init__(self, file: Path) -> None:
        self._file, self._began = file, time.monotonic()
        self._before = 0.0
        # A power cut may have left it empty.
        with suppress(FileNotFoundError, ValueError):
            self._before = float(file.read_text("utf-8"))

    @property
    def seconds(self) -> float:
        """Up to now."""
        return self._before + time.monotonic() - self._began

    def save(self) -> None:
        """What the next start goes on from."""
        with partial_file(self._file) as temporary:
            temporary.write_text(f"{self.seconds:.1f}\n", "utf-8")
