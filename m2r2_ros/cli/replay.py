# SPDX-License-Identifier: Apache-2.0
"""Play a bag as live ROS 2 topics, at true time, with its recorded types and quality of service.

It waits for subscribers before it starts (`--wait` at most) and, at the end, until they have
everything. Where `ros2 bag play` is installed it does the same; this one needs rclpy only.

Examples:
    m2r2 replay out/2025-01-10-15-28-50
    m2r2 replay recording.mcap --rate 2 --clock
    m2r2 replay recording.mcap --loop --wait 0
"""

from __future__ import annotations

import argparse
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m2r2_ros.nodes.replayer import Replayer

_REFRESH_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", help="rosbag2 folder, or an .mcap or .db3 file")
    parser.add_argument("--rate", type=float, default=1.0, help="speed (default: 1)")
    parser.add_argument(
        "--clock", action="store_true", help="publish /clock too, at most 100 times a second"
    )
    parser.add_argument("--loop", action="store_true", help="begin again at the end")
    parser.add_argument(
        "--wait",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="longest wait for subscribers, and at the end for their acknowledgement (default: 5)",
    )
    parser.add_argument("--enclave", help="enclave of SROS 2, for example /m2r2/replayer")


def main(args: argparse.Namespace) -> int:
    try:
        args.bag.encode()
    except UnicodeEncodeError:
        raise M2R2Error(f"{args.bag}: no UTF-8, which parameters of nodes are: rename it") from None
    values: dict[str, Any] = {
        "bag": args.bag,
        "rate": args.rate,
        "clock": args.clock,
        "loop": args.loop,
        "wait_s": args.wait,
    }
    from m2r2_ros.nodes.process import run
    from m2r2_ros.nodes.replayer import Replayer

    replayers: list[Replayer] = []

    def build() -> list[Replayer]:
        replayers.append(Replayer(values))
        return replayers

    ros_arguments = ["--ros-args", "--enclave", args.enclave] if args.enclave else []
    with _progress(replayers):
        return run(build, __doc__ or "", ["replay", *ros_arguments])


@contextmanager
def _progress(replayers: list[Replayer]) -> Iterator[None]:
    """A bar in seconds of the recording, drawn beside the playing."""
    ended = threading.Event()
    shape = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s"

    def draw() -> None:
        with Progress(desc="replay", total=0, bar_format=shape) as bar:
            while not ended.wait(_REFRESH_S):
                for replayer in replayers:
                    bar.total = replayer.duration_ns / 1e9
                    # The clock ticks on past the last message.
                    bar.n = min(bar.total, replayer.position_ns / 1e9)
                    bar.refresh()

    thread = threading.Thread(target=draw, name="progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
