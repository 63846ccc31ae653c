# SPDX-License-Identifier: Apache-2.0
"""Work that gives way to a robot's chain, or to what somebody waits for, on the same cores."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

# A chain at 0 then gets nine tenths of a core that both want.
_NICE = 10


def program_gives_way() -> None:
    """Lower the priority of this program, for good: without rights it cannot be raised again."""
    os.nice(_NICE)


def thread_gives_way() -> None:
    """Lower the priority of this thread alone, where the system can do that."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
