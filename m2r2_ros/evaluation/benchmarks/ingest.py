# SPDX-License-Identifier: Apache-2.0
"""What taking in a robot's sensors costs, and whether anything is lost on the way.

Three proprioceptive topics at 1 kHz, two 640x480 cameras at 30 Hz and 48 kHz audio come from
another process. Measured twice: the synchronizer alone, and the whole online chain.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.benchmarks.options import Options

if TYPE_CHECKING:
    from rclpy.node import Node

# The synchronizer first: what the rest of the chain adds is the difference.
PROGRAMS = {"synchronizer": "m2r2_ros.nodes.synchronizer", "online": "m2r2_ros.nodes.online"}
_PATIENCE_S = 60.0


def run(options: Options) -> dict[str, Any]:
    """Losses over all topics, and cores that the load takes at its true rate, for each program.

    Raises M2R2Error when a program fails.
    """
    if not Path("/proc/self/stat").exists():
        raise M2R2Error("the benchmark 'ingest' reads CPU times from /proc, which is not there")
    results: dict[str, Any] = {"seconds": options.seconds, "cores": os.cpu_count()}
    with _monitor() as (node, values):
        for name, module in PROGRAMS.items():
            values.clear()
            results[name] = _measure(module, node, values, options)
    results["lost"] = sum(results[name]["lost"] for name in PROGRAMS)
    return results


def _measure(module: str, node: Node, values: dict[str, str], options: Options) -> dict[str, Any]:
    from m2r2_ros.evaluation.benchmarks.load import TOPICS

    topics = [f"topics.{name}:={topic}" for name, topic in TOPICS.items()]
    # The gripper is not part of the load; without a publisher it is masked.
    topics.append("topics.gripper:=/load/gripper")
    command = ["--ros-args", "-p", f"models:={options.models}"]
    command += [word for topic in topics for word in ("-p", topic)]
    with (
        _program(options.logs, module, *command) as chain,
        _program(options.logs, load_module(), str(options.seconds)) as load,
    ):
        _spin(node, lambda: values.get("wrench.type"), chain, load, _PATIENCE_S)
        cpu_s = _cpu_seconds(chain.pid)
        # A machine that is busy with something else stretches the load.
        patience_s = 10 * options.seconds + _PATIENCE_S
        _spin(node, lambda: load.poll() is not None, chain, None, patience_s)
        used_s = _cpu_seconds(chain.pid) - cpu_s
        report = _last_line(options.logs, load_module())
        published = report["messages"]
        received = _settled(node, values, chain, published)
        chain.terminate()
        chain.wait(_PATIENCE_S)
    taken = sum(received.values())
    lost = {name: count - received[name] for name, count in published.items()}
    return {
        "lost": sum(lost.values()),
        "lost_by_topic": {name: count for name, count in lost.items() if count},
        "messages": sum(published.values()),
        # Longer than asked for where the machine is too busy to keep up with the load.
        "load_seconds": round(report["seconds"], 1),
        "core_fraction": round(used_s / options.seconds, 4),
        "cpu_us_per_message": round(1e6 * used_s / max(1, taken), 1),
        "windows": int(values.get("windows", 0)),
    }


def load_module() -> str:
    """The program that publishes."""
    return "m2r2_ros.evaluation.benchmarks.load"


def _settled(
    node: Node, values: dict[str, str], chain: subprocess.Popen, published: dict[str, int]
) -> dict[str, int]:
    """Messages received by topic, once that no longer changes."""
    counts: list[dict[str, int]] = []

    def has_settled() -> bool:
        seen = {name: int(values.get(f"{name}.messages", 0)) for name in published}
        if seen == published:
            counts.append(seen)
            return True
        if not counts or time.monotonic() - asked[0] > 2.5:
            asked[0] = time.monotonic()
            counts.append(seen)
        return len(counts) > 2 and counts[-1] == counts[-2]

    asked = [time.monotonic()]
    _spin(node, has_settled, chain, None, _PATIENCE_S)
    return counts[-1]


@contextmanager
def _monitor() -> Iterator[tuple[Node, dict[str, str]]]:
    """A node that keeps the latest diagnostics of the synchronizer."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray

    from m2r2_ros.nodes.transport import use_large_shared_memory

    use_large_shared_memory()
    values: dict[str, str] = {}

    def keep(message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "synchronizer":
                values.update({entry.key: entry.value for entry in status.values})

    rclpy.init(args=[])
    node = rclpy.create_node("monitor")
    node.create_subscription(DiagnosticArray, "/diagnostics", keep, 100)
    try:
        yield node, values
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


@contextmanager
def _program(logs: Path, module: str, *arguments: str) -> Iterator[subprocess.Popen]:
    logs.mkdir(parents=True, exist_ok=True)
    with (
        (logs / f"{module}.log").open("wb") as log,
        subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=log, stderr=log) as it,
    ):
        try:
            yield it
        finally:
            it.kill()


def _spin(
    node: Node,
    done: Callable[[], Any],
    chain: subprocess.Popen,
    load: subprocess.Popen | None,
    patience_s: float,
) -> None:
    import rclpy

    deadline = time.monotonic() + patience_s
    while not done():
        rclpy.spin_once(node, timeout_sec=0.1)
        for program in filter(None, (chain, load)):
            if program.poll() is not None:
                raise M2R2Error(f"a program of the benchmark ended with {program.returncode}")
        if time.monotonic() > deadline:
            raise M2R2Error("the benchmark 'ingest' did not come to an end")


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _last_line(logs: Path, module: str) -> dict[str, Any]:
    lines = (logs / f"{module}.log").read_text().strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise M2R2Error(f"the load of the benchmark failed: {lines[-1:]}") from error
