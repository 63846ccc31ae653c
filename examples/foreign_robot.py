# SPDX-License-Identifier: Apache-2.0
"""A screwdriving arm that no model of this package knows, for docs/tutorials/afternoon.md.

    python examples/foreign_robot.py --seed 1                    # works, one run after the other
    python examples/foreign_robot.py --seed 1 --operator         # and leads `m2r2 record`
    python examples/foreign_robot.py --seed 5 --runs 4 --write demonstrations   # bags, at once

The operator starts and stops a take by the recorder's services, and says what begins on
/recorder/mark, 0.2 s late. `--write` makes the bags that `m2r2 record` would have made of the same
runs, labelled to the frame.
"""

from __future__ import annotations

import argparse
import heapq
import io
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from operator import itemgetter
from pathlib import Path

import numpy as np
import rclpy
from geometry_msgs.msg import WrenchStamped
from rclpy.client import Client
from rclpy.executors import ExternalShutdownException
from screwdriving import CELLS, JOINTS, LABELS, Demonstration
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from m2r2_ros.datasets.bag_writer import BagContent, write_bag
from m2r2_ros.datasets.labels_file import labels_path, write_labels
from m2r2_ros.datasets.recording_labels import Label, RecordingLabels
from m2r2_ros.messages.encode import encode_compressed_image, encode_joints, encode_vectors
from m2r2_ros.vocabulary import Vocabulary

MARKS = "/recorder/mark"
ARM, TORQUE, PAD, CAMERA = TYPES = {
    "/arm/joint_states": "sensor_msgs/msg/JointState",
    "/screwdriver/torque": "geometry_msgs/msg/WrenchStamped",
    "/grip_pad/cells": "sensor_msgs/msg/JointState",
    "/bench_cam/image/compressed": "sensor_msgs/msg/CompressedImage",
}
KINDS = {
    "sensor_msgs/msg/JointState": JointState,
    "geometry_msgs/msg/WrenchStamped": WrenchStamped,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
}
RATES_HZ = {ARM: 50, TORQUE: 100, PAD: 50, CAMERA: 10}
# Of an operator who sees that something has begun.
REACTION_S = 0.2
REST_S = 1.0
# Two seconds of the fastest.
QUEUE = 200
SECOND = 10**9
# Of the bags that are written, one an hour.
EPOCH_NS, HOUR_NS = 1_760_000_000 * SECOND, 3600 * SECOND

# When [ns], topic, message
Timed = tuple[int, str, bytes]


def stream(
    run: Demonstration, topic: str, start_ns: int, first_s: float, last_s: float
) -> Iterator[Timed]:
    """A topic's messages between two times of a run, the first of them stamped `start_ns`."""
    times = np.arange(first_s, last_s, 1 / RATES_HZ[topic])
    stamps = start_ns + np.round((times - first_s) * SECOND).astype(np.int64)
    if topic == CAMERA:
        messages = (_jpeg(run, at, stamp) for at, stamp in zip(times, stamps.tolist(), strict=True))
    elif topic == TORQUE:
        messages = encode_vectors(TYPES[topic], stamps, run.wrench(times), "bit")
    elif topic == ARM:
        messages = encode_joints(stamps, JOINTS, run.joints(times))
    else:
        messages = encode_joints(stamps, CELLS, run.cells(times))
    return ((stamp, topic, data) for stamp, data in zip(stamps.tolist(), messages, strict=True))


def _jpeg(run: Demonstration, time_s: float, stamp_ns: int) -> bytes:
    buffer = io.BytesIO()
    run.picture(time_s).save(buffer, "JPEG")
    return encode_compressed_image(stamp_ns, "bench_cam", "jpeg", buffer.getvalue())


