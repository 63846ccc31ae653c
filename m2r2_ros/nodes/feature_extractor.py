# SPDX-License-Identifier: Apache-2.0
"""The node `feature_extractor`: a window of all sensors in, the encoder's feature out.

/m2r2/window (SensorWindow) -> /m2r2/features (FeatureVector). Composed with its neighbours it is
handed windows in memory and publishes features only to subscribers.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.duration import Duration

from m2r2_msgs.msg import FeatureVector as RosFeatureVector
from m2r2_msgs.msg import SensorWindow as RosSensorWindow
from m2r2_ros.diagnosis.latency import Latency, LongestWait
from m2r2_ros.diagnosis.recent import RecentRises
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.models import ENCODER_FILE, open_encoder
from m2r2_ros.inference.roboact_encoder import RoboActEncoder
from m2r2_ros.inference.session import TensorRt
from m2r2_ros.inference.window_feature import WindowFeature
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.conversions import feature_to_ros, window_from_ros
from m2r2_ros.nodes.diagnostics import OK, WARN, Report
from m2r2_ros.nodes.last_messages import last_messages
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.process import run
from m2r2_ros.nodes.topics import CHAIN_QOS, FEATURE_TOPIC, WINDOW_TOPIC, window_qos
from m2r2_ros.sensing.memory_budget import MEGABYTE
from m2r2_ros.sensing.window import SensorWindow

# Longest wait for the last features to arrive at a node of another process.
_LAST_DELIVERY_S = 2.0


class FeatureExtractor(ManagedNode):
    """Encodes one window at a time, so that topics are drained in between."""

    SETTINGS = parameters.FEATURE_EXTRACTOR
    OWN_TOPIC = FEATURE_TOPIC

    def __init__(
        self,
        on_feature: Callable[[WindowFeature], None] | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        """With `on_feature` the node is one of a composed process and does not subscribe."""
        super().__init__("feature_extractor", values)
        self._on_feature = on_feature
        self._encoder: Encoder | RoboActEncoder | None = None
        # Windows, and when each came [ns of a steady clock].
        self._queue: deque[tuple[SensorWindow, int]] = deque()
        self._work = self.guard(self._encode_next)
        self._more = self.create_guard_condition(self._work)

    def configure(self, values: dict[str, Any]) -> None:
        folder = parameters.given_models(values["models"], self.get_logger().info)
        self._encoder = open_encoder(
            folder / ENCODER_FILE, values["require_gpu"], _tensorrt(values), values["cuda_graphs"]
        )
        self._provider = self._encoder.providers[0]
        self._max_backlog = values["max_backlog"]
        self._buffer_mb = values["buffer_mb"]
        self._windows = self._skipped = 0
        self._recent = RecentRises()
        self._longest_s = self._last_s = 0.0
        self._latency, self._waited = Latency("stamp_to_feature"), LongestWait()
        self._publisher = self.create_publisher(RosFeatureVector, FEATURE_TOPIC, CHAIN_QOS)

    def activate(self) -> None:
        self._subscription = None
        if self._on_feature is None:
            self._subscription = self.create_subscription(
                RosSensorWindow,
                WINDOW_TOPIC,
                self.guard(self._receive),
                window_qos(self._buffer_mb, self._encoder.metadata.window_bytes),
            )

    def deactivate(self) -> None:
        if self._subscription is not None:
            queue = self.guard(lambda message: self._wait_in_line(self._window(message)))
            for message in last_messages(self._subscription):
                queue(message)
            self.destroy_subscription(self._subscription)
        encode = self.guard(self._encode)
        while self._queue:
            encode(*self._queue.popleft())
        if self._publisher.get_subscription_count():
            self._publisher.wait_for_all_acked(Duration(seconds=_LAST_DELIVERY_S))

    def cleanup(self) -> None:
        if self._encoder is not None:
            self.destroy_publisher(self._publisher)
            self._encoder = None

    def begin(self, camera: str, picture: Callable[[], np.ndarray]) -> None:
        """Work ahead on a picture that a window should show, in a thread."""
        if self.is_active:
            self._encoder.begin(camera, picture)

    def accept(self, windows: Iterable[SensorWindow]) -> None:
        """Queue windows and encode the first one that waits, without the executor's delay.

        When too many wait the newest wins, and the others are skipped.
        """
        if not self.is_active:
            return
        for window in windows:
            self._wait_in_line(window)
        self._work()

    def change(self, values: dict[str, Any]) -> None:
        self._max_backlog = values["max_backlog"]

    def report(self) -> Report:
        values = {
            "encoder": self._encoder.path,
            "encoder_sha256": self._encoder.sha256,
            "providers": ", ".join(self._encoder.providers),
            "windows": self._windows,
            "skipped": self._skipped,
            "waiting": len(self._queue),
            "queue_age_ms": self._waited.take_ms(),
            "inference_ms": 1e3 * self._last_s,
            "longest_inference_ms": 1e3 * self._longest_s,
            **self._latency.values(),
        }
        if self._encoder.providers[0] != self._provider:
            message = f"{self._provider} has failed in mid-run: on {self._encoder.providers[0]} now"
            return Report(WARN, message, values)
        if self._recent.of({"skipped": self._skipped}):
            message = f"slower than the camera: {self._skipped} windows skipped"
            return Report(WARN, message, values)
        return Report(OK, "active" if self.is_active else "inactive", values)

    def _receive(self, message: RosSensorWindow) -> None:
        self.accept([self._window(message)])

    def _window(self, message: RosSensorWindow) -> SensorWindow:
        return window_from_ros(message, self._encoder.layout)

    def _wait_in_line(self, window: SensorWindow) -> None:
        queued = sum(_bytes_of(each) for each, _ in self._queue)
        if len(self._queue) >= self._max_backlog or queued > self._buffer_mb / 2 * MEGABYTE:
            self._skipped += len(self._queue)
            self._queue.clear()
        self._queue.append((window, time.monotonic_ns()))

    def _encode_next(self) -> None:
        if not self._queue:
            return
        waiting = self._queue.popleft()
        if self._queue:
            self._more.trigger()
        self._encode(*waiting)

    def _encode(self, window: SensorWindow, came_ns: int) -> None:
        self._waited.note(time.monotonic_ns() - came_ns)
        began = time.perf_counter()
        values = self._encoder(window)
        self._last_s = time.perf_counter() - began
        self._longest_s = max(self._longest_s, self._last_s)
        self._windows += 1
        mask = tuple(window.mask[name] for name in self._encoder.layout.modalities)
        feature = WindowFeature(
            window.index, window.start_ns, window.end_ns, values, self._encoder.sha256, mask
        )
        self._latency.note(window.end_ns, self.get_clock().now().nanoseconds)
        if self._on_feature is not None:
            self._on_feature(feature)
        if self._publisher.get_subscription_count():
            self._publisher.publish(feature_to_ros(feature))


def _bytes_of(window: SensorWindow) -> int:
    return sum(array.nbytes for array in (*window.images.values(), *window.signals.values()))


def _tensorrt(values: dict[str, Any]) -> TensorRt | None:
    folder = values["tensorrt_cache"]
    return TensorRt(Path(folder).expanduser(), values["tensorrt_half"]) if folder else None


def main() -> int:
    """Run the node in a process of its own."""
    return run(lambda: [FeatureExtractor()], __doc__)


if __name__ == "__main__":
    sys.exit(main())
