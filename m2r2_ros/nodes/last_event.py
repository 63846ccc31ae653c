# SPDX-License-Identifier: Apache-2.0
"""The last event of a segmenter, kept for its successor: a planner gets every ENDED.

Ids count up by one, and every STARTED gets one ENDED, also when the process is killed. So the
segmenter keeps its last event in a file. A segmenter that starts within a minute under the same
name ends the open segment and counts on. An orderly end removes the file.
"""

from __future__ import annotations

import json
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

from m2r2_ros.errors import brief, printable
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus, fields_of
from m2r2_ros.nodes.ros_home import StateFile

# The open segment is written once a second; whoever has been away longer begins a new run.
_MEMORY_S = 60.0
_MAX_BYTES = 10_000
# As the message's fields hold them: a successor needs one more id; ROS time ends at 2**31 s.
_RANGES = {
    "segment_id": (0, 2**64 - 2),
    "class_id": (-1, 2**31 - 1),
    **dict.fromkeys(("stamp_ns", "start_ns", "end_ns"), (0, 2**31 * 10**9 - 1)),
}
_TEXTS = fields_of(str)
_SHARES = fields_of(float)


class LastEvent(StateFile):
    """The last event of a run, in `$ROS_HOME` (`~/.ros`). Its user holds the node's `NameLock`.

    damage    what was wrong with the event that was found and set aside, "" if nothing was.
    """

    def __init__(self, node_name: str) -> None:
        super().__init__(node_name, ".json")
        self.damage = ""

    def read(self) -> SegmentEvent | None:
        """The last event of a segmenter that was killed less than a minute ago, if any."""
        try:
            age_s = time.time() - self.path.lstat().st_mtime
        except OSError:
            return None
        if not 0 <= age_s < _MEMORY_S:
            return None
        try:
            return _event(_content(self.path))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            self._set_aside(printable(error))
            return None

    def _set_aside(self, why: str) -> None:
        aside = self.path.with_suffix(".damaged")
        try:
            self.path.replace(aside)
            where = f"set aside as {aside}"
        except OSError as error:
            where = f"cannot be set aside ({error.strerror})"
        self.damage = f"{self.path} is damaged ({why}) and {where}: ids start at 0 again"

    def write(self, event: SegmentEvent) -> None:
        """Keep `event`; where the disk is full, `problem` says so."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = _write_beside(self.path, json.dumps(vars(event)).encode())
            temporary.replace(self.path)
            self.problem = ""
        except OSError as error:
            self.problem = f"{self.path} cannot be written ({error.strerror}): ids start at 0"
            self.problem += " again if this process is killed"


def ended(event: SegmentEvent) -> SegmentEvent | None:
    """The ENDED that a killed run still owes its planner, None when it owes nothing."""
    if event.status == SegmentStatus.ENDED:
        return None
    return replace(event, status=SegmentStatus.ENDED)


def _content(path: Path) -> bytes:
    """The content of a plain file. Raises ValueError for anything else, such as a link or pipe."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ValueError("no plain file")
        content = os.read(file, _MAX_BYTES + 1)
    finally:
        os.close(file)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"more than {_MAX_BYTES} bytes")
    return content


def _write_beside(path: Path, content: bytes) -> Path:
    """Write a new file next to `path`; it opens no file or link that is already there."""
    temporary = path.with_suffix(f".{os.getpid()}.new")
    # Of a process that had this id before.
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
        file.write(content)
    return temporary


def _event(content: bytes) -> SegmentEvent:
    """Raises ValueError or TypeError for what no segmenter has written."""
    event = SegmentEvent(**json.loads(content.decode("utf-8")))
    for name, (low, high) in _RANGES.items():
        value = getattr(event, name)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{name} cannot be {brief(value)}")
    for name in (*_SHARES, *(["progress"] if event.progress is not None else [])):
        value = getattr(event, name)
        # A mean of float32 may exceed 1 by their rounding; NaN is in no range.
        if type(value) not in (int, float) or not 0 <= value <= 1.001:
            raise ValueError(f"{name} cannot be {brief(value)}")
    for name in _TEXTS:
        value = getattr(event, name)
        # A lone surrogate cannot be sent, and a text of DDS ends at a NUL.
        if type(value) is not str or "\0" in value or not _is_text(value):
            raise ValueError(f"{name} cannot be {brief(value)}")
    if not event.start_ns <= event.end_ns or type(event.status) is not int:
        raise ValueError("it ends before it starts, or its status is no number")
    if type(event.outcome) is not int:
        raise ValueError(f"outcome cannot be {brief(event.outcome)}")
    return replace(event, status=SegmentStatus(event.status), outcome=ActionOutcome(event.outcome))


def _is_text(value: str) -> bool:
    return value.encode("utf-8", "replace").decode("utf-8") == value
