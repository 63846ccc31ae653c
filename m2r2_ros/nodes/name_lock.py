# SPDX-License-Identifier: Apache-2.0
"""One node of a name, one publisher of a topic: a second chain would double every message."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress

from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.ros_home import state_file

# One that was told to end may take this long to let go.
_PATIENCE_S = 3.0
_LOOK_S = 0.05
_ELSEWHERE = "start this one in another namespace (--ros-args -r __ns:=/arm2) or ROS domain"


class NameLock:
    """Held from `take` to `release`, and let go by the kernel however the process ends.

    problem   why it cannot be had, "" where it can: then a second one would not be noticed.
    """

    def __init__(self, name: str, kind: str = "node", elsewhere: str = _ELSEWHERE) -> None:
        """`name` is fully qualified, that of a node or a topic; domains do not meet.

        `elsewhere` says how to start a second one where it does not get in the way.
        """
        self._name, self._elsewhere = name, elsewhere
        self._path = state_file(name, f"-{kind}.lock")
        self._file: int | None = None
        self.problem = ""

    def take(self) -> None:
        """Raises M2R2Error when another process has it, running or stopped."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, flags, 0o600)
        except OSError as error:
            self.problem = f"{self._path} cannot be written ({error.strerror}): a second"
            self.problem += f" {self._name} would not be noticed"
            return
        deadline = time.monotonic() + _PATIENCE_S
        while not self._lock():
            if time.monotonic() > deadline:
                holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
                self.release()
                raise M2R2Error(
                    f"{self._name} is in use by process {holder}: end that first, or "
                    f"{self._elsewhere}"
                )
            time.sleep(_LOOK_S)
        # It is had on a full disk, too: only its holder's number is not told.
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            # A file system without locks.
            self.problem = f"{self._path} cannot be locked ({error.strerror})"
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
