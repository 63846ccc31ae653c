# SPDX-License-Identifier: Apache-2.0
"""Play what the folds of `m2r2 learn` have not seen over DDS, and compare with what was scored.

    .venv/bin/python tools/live_folds.py my_models --data demonstrations --config robot.yaml

The first held-out bag of each fold (--all: each of them) is played into nodes with the models of
that fold. A segment is the one that was scored where its label is, and its times are to a frame.
The status is 1 where one is not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from m2r2_ros.cli._live import LiveSetup, keep_to_ourselves, play_live
from m2r2_ros.datasets.source import open_source
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.segments import Segment, segments_from_events
from m2r2_ros.inference.models import Models
from m2r2_ros.learning.outcome import OUTCOME_FILE
from m2r2_ros.offline.deployment import Deployment

# An event is stamped at a frame's end, a label is of the whole frame.
FRAMES = 1.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and compare; 2 with one line where that fails."""
    args = _parser().parse_args(arguments)
    keep_to_ourselves()
    try:
        outcome = json.loads((args.models / OUTCOME_FILE).read_text("utf-8"))
        differ = 0
        for fold, scored in held_out(outcome, args.all):
            setup_models = args.models / "folds" / fold
            bag = args.data / scored["recording"]
            said = _played(bag, setup_models, args.config, args.rate, scored["published"])
            print(f"{fold}, {bag.name}: {said or 'the segments that were scored'}", flush=True)
            differ += bool(said)
    except (M2R2Error, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return int(differ > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", type=Path, help="what `m2r2 learn --out` has written")
    parser.add_argument("--data", type=Path, required=True, help="the folder that it was given")
    parser.add_argument("--config", type=Path, required=True, help="parameter file of the nodes")
    parser.add_argument("--all", action="store_true", help="every recording that was held out")
    parser.add_argument("--rate", type=float, default=1.0, help="times true time (default: 1)")
    return parser


def held_out(outcome: dict[str, Any], everything: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Fold, and what its models have published of recordings that they have not seen."""
    for trial in outcome["trials"]:
        if trial["way"] == outcome["chosen_in"][trial["fold"]]:
            for one in trial["recordings"][: None if everything else 1]:
                yield trial["fold"], one


def _played(bag: Path, models: Path, config: Path, rate: float, scored: list[Any]) -> str:
    """How what is published live differs from what was scored; "" where it does not."""
    layout = Models.load(models).encoder.layout
    with open_source(bag, Deployment.load(config).topics) as source:
        start_ns, end_ns = source.start_ns, source.end_ns
    with TemporaryDirectory() as logs:
        setup = LiveSetup(bag, (end_ns - start_ns) / 1e9, rate, config, models, Path(logs))
        events = play_live(setup, lambda _: None).events
    expected = [Segment(*one) for one in scored]
    found = segments_from_events(events, start_ns)
    return difference(expected, found, FRAMES / layout.window_rate_hz)


def difference(expected: Sequence[Segment], found: Sequence[Segment], within_s: float) -> str:
    """The first one, in words; "" where there is none."""
    if len(expected) != len(found):
        return f"{len(found)} segments, {len(expected)} were scored"
    for one, other in zip(expected, found, strict=True):
        off_s = max(abs(one.start_s - other.start_s), abs(one.end_s - other.end_s))
        if one.label != other.label or off_s > within_s:
            return f"{tuple(other)}, {tuple(one)} was scored"
    return ""


if __name__ == "__main__":
    sys.exit(main())
