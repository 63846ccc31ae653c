# SPDX-License-Identifier: Apache-2.0
"""That a chain is paused, kept for the process that takes the place of one that is killed."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress

from m2r2_ros.nodes.ros_home import StateFile

# It is written once a second; whoever has been away longer begins a new run.
_MEMORY_S = 60.0


class PauseMark(StateFile):
    """An empty file in `$ROS_HOME`, whose time is when the chain was last seen to be paused."""

    def __init__(self, node_name: str) -> None:
        super().__init__(node_name, ".paused")

    def is_there(self) -> bool:
        """Whether a process was killed less than a minute ago that had paused the chain."""
        with suppress(OSError):
            found = self.path.lstat()
            return stat.S_ISREG(found.st_mode) and 0 <= time.time() - found.st_mtime < _MEMORY_S
        return False

    def write(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, flags, 0o600)
            try:
                os.utime(file)
            finally:
                os.close(file)
            self.problem = ""
        except OSError as error:
            self.problem = f"{self.path} cannot be written ({error.strerror}): the pause is over"
            self.problem += " if this process is killed"
