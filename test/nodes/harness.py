# SPDX-License-Identifier: Apache-2.0
"""Starts programs as a user does, and waits for what they publish."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.utilities import get_default_context

from m2r2_msgs.msg import ActionSegment, FeatureVector, FramePrediction
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.nodes.conversions import (
    event_from_ros,
    feature_from_ros,
    prediction_from_ros,
    time_from_ros,
)

STATIONS = ("synchronizer", "feature_extractor", "segmenter")
PATIENCE_S = 60.0
SEGMENT_QOS = QoSProfile(
    depth=1000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Program:
    """`python -m MODULE ARGUMENTS`, output in `log`; killed when the block is left."""

    def __init__(self, folder: Path, module: str, *arguments: str):
        self.log = folder / f"{module.rsplit('.', 1)[-1]}_{time.monotonic_ns()}.log"
        self.command = [sys.executable, "-m", module, *map(str, arguments)]

    def __enter__(self):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        # What a killed segmenter leaves is for its successor in the same test only.
        environment["ROS_HOME"] = str(self.log.parent)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def interrupt(self, number=signal.SIGINT):
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.end()

    def end(self):
        """Wait for the end and return the exit status."""
        return self.process.wait(PATIENCE_S)

    @property
    def ended(self):
        return self.process.poll() is not None

    @property
    def output(self):
        return self.log.read_text(errors="replace")


def check_ids(events):
    """Every STARTED has its ENDED before the next one; ids count up. Returns their number."""
    open_id, next_id = None, 0
    for event in events:
        if event.status == SegmentStatus.STARTED:
            assert open_id is None
            assert event.segment_id == next_id
            open_id, next_id = event.segment_id, next_id + 1
        else:
            assert event.segment_id == open_id
            open_id = None if event.status == SegmentStatus.ENDED else open_id
    return next_id


def node_program(folder, name, values=None, *more):
    """A node of the package with parameters."""
    given = [x for k, v in (values or {}).items() for x in ("-p", f"{k}:={v}")]
    return Program(folder, f"m2r2_ros.nodes.{name}", "--ros-args", *given, *more)


def replay_program(folder, bag, *options):
    return Program(folder, "m2r2_ros.cli.main", "replay", bag, "--wait", "20", *options)


class Planner:
    """Hears all that the chain publishes."""

    def __init__(self, node):
        self.node = node
        self.events, self.features, self.frames = [], [], []
        self.statuses: dict[str, DiagnosticStatus] = {}
        # When each node first said that it is active [ns].
        self.active_ns: dict[str, int] = {}
        self._segments = node.create_subscription(
            ActionSegment, "action_segment", self._event, SEGMENT_QOS
        )
        self._made = [
            node.create_subscription(FeatureVector, "m2r2/features", self._feature, 1000),
            node.create_subscription(FramePrediction, "m2r2/frame_prediction", self._frame, 1000),
            node.create_subscription(DiagnosticArray, "/diagnostics", self._status, 100),
        ]

    def _event(self, message):
        self.events.append(event_from_ros(message))

    def _feature(self, message):
        self.features.append(feature_from_ros(message))

    def _frame(self, message):
        self.frames.append(prediction_from_ros(message))

    def _status(self, message):
        for status in message.status:
            self.statuses[status.name] = status
            if _is_active(self, status.name):
                self.active_ns.setdefault(status.name, time_from_ros(message.header.stamp))

    def value(self, name, key):
        """A value of a node's last diagnostics, as text."""
        values = {v.key: v.value for v in self.statuses[name].values} if self.heard(name) else {}
        return values.get(key)

    @property
    def hears_segments(self):
        """Whether a segmenter is connected, in its own eyes too: what it says from now on arrives.

        One that has found this planner before it was found by it keeps one message only.
        """
        found = int(self.value("segmenter", "subscribers") or 0)
        return found > 0 and self._segments.get_publisher_count() > 0

    def heard(self, name):
        return name in self.statuses

    def level(self, name):
        return int.from_bytes(self.statuses[name].level, "big") if self.heard(name) else None

    def is_active(self, *names):
        return all(self.heard(n) and self.statuses[n].message != "unconfigured" for n in names)


def spin_until(node, done, what, patience_s=PATIENCE_S):
    """Spin until `done()`; fails with `what` was waited for."""
    deadline = time.monotonic() + patience_s
    own = node.context is not get_default_context()
    executor = SingleThreadedExecutor(context=node.context) if own else None
    while not done():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        rclpy.spin_once(node, executor=executor, timeout_sec=0.05)


def call(node, kind, name, request=None, server=""):
    """Call a service and return the answer.

    `server`, a lifecycle node: the call waits until that knows the way back, else the answer may be
    lost. It has heard of this client by the time it answers one that was made later.
    """
    client = node.create_client(kind, name)
    try:
        assert client.wait_for_service(PATIENCE_S), f"no service {name}"
        if server:
            state(node, server)
        future = client.call_async(request or kind.Request())
        spin_until(node, future.done, f"an answer of {name}")
        return future.result()
    finally:
        node.destroy_client(client)


def state(node, name):
    """A lifecycle state; asked anew when no answer comes.

    A service can be ready before its answers find the way back, and such an answer is lost.
    """
    client = node.create_client(GetState, f"/{name}/get_state")
    deadline = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < deadline:
            if client.wait_for_service(1.0):
                future = client.call_async(GetState.Request())
                rclpy.spin_until_future_complete(node, future, timeout_sec=2.0)
                if future.done():
                    return future.result().current_state.label
        raise AssertionError(f"waited in vain for the state of {name}")
    finally:
        node.destroy_client(client)


def change_state(node, name, label):
    request = ChangeState.Request()
    request.transition.label = label
    return call(node, ChangeState, f"/{name}/change_state", request, server=name).success


@contextmanager
def started(node, planner, program, *names):
    """A running program whose nodes are active."""
    with program:
        spin_until(
            node,
            lambda: program.ended or all(_is_active(planner, name) for name in names),
            f"{names} to be active",
        )
        assert not program.ended, program.output
        yield program


def _is_active(planner, name):
    status = planner.statuses.get(name)
    return status is not None and status.message not in ("unconfigured", "inactive")
