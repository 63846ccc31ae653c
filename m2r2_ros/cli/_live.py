# SPDX-License-Identifier: Apache-2.0
"""A bag played over DDS into the online nodes, each in a process of its own, as on a robot."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent
from m2r2_ros.parallel.child_programs import ChildProgram

if TYPE_CHECKING:
    from m2r2_ros.cli._live_listener import LiveListener

# Nodes load models and warm up before they are active; a busy machine takes its time.
_PATIENCE_S = 120.0
# After the last message of the bag, predictions still come while there is work in the queues.
_SILENCE_S = 2.0
_SPIN_S = 0.05
_MAX_BACKLOG = 1000
_MAX_WAIT_S, _LONGEST_WAIT_S = 1.0, 10.0
# Domains 1 to 101 use ports that no operating system hands out otherwise.
_DOMAINS = 101


@dataclass(frozen=True)
class LiveRun:
    """All that was published on /action_segment and /m2r2/frame_prediction, in order.

    received   sensor messages that reached the nodes.
    """

    events: list[SegmentEvent]
    predictions: list[FramePrediction]
    received: int


@dataclass(frozen=True)
class LiveSetup:
    """What is played, `rate` times as fast as recorded, into which nodes; logs go to a folder."""

    bag: Path
    duration_s: float
    rate: float
    config: Path
    models: Path
    logs: Path


def keep_to_ourselves() -> str:
    """Let ROS talk on this machine only; returns the domain: ROS_DOMAIN_ID or one of our own."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    return os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % _DOMAINS))


def play_live(setup: LiveSetup, on_event: Callable[[SegmentEvent], None]) -> LiveRun:
    """Start the nodes, play the bag, end the nodes; `on_event` hears every event as it comes.

    Raises M2R2Error when a process fails or does not come to an end.
    """
    with _listening(on_event) as listener, _nodes(setup) as nodes:
        # The last of the nodes to become active.
        is_active = listener.probe("synchronizer")
        _spin_until(listener, lambda: nodes.check_running() or is_active(), _PATIENCE_S)
        with _replay(setup) as replay:
            patience_s = setup.duration_s / setup.rate + 3 * _PATIENCE_S
            _spin_until(listener, lambda: nodes.check_running() or replay.ended(), patience_s)
        _spin_until(listener, lambda: listener.silence_s > _SILENCE_S, patience_s)
        nodes.ask_to_end()
        _spin_until(listener, nodes.ended, _PATIENCE_S)
        return LiveRun(listener.events, listener.predictions, listener.received)


def _nodes(setup: LiveSetup) -> ChildProgram:
    parameters = ["--params-file", str(setup.config), "-p", f"models:={setup.models}"]
    # Rather late than incomplete: on a busy machine messages overtake each other by more, and the
    # faster the bag is played the longer that is in stream time. A robot would go on without them.
    parameters += ["-p", f"max_wait_s:={min(_MAX_WAIT_S * setup.rate, _LONGEST_WAIT_S)}"]
    parameters += ["-p", f"max_backlog:={_MAX_BACKLOG}"]
    return ChildProgram("online nodes", _node("online", parameters), setup.logs / "online.log")


def _replay(setup: LiveSetup) -> ChildProgram:
    parameters = ["-p", f"bag:={setup.bag}", "-p", f"rate:={setup.rate}"]
    parameters += ["-p", f"wait_s:={_PATIENCE_S}"]
    return ChildProgram("replayer", _node("replayer", parameters), setup.logs / "replayer.log")


def _node(name: str, parameters: list[str]) -> list[str]:
    """The command of a node, with this interpreter wherever its executable was installed."""
    program = f"import sys; from m2r2_ros.nodes.{name} import main; sys.exit(main())"
    return [sys.executable, "-c", program, "--ros-args", *parameters]


@contextmanager
def _listening(on_event: Callable[[SegmentEvent], None]) -> Iterator[LiveListener]:
    import rclpy

    from m2r2_ros.cli._live_listener import LiveListener
    from m2r2_ros.nodes.own_node import start_ros
    from m2r2_ros.nodes.ros_home import find_log_folder

    find_log_folder()
    start_ros()
    try:
        listener = LiveListener(on_event)
        yield listener
        listener.destroy_node()
    finally:
        rclpy.try_shutdown()


def _spin_until(listener: LiveListener, done: Callable[[], bool | None], patience_s: float) -> None:
    import rclpy

    deadline = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > deadline:
            raise M2R2Error(f"the online nodes took more than {patience_s:.0f} s; see their log")
        rclpy.spin_once(listener, timeout_sec=_SPIN_S)
