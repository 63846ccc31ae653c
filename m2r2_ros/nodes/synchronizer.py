# SPDX-License-Identifier: Apache-2.0
"""The node `synchronizer`: sensor topics in, windows between reference-camera frames out.

Cameras, microphone, wrench, pose, twist and gripper as the encoder's layout asks for them ->
/m2r2/window (SensorWindow). Composed with its neighbours it hands windows over in memory and
publishes them only to subscribers. Services: ~/reset, and m2r2/pause for the whole chain.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import count
from math import inf
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.timer import Timer
from std_srvs.srv import Trigger

from m2r2_msgs.msg import SensorWindow as RosSensorWindow
from m2r2_ros.datasets.topics import TopicMap, first_camera
from m2r2_ros.diagnosis.latency import Latency
from m2r2_ros.diagnosis.pauses import Pauses
from m2r2_ros.errors import M2R2Error, nearest_name, printable
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.messages.cdr import MessageError, stamp_ns
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.camera_sync import CameraPairs
from m2r2_ros.nodes.chain_pause import ChainPause
from m2r2_ros.nodes.conversions import window_to_ros
from m2r2_ros.nodes.diagnostics import OK, WARN, Report
from m2r2_ros.nodes.drain_schedule import (
    IDLE_DRAIN_S,
    POLL_NS,
    TRANSPORT_NS,
    DrainSchedule,
)
from m2r2_ros.nodes.input_parameters import declare_inputs, read_inputs
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.process import run
from m2r2_ros.nodes.source_report import Rates, describe
from m2r2_ros.nodes.sources import Source, make_sources
from m2r2_ros.nodes.topic_watchdog import TopicWatchdog
from m2r2_ros.nodes.topics import WINDOW_TOPIC, window_qos
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits, to_ns
from m2r2_ros.sensing.window import SensorWindow

# Interval of the search for new publishers and changed offers.
_FOLLOW_S = 0.25

# Longest wait for the last windows to arrive at a node of another process.
_LAST_DELIVERY_S = 2.0

# Reasons that are said in the log.
_MOST_REASONS = 50

_NO_CLOCK = "use_sim_time is set, but nothing has come on /clock"


class Synchronizer(ManagedNode):
    """Drains the topics whenever a window may be complete."""

    SETTINGS = parameters.SYNCHRONIZER
    OWN_TOPIC = WINDOW_TOPIC

    def __init__(
        self,
        on_windows: Callable[[Sequence[SensorWindow]], None] | None = None,
        values: dict[str, Any] | None = None,
        on_picture: Callable[[str, Callable[[], np.ndarray]], None] | None = None,
    ) -> None:
        """`on_picture` is told, ahead, which frame of a camera the next window should show."""
        super().__init__("synchronizer", values)
        self._is_default = declare_inputs(self)
        self._on_windows, self._on_picture = on_windows, on_picture
        # Camera -> stamp of the last frame that `on_picture` was told of.
        self._told_of: dict[str, int] = {}
        self._builder: WindowBuilder | None = None
        self._pairs: CameraPairs | None = None
        self._sources: list[Source] = []
        self._ticking: list[Timer] = []
        self._pauses = Pauses()

    def configure(self, values: dict[str, Any]) -> None:
        folder = parameters.given_models(values["models"], self.get_logger().info)
        metadata = read_encoder_metadata(folder / ENCODER_FILE)
        self._layout = metadata.layout
        topics = self._read_topics(values)
        if self._is_default:
            self.get_logger().info("no topics are given: those of config/reassemble.yaml apply")
        limits = _limits(values)
        on_frame = self.guard(self._on_reference_frame)
        self._reference = topics.reference_camera
        self._pairs = _pairs(values, self._layout, self._reference, limits)
        self._sources = make_sources(self, self._layout, topics, limits, on_frame, self._pairs)
        self._builder = WindowBuilder(
            self._layout, limits, self._reference or None, metadata.max_pixels
        )
        layout = self._layout
        for line in (*topics.absent(layout.sensed), *topics.unread(layout.derived)):
            self.get_logger().info(printable(line))
        self._explained: set[str] = set()
        self._seen: set[str] = set()
        self._dropped: dict[str, int] = {}
        self._watchdog = TopicWatchdog(values["silence_warning_s"])
        self._rates, self._latency = Rates(), Latency("stamp_to_window")
        # Changes of a signature that were warned of.
        self._told = dict.fromkeys(self._layout.modalities, 0)
        self._masked: list[str] = []
        self._publisher = self.create_publisher(
            RosSensorWindow, WINDOW_TOPIC, window_qos(values["buffer_mb"], metadata.window_bytes)
        )
        self._reset_service = self.create_service(Trigger, "~/reset", self._reset)
        self._pause_service = ChainPause(self)

    def activate(self) -> None:
        if paused_s := self._pauses.end():
            missed = round(paused_s * 1e9 / self._layout.period_ns)
            line = f"nothing was seen for {paused_s:.1f} s: {missed} windows were not made"
            self.get_logger().info(printable(f"active again; {line}"))
        self._pause_service.end()
        self._forget()
        self._watchdog.start(time.monotonic())
        self._turns = count()
        self._follow()
        self._schedule = DrainSchedule()
        self._poll = self._every(POLL_NS / 1e9, self._drain)
        self._poll.cancel()
        self._idle = self._every(IDLE_DRAIN_S, self._drain)
        self._ticking = [self._poll, self._idle, self._every(_FOLLOW_S, self._follow)]

    def deactivate(self) -> None:
        for timer in self._ticking:
            self.destroy_timer(timer)
        self._ticking.clear()
        self._take_all()
        self._hand_over(self._builder.poll() + self._builder.flush())
        if self._publisher.get_subscription_count():
            self._publisher.wait_for_all_acked(Duration(seconds=_LAST_DELIVERY_S))
        for source in self._sources:
            source.close()
        self._pauses.begin()

    def cleanup(self) -> None:
        self._sources = []
        if self._builder is not None:
            self.destroy_publisher(self._publisher)
            self.destroy_service(self._reset_service)
            self._pause_service.end()
            self._pause_service.close()
            self._builder = None

    def change(self, values: dict[str, Any]) -> None:
        self._watchdog.limit_s = values["silence_warning_s"]

    def report(self) -> Report:
        counters = self._builder.counters
        values: dict[str, Any] = {
            "windows": counters.windows,
            "gap_windows": counters.gap_windows,
            "resets": counters.resets,
            "masked": ", ".join(self._masked),
            "pauses": self._pauses.count,
            "paused_s": self._pauses.total_s,
            **self._latency.values(),
        }
        rates = self._rates.measure(self._sources, time.monotonic())
        for source in self._sources:
            values |= describe(source, rates[source.name], counters.streams[source.name])
        for name, reading in self._builder.clock_readings().items():
            values[f"{name}.clock_offset_s"] = reading.offset_s
            values[f"{name}.clock_drift_ppm"] = reading.drift_ppm
        if self._pairs is not None:
            values |= {f"{name}.unpaired": n for name, n in self._pairs.unpaired().items()}
        if not self.is_active:
            return Report(OK, self._pauses.text or "inactive", values)
        clocks = {line.stream: line.text for line in self._builder.clock_troubles()}
        # One line a stream: its clock is why it is masked.
        troubles = [*self._watchdog.silent.values(), *(self._unusable() | clocks).values()]
        troubles += [*self._notices().values(), *self._losses()]
        complaints = ((source.name, source.signature.complaint) for source in self._sources)
        troubles += [f"{name}: {complaint}" for name, complaint in complaints if complaint]
        if self._is_clock_missing():
            troubles.append(_NO_CLOCK)
        return Report(WARN if troubles else OK, "; ".join(troubles) or "active", values)

    def _unusable(self) -> dict[str, str]:
        """The problem of each sensor that the robot has and that the newest window lacks.

        Before the first window, with each that has a reason for it.
        """
        counters = self._builder.counters
        reasons = {source.name: self._reason(source) for source in self._sources}
        masked = self._masked if counters.windows else [n for n, why in reasons.items() if why]
        return {
            name: f"{name} is masked{f': {reasons[name]}' if reasons[name] else ''}"
            for name in masked
            if name in reasons
        }

    def _reason(self, source: Source) -> str:
        """Why windows are without a sensor: what its topic says is said of the topic."""
        counters = self._builder.counters.streams[source.name]
        is_silent = source.input.problem or source.input.topic in self._watchdog.silent
        return counters.reason or ("" if is_silent else counters.absence)

    def _notices(self) -> dict[str, str]:
        """What is done to each sensor's samples to make them fit, or is not read of its topic."""
        counters = self._builder.counters.streams
        notices = {s.name: s.input.notice or counters[s.name].notice for s in self._sources}
        return {name: f"{name}: {notice}" for name, notice in notices.items() if notice}

    def _losses(self) -> list[str]:
        """What was dropped since the last report because too much waits."""
        dropped = {n: counts.dropped for n, counts in self._builder.counters.streams.items()}
        before, self._dropped = self._dropped, dropped
        lost = {name: count - before.get(name, 0) for name, count in dropped.items()}
        return [
            f"{name}: {count} samples dropped, buffer_mb or buffer_s is full"
            for name, count in lost.items()
            if count
        ]

    def _warn_of_unusable(self) -> None:
        """Say each reason once, of which the sender's values may make many."""
        reasons = {source.name: self._reason(source) for source in self._sources}
        troubles = {n: line for n, line in self._unusable().items() if reasons[n]}
        partly = [
            f"{source.name}: some messages are left out: {source.unread}"
            for source in self._sources
            if source.unread and source.name not in troubles
        ]
        seen, self._seen = self._seen, {*troubles.values(), *partly}
        # One that is gone at the next look is counted only.
        lasting = [line for line in (*troubles.values(), *partly) if line in seen]
        for trouble in (*lasting, *self._notices().values()):
            if trouble not in self._explained and len(self._explained) < _MOST_REASONS:
                self._explained.add(trouble)
                self.get_logger().warning(printable(trouble))

    def _every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """A timer that runs on while simulated time stands still."""
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        return self.create_timer(period_s, self.guard(callback), clock=steady)

    def _is_clock_missing(self) -> bool:
        """Warn without a clock: windows need none, but a user of simulated time expects one."""
        follows = self.get_parameter("use_sim_time").value
        return bool(follows) and not self.get_clock().now().nanoseconds

    def _follow(self) -> None:
        """Look for publishers of all topics that have none, and at one of the others in turn."""
        inputs = [source.input for source in self._sources]
        turn = next(self._turns) % len(inputs)
        for index, source in enumerate(inputs):
            if index == turn or not source.type_name or source.is_too_deep:
                source.follow()
        self._builder.expect([source.name for source in self._sources if not source.input.problem])
        for warning in self._watchdog.check(inputs, time.monotonic()):
            self.get_logger().warning(printable(warning))
        self._warn_of_unusable()
        for source in self._sources:
            if source.signature.changes > self._told[source.name]:
                self._told[source.name] = source.signature.changes
                change = f"{source.name}: {source.signature.complaint or 'as before'}"
                self.get_logger().warning(printable(change))

    def _on_reference_frame(self, message: bytes) -> None:
        after_ns = self._schedule.frame_came(time.monotonic(), self._frame_wait_ns(message))
        self._rest()
        if after_ns == inf:
            # The executor brings the reference frames: the next one may end the window.
            for source in self._sources:
                if source.name != self._reference:
                    source.input.fetch()
            return
        # Its picture is worked on while the other topics are read.
        self._take([self._reference])
        self._take_all()
        if after_ns or self._builder.lacking():
            self._drain_after(int(after_ns) or TRANSPORT_NS)
        else:
            self._close()

    def _frame_wait_ns(self, message: bytes) -> float:
        try:
            return self._builder.frame_wait_ns(stamp_ns(message))
        except MessageError:
            return 0

    def _drain(self) -> None:
        self._rest()
        self._take_all()
        self._close()

    def _close(self) -> None:
        """Hand over the windows that are complete."""
        resets = self._builder.counters.resets
        windows = self._builder.poll()
        if self._builder.counters.resets > resets:
            self.get_logger().warning("time has jumped: starting anew")
        again_ns = self._schedule.drained(time.monotonic(), self._builder.wait_ns())
        if again_ns is None:
            self._poll.cancel()
        else:
            self._drain_after(again_ns)
        self._hand_over(windows)

    def _rest(self) -> None:
        self._idle.timer_period_ns = round(self._schedule.idle_s(time.monotonic()) * 1e9)
        self._idle.reset()

    def _drain_after(self, wait_ns: int) -> None:
        self._poll.timer_period_ns = wait_ns
        self._poll.reset()

    def _take_all(self) -> None:
        self._take(self._layout.sensed)

    def _take(self, sensors: Collection[str]) -> None:
        """Read topics up to the same moment, so that the order of reading makes none seem late.

        Cameras are read a little further: a picture takes longest to arrive, so those of other
        cameras may still be on their way when the reference frame is here.
        """
        until_ns = time.time_ns()
        cameras = set(self._layout.cameras)
        self._feed(set(sensors) - cameras, until_ns)
        self._feed(cameras.intersection(sensors), until_ns + POLL_NS)
        if self._pairs is not None:
            for frame in self._pairs.match():
                self._builder.add_image(*frame)
        self._begin_pictures()

    def _feed(self, names: Collection[str], until_ns: int) -> None:
        for source in self._sources:
            if source.name in names:
                source.feed(self._builder, until_ns)

    def _begin_pictures(self) -> None:
        """Tell of pictures that the next window should show, each once."""
        if self._on_picture is None:
            return
        for camera, (stamp, picture) in self._builder.pictures_ahead().items():
            if self._told_of.get(camera) != stamp:
                self._told_of[camera] = stamp
                self._on_picture(camera, picture)

    def _forget(self) -> None:
        self._builder.reset()
        if self._pairs is not None:
            self._pairs.clear()

    def _hand_over(self, windows: Sequence[SensorWindow]) -> None:
        if not windows:
            return
        self._masked = [name for name, present in windows[-1].mask.items() if not present]
        for window in windows:
            self._latency.note(window.end_ns, self.get_clock().now().nanoseconds)
        if self._publisher.get_subscription_count():
            for window in windows:
                self._publisher.publish(window_to_ros(window, self._layout))
        if self._on_windows is not None:
            self._on_windows(windows)

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._take_all()
        self._forget()
        response.success = True
        response.message = "all samples forgotten; the next window has index 0"
        return response

    def _read_topics(self, values: dict[str, Any]) -> TopicMap:
        """The inputs that the parameters name.

        Each sensor of the encoder has its parameter from now on, also one that the robot lacks.
        """
        topics = read_inputs(self, values["gripper_joints"])
        reference = values["reference_camera"] or first_camera(self._layout.cameras, topics.topics)
        topics = replace(topics, reference_camera=reference)
        topics.served(self._layout.sensed)
        missing = dict.fromkeys(self._layout.sensed - topics.topics.keys(), "")
        self.declare_lasting(parameters.topic_settings(missing))
        return topics


def _limits(values: dict[str, Any]) -> SensingLimits:
    return SensingLimits(**{setting.name: values[setting.name] for setting in parameters.SENSING})


def _pairs(
    values: dict[str, Any], layout: SensorLayout, reference: str, limits: SensingLimits
) -> CameraPairs | None:
    """The object that pairs cameras; None where frames are held. Raises M2R2Error."""
    chosen = values["camera_sync"]
    if chosen not in parameters.CAMERA_SYNC:
        nearest = nearest_name(chosen, parameters.CAMERA_SYNC)
        raise M2R2Error(f"camera_sync cannot be '{chosen}'{nearest}")
    if chosen == parameters.HELD:
        return None
    others = [name for name in layout.cameras if name != reference]
    return CameraPairs(reference, others, values["camera_slop_s"], to_ns(limits.jump_s))


def main() -> int:
    """Run the node in a process of its own."""
    return run(lambda: [Synchronizer()], __doc__)


if __name__ == "__main__":
    sys.exit(main())
