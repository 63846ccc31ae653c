# SPDX-License-Identifier: Apache-2.0
"""Record the robot file's topics into bags, one a demonstration, with labels by key or topic.

Each take is a rosbag2 folder (MCAP) below --out that can be read at any moment, whatever ends it:
a kill costs less than a second. Messages are stored as they are published; topics are followed
as their publishers offer them, also those that come later. A take starts and stops by the space
bar, by the services /recorder/start and /recorder/stop (std_srvs/Trigger), or by a joystick's
button. q or Ctrl-C ends it all; a full disk ends it, too, with status 1.

"Now begins X" is marked by the keys 1 to 9 (the labels of --vocabulary that are not idle), 0 or
backspace (idle), or by a std_msgs/String on /recorder/mark; an empty one ends the label. Marks are
written at once to BAG.labels.json beside the bag.

Examples:
    m2r2 record --config robot.yaml --out demonstrations --vocabulary vocabulary.yaml
    m2r2 record --config robot.yaml --out demonstrations --joy /joy:0 --takes 20
    m2r2 record --config robot.yaml --out demonstrations --seconds 30 --name "lid_{n}"
    m2r2 record --config robot.yaml --out demonstrations --topics /joint_states /diagnostics
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from m2r2_ros.cli._config import load_deployment
from m2r2_ros.cli._recording_console import RecordingConsole
from m2r2_ros.datasets.marks import keyed_labels
from m2r2_ros.datasets.recorded_topics import beside, recorded_topics
from m2r2_ros.datasets.recording_session import RecordingSession, SessionPlan
from m2r2_ros.datasets.sensor_input import is_topic_name
from m2r2_ros.datasets.take import next_folder
from m2r2_ros.datasets.vocabulary_file import read_vocabulary
from m2r2_ros.errors import M2R2Error, brief

_BACKSPACE = ("\x7f", "\b")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, required=True, metavar="YAML", help="parameter file: the topics"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for bags")
    parser.add_argument(
        "--topics", nargs="+", default=[], metavar="TOPIC", help="more topics to record"
    )
    parser.add_argument(
        "--vocabulary", type=Path, metavar="YAML", help="the labels that can be marked"
    )
    parser.add_argument(
        "--name",
        default="%Y-%m-%d-%H-%M-%S",
        metavar="PATTERN",
        help="of a take: codes of strftime, {n} for its number (default: date and time)",
    )
    parser.add_argument("--takes", type=int, metavar="N", help="end after so many takes")
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="N",
        help="length of a take; the first begins by itself and, without --takes, is the only one",
    )
    parser.add_argument(
        "--joy", type=_joystick, metavar="TOPIC:BUTTON", help="a sensor_msgs/Joy starts and stops"
    )


def main(args: argparse.Namespace) -> int:
    topics = load_deployment(args.config).topics
    plan = _plan(args)
    next_folder(plan.out, plan.pattern)
    args.out.mkdir(parents=True, exist_ok=True)
    chosen = recorded_topics(topics, args.topics)
    labels = keyed_labels(plan.vocabulary) if plan.vocabulary else {}
    if labels:
        labels |= dict.fromkeys(_BACKSPACE, labels["0"])
    from m2r2_ros.nodes.recording import RecordedInputs, record

    console = RecordingConsole()
    console.say(f"{len(chosen)} topics; space: start and stop a take, q: end{_keys(labels)}")
    inputs = RecordedInputs(chosen, beside(topics), args.joy)
    with console.reading_keys():
        return record(RecordingSession(plan), inputs, console, labels)


def _plan(args: argparse.Namespace) -> SessionPlan:
    seconds, takes = args.seconds, args.takes
    if seconds is not None and not 0 < seconds < math.inf:
        raise M2R2Error(f"--seconds must be a positive number, got {seconds}")
    if takes is not None and takes < 1:
        raise M2R2Error(f"--takes must be at least 1, got {takes}")
    vocabulary = read_vocabulary(args.vocabulary) if args.vocabulary else None
    takes = takes or (math.inf if seconds is None else 1)
    return SessionPlan(args.out, args.name, vocabulary, takes, seconds or math.inf)


def _joystick(text: str) -> tuple[str, int]:
    topic, _, button = text.rpartition(":")
    if not is_topic_name(topic) or not button.isdecimal():
        raise argparse.ArgumentTypeError(f"{brief(text)} is not TOPIC:BUTTON, as /joy:0")
    return topic, int(button)


def _keys(labels: dict[str, str]) -> str:
    shown = {key: label for key, label in labels.items() if key.isprintable()}
    return "".join(f"; {key}: {label or '(end)'}" for key, label in shown.items())
