# SPDX-License-Identifier: Apache-2.0
"""Look at the live graph, or at a bag: what is published, what serves which sensor, what is wrong.

For each topic: type, rate, jitter, longest gap, whose clock its stamps are of and how far from the
others, frame, quality of service, size, joints or form of the picture. For each sensor the topics
that can serve it, read as the nodes read them. With --config, what the parameter file lacks or
states wrongly. --write makes a parameter file to start from.

The sensors are those of --models' encoder, else those of --config, else whatever is there. The exit
status is 1 where the chain could not run: no sensor is served, or the models cannot be loaded.

Examples:
    m2r2 doctor
    m2r2 doctor --write robot.yaml
    m2r2 doctor --config robot.yaml --models my_models
    m2r2 doctor my_bag --write robot.yaml --json doctor.json
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from m2r2_ros.cli._config import load_deployment
from m2r2_ros.cli._models import given_models
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.diagnosis.bag_survey import survey_bag
from m2r2_ros.diagnosis.examination import Wanted, examine
from m2r2_ros.diagnosis.robot_file import robot_file
from m2r2_ros.diagnosis.topic_survey import TopicSurvey
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.models import Models
from m2r2_ros.parallel.progress import Progress

_SHAPE = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bag",
        nargs="?",
        type=Path,
        metavar="BAG",
        help="rosbag2 folder, .mcap or .db3 (default: the live graph)",
    )
    parser.add_argument("--config", type=Path, metavar="YAML", help="parameter file to examine")
    parser.add_argument("--models", type=Path, metavar="DIR", help="models to serve, or their name")
    parser.add_argument(
        "--write", type=Path, metavar="YAML", help="write a parameter file to start from"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found as JSON")
    parser.add_argument(
        "--seconds",
        type=float,
        default=5.0,
        metavar="N",
        help="how long to listen, or how much of the bag to read (default: %(default)g)",
    )


def main(args: argparse.Namespace) -> int:
    if not 0 < args.seconds < math.inf:
        raise M2R2Error(f"--seconds must be a positive number, got {args.seconds}")
    wanted = _wanted(args.config, args.models)
    surveys, problems = _survey(args.bag, args.seconds)
    report, layout = examine(surveys, wanted, args.bag is None, problems)
    print(report.text())
    if args.json:
        with partial_file(args.json) as temporary:
            temporary.write_text(json.dumps(report.to_dict(), indent=1) + "\n", encoding="utf-8")
    if args.write:
        where = f"in {args.bag}" if args.bag else "on the live graph"
        text = robot_file(layout, report.ranked, surveys, where)
        with partial_file(args.write) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"{args.write}: look through it, above all at what is guessed")
    return 0 if report.can_run else 1


def _wanted(config: Path | None, folder: Path | None) -> Wanted:
    """What the topics are held against. Raises M2R2Error on a file that is no parameter file."""
    deployment = load_deployment(config)
    models, problem = None, ""
    if folder is not None:
        try:
            models = Models.load(given_models(folder), actions=deployment.actions)
        except M2R2Error as error:
            problem = str(error)
    topics = deployment.topics if config else None
    return Wanted(topics, deployment.limits, models, problem)


def _survey(bag: Path | None, seconds: float) -> tuple[Mapping[str, TopicSurvey], Sequence[str]]:
    """What is seen of the topics, and what is damaged of the bag."""
    if bag is not None:
        with open_bag(bag) as opened:
            surveys = survey_bag(opened, seconds)
            return surveys, [f"{bag}: {problem}" for problem in opened.problems]
    from m2r2_ros.nodes.graph_survey import survey_graph

    with Progress(desc="listening", total=seconds, bar_format=_SHAPE, leave=False) as bar:
        return survey_graph(seconds, lambda elapsed_s: bar.update(elapsed_s - bar.n)), ()
