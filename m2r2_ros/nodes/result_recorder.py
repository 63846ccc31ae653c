# SPDX-License-Identifier: Apache-2.0
"""The node `result_recorder`: segments, predictions and diagnostics into a bag.

/action_segment, /m2r2/frame_prediction and /diagnostics -> `<record_to>/results/<date>`, one MCAP
bag a run, from its activation on. It can be read at any moment, whatever ends it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

# Its topics' types are found by name, once they are there: a start without them is refused here.
import m2r2_msgs  # noqa: F401
from m2r2_ros.datasets.recording_session import RecordingSession, SessionPlan
from m2r2_ros.datasets.take import Received
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.recorder import TopicRecorder
from m2r2_ros.nodes.recorder_node import TOO_SLOW, RecorderNode, run_beside
from m2r2_ros.nodes.topics import DIAGNOSTICS_TOPIC, PREDICTION_TOPIC, SEGMENT_TOPIC

_FOLDER, _PATTERN = "results", "%Y-%m-%d-%H-%M-%S"
_TOPICS = (SEGMENT_TOPIC, PREDICTION_TOPIC, DIAGNOSTICS_TOPIC)


class ResultRecorder(RecorderNode):
    """One take from `activate` to `deactivate`."""

    SETTINGS = parameters.RESULT_RECORDER

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__("result_recorder", values)

    def configure(self, values: dict[str, Any]) -> None:
        out = Path(values["record_to"]).expanduser() / _FOLDER
        self._session, self._refusal = RecordingSession(SessionPlan(out, _PATTERN)), ""
        self._recorder = TopicRecorder(self, [self.resolve_topic_name(name) for name in _TOPICS])

    def activate(self) -> None:
        self._refusal = ""
        self.attempt(self._begin)
        super().activate()

    def _begin(self) -> None:
        """Where nothing can be written, that is said, and the chain beside it runs on."""
        try:
            folder = self._session.start()
        except M2R2Error as error:
            self._refusal = str(error)
            raise
        self.get_logger().info(printable(f"recording results to {folder}"))

    def keep(self, messages: Sequence[Received], until_ns: int) -> None:
        self._session.add(messages, until_ns)

    def finish_recording(self) -> None:
        if self._session.take is not None:
            self._session.stop()

    def state(self) -> tuple[dict[str, Any], Iterable[str]]:
        take, problem = self._session.take, self._refusal or self._session.problem
        values = {
            "bag": take.bag.folder if take else "",
            "messages": take.messages if take else 0,
            "mb": take.bag.size / 1e6 if take else 0.0,
            "dropped": take.bag.dropped.total() if take else 0,
        }
        return values, [f"nothing is recorded: {problem}"] if problem else []

    def losses(self) -> dict[str, float]:
        take = self._session.take
        return {TOO_SLOW: take.bag.dropped.total() if take else 0}


def main() -> int:
    """Run the node."""
    return run_beside(lambda: [ResultRecorder()], __doc__)


if __name__ == "__main__":
    sys.exit(main())
