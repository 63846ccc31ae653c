# SPDX-License-Identifier: Apache-2.0
"""One run at a time in a models folder: two would remove each other's work."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2r2_ros.errors import M2R2Error

LOCK_FILE = "lock"


@contextmanager
def alone_in(work: Path) -> Iterator[None]:
    """Hold the lock of a work folder, which the kernel lets go however the process ends.

    Raises M2R2Error where another run holds it.
    """
    work.mkdir(parents=True, exist_ok=True)
    with (work / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise M2R2Error(
                f"{work.parent}: another `m2r2 learn` is at work there: wait until it has ended, "
                "or choose another --out"
            ) from None
        except OSError:
            # A file system without locks.
            pass
        yield
