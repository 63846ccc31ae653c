# SPDX-License-Identifier: Apache-2.0
"""Play a recording over DDS into the online nodes and show what a task planner gets.

The recording becomes a bag, the bag is played at true time, the nodes publish action segments,
and these are printed as they come. In the end they are scored against the ground truth, and
compared with what `m2r2 segment` makes of the same bag without ROS.

Examples:
    m2r2 demo
    m2r2 demo --rate 2
    m2r2 demo --recording 2025-01-10-15-28-50.h5 --models my_models --out /tmp/demo
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Collection
from pathlib import Path

from m2r2_ros.cli._live import LiveSetup, keep_to_ourselves, play_live
from m2r2_ros.cli._models import given_models
from m2r2_ros.cli._run_results import (
    METRICS,
    SEGMENTS,
    TIMELINE,
    Truth,
    first_difference,
    write_results,
)
from m2r2_ros.cli.convert import convert
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.source import open_source
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.evaluation.tables import scores_text
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source
from m2r2_ros.shipped import shipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recording", type=Path, help="REASSEMBLE .h5 with labels (default: the shipped one)"
    )
    parser.add_argument(
        "--models",
        type=Path,
        help="models folder, or org/name@revision (default: shipped)",
    )
    parser.add_argument(
        "--config", type=Path, help="parameter file of the nodes (default: config/reassemble.yaml)"
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=1.0, help="times true time (default: 1)")


def main(args: argparse.Namespace) -> int:
    # As SystemExit it leaves the blocks below in order, so that no program stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not args.rate > 0:
        raise M2R2Error(f"--rate must be above 0, got {args.rate}")
    recording = args.recording or shipped("recordings/taskboard_demo.h5")
    models = given_models(args.models) if args.models else shipped("models/taskboard_compact")
    config = args.config or shipped("config/reassemble.yaml")
    results = [args.out / name for name in (SEGMENTS, TIMELINE, METRICS)]
    for path in results:
        path.unlink(missing_ok=True)
    deployment = Deployment.load(config)
    with open_source(recording, deployment.topics) as source:
        truth = Truth.of(source)
    loaded = Models.load(models)
    bag = convert(recording, args.out, overwrite=True)

    took_s = truth.duration_s / args.rate
    print(f"playing {bag} over DDS, ROS_DOMAIN_ID {keep_to_ourselves()}, for {took_s:.0f} s")
    setup = LiveSetup(bag, truth.duration_s, args.rate, config, models, args.out)
    run = play_live(setup, Narrator(truth.start_ns))
    rate_hz = loaded.encoder.layout.window_rate_hz
    metrics = write_results(args.out, run.events, run.predictions, truth, rate_hz)
    print()
    for level, scores in metrics.items():
        print(scores_text(scores, f"{level} labels"))
    topics = deployment.topics.served(loaded.encoder.layout.sensed).values()
    print(f"{run.received} of {count_messages(bag, topics)} sensor messages received")
    with open_source(bag, deployment.topics) as source:
        offline = segment_source(source, loaded, deployment)
    print(compare(run.events, offline.events))
    print("wrote", *results)
    return 0


def count_messages(path: Path, topics: Collection[str]) -> int:
    """How many messages a bag has on these topics."""
    with open_bag(path) as bag:
        return sum(topic.count for topic in bag.topics.values() if topic.name in topics)


class Narrator:
    """Prints what a planner would act on: actions that start, get their object, and end."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns, self._doing = start_ns, ""

    def __call__(self, event: SegmentEvent) -> None:
        """Print a line, with its seconds since `start_ns`, if there is something new."""
        if not event.action:
            return
        what = f"{event.action} {event.object}".strip().lower()
        line = ""
        if event.status == SegmentStatus.STARTED:
            line = f"started {what} ({event.confidence:.2f})"
        elif event.status == SegmentStatus.ENDED:
            line = f"ended {what} after {(event.end_ns - event.start_ns) / 1e9:.1f} s"
        elif what != self._doing:
            line = f"it is {what} ({event.confidence:.2f})"
        self._doing = what
        if line:
            since_start_s = (event.stamp_ns - self._start_ns) / 1e9
            print(f"{since_start_s:7.1f} s  {printable(line)}", flush=True)


def compare(published: list[SegmentEvent], offline: list[SegmentEvent]) -> str:
    """One line that tells whether the run equals the offline one."""
    index = first_difference(published, offline)
    if index is None:
        return f"the same {len(offline)} events as `m2r2 segment` gives"
    return (
        f"NOT the events that `m2r2 segment` gives: {len(published)} against {len(offline)}, "
        f"different from event {index} on"
    )
