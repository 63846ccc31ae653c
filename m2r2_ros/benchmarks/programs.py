# SPDX-License-Identifier: Apache-2.0
"""Programs under load, watched from outside: their CPU time, diagnostics and predictions."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from m2r2_ros.benchmarks.options import READY, Options
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.parallel.child_programs import ChildProgram
from m2r2_ros.sensing.layout import SensorLayout

if TYPE_CHECKING:
    from rclpy.node import Node

LOAD = "m2r2_ros.benchmarks.load"
_PATIENCE_S = 60.0
# Counts that a program has given so often, once a second, without a change are final.
_SETTLED = 3


@dataclass(frozen=True)
class LoadRun:
    """What a load has done to the programs that took it.

    cpu_s       user and system time of all programs, from before the first message until all that
                arrive have been taken.
    elapsed_s   how long it ran: longer than asked for where the machine could not keep up.
    published, received   messages by modality.
    resident_mb   resident set of all programs, once a second while the load ran.
    prediction_ms, segment_ms   from the stamp of the camera frame to the arrival of the message.
    """

    cpu_s: float
    elapsed_s: float
    start_ns: int
    published: Mapping[str, int]
    received: Mapping[str, int]
    diagnostics: Mapping[str, Mapping[str, str]]
    prediction_stamps_ns: Sequence[int]
    prediction_ms: Sequence[float]
    segment_ms: Sequence[float]
    resident_mb: Sequence[float]

    @property
    def lost(self) -> dict[str, int]:
        """Messages that did not arrive, by modality."""
        return {name: count - self.received[name] for name, count in self.published.items()}


class Monitor:
    """Hears what the programs publish; `taker` is the node whose counts tell what has arrived."""

    def __init__(self, node: Node, listen: Callable[[float], None]) -> None:
        """`listen` takes what has arrived, or waits for it for so many seconds."""
        from diagnostic_msgs.msg import DiagnosticArray

        from m2r2_msgs.msg import ActionSegment, FramePrediction
        from m2r2_ros.nodes.topics import DIAGNOSTICS_TOPIC, PREDICTION_TOPIC, SEGMENT_TOPIC

        self.listen = listen
        self.taker = ""
        self.clear()
        depth = 1000
        self._made = [
            node.create_subscription(DiagnosticArray, DIAGNOSTICS_TOPIC, self._status, depth),
            node.create_subscription(FramePrediction, PREDICTION_TOPIC, self._prediction, depth),
            node.create_subscription(ActionSegment, SEGMENT_TOPIC, self._segment, depth),
        ]

    def clear(self) -> None:
        # How often the taker has told its state.
        self.reports = 0
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.prediction_stamps_ns: list[int] = []
        self.prediction_ms: list[float] = []
        self.segment_ms: list[float] = []

    def received(self, names: Sequence[str]) -> dict[str, int]:
        """Messages that the taker said it got."""
        values = self.diagnostics.get(self.taker, {})
        return {name: int(values.get(f"{name}.messages", 0)) for name in names}

    def _status(self, message: Any) -> None:
        for status in message.status:
            self.reports += status.name == self.taker
            values = self.diagnostics.setdefault(status.name, {})
            values.update({entry.key: entry.value for entry in status.values})

    def _prediction(self, message: Any, info: Mapping[str, Any]) -> None:
        stamp_ns, late_ms = _lateness(message, info)
        self.prediction_stamps_ns.append(stamp_ns)
        self.prediction_ms.append(late_ms)

    def _segment(self, message: Any, info: Mapping[str, Any]) -> None:
        self.segment_ms.append(_lateness(message, info)[1])


def _lateness(message: Any, info: Mapping[str, Any]) -> tuple[int, float]:
    """Up to where the middleware has the message, so that our own queue does not count."""
    stamp = message.header.stamp
    stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
    return stamp_ns, (info["received_timestamp"] - stamp_ns) / 1e6


def run_load(
    monitor: Monitor,
    modules: Sequence[str],
    taker: str,
    options: Options,
    camera_hz: float = 30.0,
    sensors: Sequence[str] | None = None,
    own: Mapping[str, str] = MappingProxyType({}),
) -> LoadRun:
    """Start `modules`, put them under load, wait until they have taken it, end them.

    `taker` names the node that takes the topics. The load is of all sensors of the encoder, or of
    `sensors`; the others are masked then, as they have no publisher. `own`: camera -> its size and
    rate, as "4000x3000@3". Raises M2R2Error when a program fails.
    """
    monitor.clear()
    monitor.taker = taker
    layout = read_encoder_metadata(options.models / ENCODER_FILE).layout
    sensors = sensors or layout.sensed
    arguments = _arguments(options, {*layout.sensed, *sensors})
    with ExitStack() as stack:
        programs = [
            stack.enter_context(_program(options.logs, module, *arguments)) for module in modules
        ]
        words = [_word(name, layout) for name in sensors if name not in own]
        loads = _loads(options, camera_hz, words, own)
        publishing = [stack.enter_context(load) for load in loads.values()]
        # What it costs to start and to find each other is not what the load costs.
        ready = partial(_is_ready, monitor, sensors, list(loads))
        _spin(monitor, ready, [*programs, *publishing])
        used_s = -sum(map(cpu_seconds, programs))
        for load in publishing:
            load.end_input()
        # A machine that is busy with something else stretches the load.
        patience_s = 10 * options.seconds + _PATIENCE_S
        resident = _ResidentSet(programs)
        ended = partial(resident.noted_until, publishing)
        _spin(monitor, ended, programs, patience_s)
        reports = [last_line(log) for log in loads]
        published = dict(ChainMap(*(report["messages"] for report in reports)))
        received = _settle(monitor, programs, published)
        # On a busy machine the last messages are taken long after they have been published.
        used_s += sum(map(cpu_seconds, programs))
    return LoadRun(
        used_s,
        max(report["seconds"] for report in reports),
        reports[0]["start_ns"],
        published,
        received,
        dict(monitor.diagnostics),
        list(monitor.prediction_stamps_ns),
        list(monitor.prediction_ms),
        list(monitor.segment_ms),
        resident.megabytes,
    )


def _arguments(options: Options, sensors: Collection[str]) -> list[str]:
    """The models, the topics of the load, and where to record to, as arguments of a node."""
    from m2r2_ros.benchmarks.load import topic

    words = [f"models:={options.models}", f"record_to:={options.logs / 'kept'}"]
    words += [*(f"topics.{k}:={topic(k)}" for k in sensors)]
    return ["--ros-args", *(part for word in words for part in ("-p", word))]


class _ResidentSet:
    """What programs take of the memory, once a second."""

    def __init__(self, programs: Sequence[ChildProgram]) -> None:
        self.megabytes: list[float] = []
        self._programs = programs
        self._due_s = 0.0

    def noted_until(self, loads: Sequence[ChildProgram]) -> bool:
        """Look again if a second has passed; returns whether these programs have ended."""
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + 1.0
            pages = sum(
                int(Path(f"/proc/{each.pid}/statm").read_text().split()[1])
                for each in self._programs
            )
            self.megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        return all(load.ended() for load in loads)


def _word(sensor: str, layout: SensorLayout) -> str:
    """How the load is asked for a sensor; for a signal that a layout declares, with its columns."""
    signal = layout.signals.get(sensor)
    if signal is None or signal.kind.width:
        return sensor
    return f"{sensor}:{json.dumps(signal.columns)}"


def _loads(
    options: Options, camera_hz: float, sensors: list[str], own: Mapping[str, str]
) -> dict[Path, ChildProgram]:
    """Log -> program. One that sends large pictures would keep the other sensors waiting."""
    asked = [sensors]
    asked += [[f"{name}={size}"] for name, size in own.items()]
    rates = (str(options.seconds), str(camera_hz))
    names = [f"{LOAD}.{number}" for number in range(len(asked))]
    return {
        options.logs / f"{name}.log": _program(
            options.logs, LOAD, *rates, *words, log=name, has_input=True
        )
        for name, words in zip(names, asked, strict=True)
    }


def _is_ready(monitor: Monitor, names: Collection[str], logs: Sequence[Path]) -> bool:
    """Whether the taker has subscribed to everything and the loads, which wait, know it."""
    values = monitor.diagnostics.get(monitor.taker, {})
    return all(values.get(f"{name}.type") for name in names) and all(
        READY in log.read_text() for log in logs
    )


@contextmanager
def monitoring() -> Iterator[Monitor]:
    """A monitor, with ROS for the time of the block."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from m2r2_ros.nodes.transport import use_large_shared_memory

    if not Path("/proc/self/stat").exists():
        raise M2R2Error("this benchmark reads CPU times from /proc, which is not there")
    use_large_shared_memory()
    # Its own, whatever else in this process uses ROS or has done so before.
    context = rclpy.Context()
    context.init([])
    with context:
        node = rclpy.create_node("monitor", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            yield Monitor(node, executor.spin_once)
        finally:
            executor.shutdown()
            node.destroy_node()


def _program(
    logs: Path, module: str, *arguments: str, log: str = "", has_input: bool = False
) -> ChildProgram:
    logs.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", module, *arguments]
    return ChildProgram(module, command, logs / f"{log or module}.log", has_input)


def _settle(
    monitor: Monitor, programs: Sequence[ChildProgram], published: Mapping[str, int]
) -> dict[str, int]:
    """Messages received by modality, once that is all or no longer changes."""
    names = list(published)
    latest = monitor.received(names)
    changed = monitor.reports

    def has_settled() -> bool:
        nonlocal latest, changed
        seen = monitor.received(names)
        if seen != latest:
            latest, changed = seen, monitor.reports
        return seen == published or monitor.reports - changed >= _SETTLED

    _spin(monitor, has_settled, programs)
    return latest


def _spin(
    monitor: Monitor,
    done: Callable[[], Any],
    programs: Sequence[ChildProgram],
    patience_s: float = _PATIENCE_S,
) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        monitor.listen(0.1)
        for program in programs:
            program.check_running()
        if time.monotonic() > deadline:
            raise M2R2Error("a load of the benchmark did not come to an end")


def cpu_seconds(program: ChildProgram) -> float:
    """User and system time of a process, all threads."""
    fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def last_line(log: Path) -> Any:
    """What a program printed last, which is JSON. Raises M2R2Error when it is not."""
    lines = log.read_text().strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise M2R2Error(f"{log.stem} failed: {lines[-1:]}") from error
