# SPDX-License-Identifier: Apache-2.0
"""A node's status on /diagnostics, once a second and at every error."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node

from m2r2_ros.errors import printable
from m2r2_ros.nodes.topics import DIAGNOSTICS_QOS, DIAGNOSTICS_TOPIC

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR

_PERIOD_S = 1.0
_PAUSE_S = 0.05
_PATIENCE_S = 0.5


@dataclass(frozen=True)
class Report:
    """A status: one line for people, values for tools."""

    level: bytes
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Diagnostics:
    """Publishes what `report` returns, on a steady clock so that it goes on without /clock."""

    def __init__(self, node: Node, report: Callable[[], Report]) -> None:
        self._node = node
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS_TOPIC, DIAGNOSTICS_QOS)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_PERIOD_S, self.publish, clock=steady)

    def publish(self) -> None:
        """Send the present state."""
        report = self._report()
        status = DiagnosticStatus(
            level=report.level,
            name=self._node.get_fully_qualified_name().lstrip("/"),
            message=printable(report.message),
            hardware_id="m2r2_ros",
            values=[KeyValue(key=printable(k), value=_text(v)) for k, v in report.values.items()],
        )
        stamp = self._node.get_clock().now().to_msg()
        message = DiagnosticArray(status=[status])
        message.header.stamp = stamp
        self._publisher.publish(message)

    def publish_last_words(self, timeout_s: float) -> None:
        """Send the present state until a subscriber has it: discovery may still be under way."""
        deadline = time.monotonic() + timeout_s
        heard = False
        while not heard and time.monotonic() < deadline:
            listened = self._publisher.get_subscription_count() > 0
            self.publish()
            heard = self._publisher.wait_for_all_acked(Duration(seconds=_PATIENCE_S)) and listened
            time.sleep(_PAUSE_S)


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else printable(value)
