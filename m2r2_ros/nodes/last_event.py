# SPDX-License-Identifier: Apache-2.0
"""What a segmenter that is killed leaves to its successor, so that a planner never waits for ever.

Within a run ids count up by one and every STARTED gets one ENDED, also when the process dies in
between: the last event is kept in a file, and who starts within a minute under the same name ends
the segment that was open and counts on. An orderly end takes the file away.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus

# The open segment is written once a second; whoever has been away longer begins a new run.
_MEMORY_S = 60.0
_MAX_BYTES = 10_000


class LastEvent:
    """The last event of a run, in `$ROS_HOME` (`~/.ros`).

    problem   why it cannot be kept, "" as long as it can.
    """

    def __init__(self, node_name: str) -> None:
        """`node_name` is fully qualified; nodes of other ROS domains do not meet."""
        home = Path(os.environ.get("ROS_HOME") or "~/.ros").expanduser()
        domain = os.environ.get("ROS_DOMAIN_ID") or "0"
        self.path = home / f"m2r2_{domain}{node_name.replace('/', '_')}.json"
        self.problem = ""

    def read(self) -> SegmentEvent | None:
        """The last event of one that was killed less than a minute ago, if any."""
        try:
            if not 0 <= time.time() - self.path.stat().st_mtime < _MEMORY_S:
                return None
            with self.path.open(encoding="utf-8") as file:
                values = json.loads(file.read(_MAX_BYTES))
            event = SegmentEvent(**values)
            whole = (event.segment_id, event.stamp_ns, event.start_ns, event.end_ns, event.class_id)
            if not all(type(value) is int for value in whole) or event.segment_id < 0:
                return None
            return replace(event, status=SegmentStatus(event.status))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def write(self, event: SegmentEvent) -> None:
        """Keep `event`. A full disk is no reason to stop."""
        temporary = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(vars(event)), encoding="utf-8")
            temporary.replace(self.path)
            self.problem = ""
        except OSError as error:
            self.problem = f"{self.path} cannot be written ({error.strerror}): ids start at 0"
            self.problem += " again if this process is killed"

    def remove(self) -> None:
        """The run is over."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            self.problem = f"{self.path} cannot be removed ({error.strerror})"


def ended(event: SegmentEvent) -> SegmentEvent | None:
    """The ENDED that a killed run still owes its planner, None when it owes nothing."""
    if event.status == SegmentStatus.ENDED:
        return None
    return replace(event, status=SegmentStatus.ENDED)
