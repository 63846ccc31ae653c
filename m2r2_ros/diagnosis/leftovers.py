# SPDX-License-Identifier: Apache-2.0
"""What killed programs left in shared memory: Fast DDS frees a segment at a clean end only."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

# A program holds the lock on this file for as long as it lives (Fast DDS, RobustExclusiveLock).
_LOCK = "_el"


def left_behind(shared: Path) -> tuple[int, int]:
    """How many segments in `shared` have no living owner, and their size [bytes].

    Those of other users, which cannot be opened, are not counted.
    """
    sizes = []
    for lock in shared.glob(f"fastdds_*{_LOCK}"):
        segment = lock.with_name(lock.name.removesuffix(_LOCK))
        with suppress(OSError):
            size = segment.stat().st_size
            if _is_free(lock):
                sizes.append(size)
    return len(sizes), sum(sizes)


def _is_free(lock: Path) -> bool:
    descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
