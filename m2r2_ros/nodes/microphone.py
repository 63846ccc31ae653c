# SPDX-License-Identifier: Apache-2.0
"""The node `microphone`: a sound card, or a sound file at real rate, as AudioChunk messages.

Every chunk is stamped with the time at which its first sample was taken. Lost samples are counted
in the diagnostics, never covered up.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.timer import Timer

from m2r2_msgs.msg import AudioChunk as RosAudioChunk
from m2r2_ros.diagnosis.recent import RecentRises
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.conversions import audio_to_ros
from m2r2_ros.nodes.diagnostics import OK, WARN, Report
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.process import run
from m2r2_ros.nodes.sound_card import SoundCard, SoundFile, SoundSource

# Two seconds of 20 ms chunks.
_DEPTH = 100
_LAST_DELIVERY_S = 2.0
# Interval of looks at the sound card; looks without a sample after which it is opened again.
# Looks are counted instead of time: a process without a processor has heard nothing, either.
_LOOK_S = 1.0
_SILENT_LOOKS = 3
_WARNING_PERIOD_S = 60.0


class Microphone(ManagedNode):
    """Publishes from the source's own thread, so no callback delays a chunk."""

    SETTINGS = parameters.MICROPHONE

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__("microphone", values)
        self._source: SoundSource | None = None
        self._watch: Timer | None = None

    def configure(self, values: dict[str, Any]) -> None:
        self._frame_id = values["frame_id"]
        self._samples = self._heard = 0
        self._silent_looks = self._losses = 0
        self._trouble, self._recent = "", RecentRises()
        chunk_s = values["chunk_s"]
        if values["file"]:
            self._source = SoundFile(values["file"], chunk_s)
        else:
            rate_hz, channels = values["sample_rate"], values["channels"]
            self._source = SoundCard(values["device"], rate_hz, channels, chunk_s)
        qos = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._chunks = self.create_publisher(RosAudioChunk, values["topics.audio"], qos)

    def activate(self) -> None:
        self._source.start(self._now_ns, self._publish, self._ended)
        if isinstance(self._source, SoundCard):
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._watch = self.create_timer(_LOOK_S, self.guard(self._look), clock=steady)

    def deactivate(self) -> None:
        if self._watch is not None:
            self.destroy_timer(self._watch)
            self._watch = None
        self._source.stop()
        self._chunks.wait_for_all_acked(Duration(seconds=_LAST_DELIVERY_S))

    def cleanup(self) -> None:
        if self._source is not None:
            self.destroy_publisher(self._chunks)
            self._source = None

    def report(self) -> Report:
        values = {
            "source": self._source.name,
            "sample_rate": self._source.rate_hz,
            "samples": self._samples,
            "overflows": self._source.overflows,
            "losses": self._losses,
        }
        if self._trouble:
            return Report(WARN, self._trouble, values)
        if self._recent.of({"overflows": self._source.overflows}):
            message = f"the sound card lost samples {self._source.overflows} times"
            return Report(WARN, message, values)
        return Report(OK, "active" if self.is_active else "inactive", values)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _publish(self, samples: np.ndarray, stamp_ns: int) -> None:
        self._samples += len(samples)
        message = audio_to_ros(samples, self._source.rate_hz, stamp_ns, self._frame_id)
        self._chunks.publish(message)

    def _look(self) -> None:
        """Open a silent sound card again: a card that is plugged in always sends samples."""
        is_silent, self._heard = self._samples == self._heard, self._samples
        self._silent_looks = self._silent_looks + 1 if is_silent else 0
        if not is_silent:
            self._trouble = ""
        if not self._silent_looks or self._silent_looks % _SILENT_LOOKS:
            return
        if not self._trouble:
            self._losses += 1
        self._trouble = f"nothing comes from {self._source.name}: unplugged? Opening it again"
        self.get_logger().warning(printable(self._trouble), throttle_duration_sec=_WARNING_PERIOD_S)
        try:
            self._source.reopen()
        except M2R2Error as error:
            self._trouble = f"{self._trouble}: {error}"

    def _ended(self, error: Exception | None) -> None:
        if error is not None:
            self.fail(error)
        self.finish()


def main() -> int:
    """Run the node."""
    return run(lambda: [Microphone()], __doc__)


if __name__ == "__main__":
    sys.exit(main())