def write(run: Demonstration, folder: Path, start_ns: int) -> None:
    """A bag, and labels beside it."""
    streams = [stream(run, topic, start_ns, 0, run.seconds) for topic in TYPES]
    write_bag(BagContent(TYPES, streams, start_ns), folder)
    labels = tuple(
        Label(start_ns + round(start * SECOND), start_ns + round(end * SECOND), label)
        for start, end, label in run.steps
    )
    vocabulary = Vocabulary(tuple(LABELS), ("wait",))
    write_labels(labels_path(folder), RecordingLabels(start_ns, labels, vocabulary=vocabulary))


class Arm:
    """Publishes in real time; with an operator it waits for the recorder, and leads it."""

    def __init__(self, has_operator: bool) -> None:
        self._node = rclpy.create_node("screwdriving_arm")
        self._topics = {
            topic: self._node.create_publisher(KINDS[kind], topic, QUEUE)
            for topic, kind in TYPES.items()
        }
        self._marks = self._node.create_publisher(String, MARKS, 10)
        self._has_operator = has_operator
        self._start = self._node.create_client(Trigger, "/recorder/start")
        self._stop = self._node.create_client(Trigger, "/recorder/stop")
        # Where the stamps are: what comes next goes on there.
        self._now_ns = time.time_ns()

    def perform(self, run: Demonstration) -> None:
        """One run, with a rest before and after it."""
        self._play(run, -REST_S, 0)
        while self._has_operator and not self._is_recorded():
            self._play(run, -REST_S, 0)
        self._order(self._start)
        self._play(run, 0, run.seconds)
        self._order(self._stop)
        self._play(run, run.seconds, run.seconds + REST_S)

    def _is_recorded(self) -> bool:
        """Whether a recorder is there and hears every topic."""
        heard = all(each.get_subscription_count() for each in (*self._topics.values(), self._marks))
        return heard and self._start.service_is_ready() and self._stop.service_is_ready()

    def _order(self, service: Client) -> None:
        if self._has_operator:
            service.call_async(Trigger.Request())

    def _play(self, run: Demonstration, first_s: float, last_s: float) -> None:
        start_ns = self._now_ns
        streams = [stream(run, topic, start_ns, first_s, last_s) for topic in TYPES]
        said = [(start + REACTION_S, label) for start, _, label in run.steps]
        said = [(at, label) for at, label in said if self._has_operator and first_s <= at < last_s]
        spoken = ((start_ns + round((at - first_s) * SECOND), MARKS, text) for at, text in said)
        for stamp_ns, topic, what in heapq.merge(*streams, spoken, key=itemgetter(0)):
            self._wait(stamp_ns)
            if topic == MARKS:
                print(what, flush=True)
                self._marks.publish(String(data=what))
            else:
                self._topics[topic].publish(what)
        self._now_ns = start_ns + round((last_s - first_s) * SECOND)

    def _wait(self, stamp_ns: int) -> None:
        """Answers of the recorder are taken meanwhile."""
        while (left_s := (stamp_ns - time.time_ns()) / SECOND) > 0:
            rclpy.spin_once(self._node, timeout_sec=left_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--runs", type=int, help="end after so many (default: go on)")
    parser.add_argument("--screws", type=int, default=0, help="in a run (default: two or three)")
    parser.add_argument("--operator", action="store_true", help="lead `m2r2 record`")
    parser.add_argument("--write", type=Path, metavar="DIR", help="bags, in place of publishing")
    args = parser.parse_args()
    seeds = count(args.seed) if args.runs is None else range(args.seed, args.seed + args.runs)
    runs = (Demonstration(seed, args.screws) for seed in seeds)
    if args.write:
        for run in runs:
            folder = args.write / f"seed_{run.seed:03d}"
            write(run, folder, EPOCH_NS + run.seed * HOUR_NS)
            print(f"{folder}: {run.seconds:.1f} s")
        return
    with rclpy.init(), suppress(KeyboardInterrupt, ExternalShutdownException):
        arm = Arm(args.operator)
        for run in runs:
            arm.perform(run)


if __name__ == "__main__":
    main()
