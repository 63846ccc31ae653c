# SPDX-License-Identifier: Apache-2.0
"""Learn models from labelled recordings: a models folder that the nodes load, with its scores.

DATA is a folder of recordings (bags or .h5) with confirmed labels, as `m2r2 label`, `m2r2 record`
or `m2r2 convert` leave them; proposals of a model neither train nor score. Groups (groups.csv, else
folders; else each recording) are held out once each, in four folds at most. Each fold's encoder and
head are trained without it and scored on it; then all recordings are learned.

Data are checked first: what somebody should look at is said, and what nothing can be learned from
ends the command with status 2.

MODELS gets encoder.onnx, head.onnx, models.sha256, model_card.md, report.html (what would have been
published, why this way was taken, what to record next), outcome.json (all scores), and folds/ with
the models of each fold; MODELS/work holds what is made on the way and can be removed. The command
can be killed at any moment: given again, it goes on. With --from, that encoder is tried as it is
(frozen) and trained further (fine-tuned), beside one from scratch; the best one on recordings
inside the training groups is taken. See docs/learning.md.

Examples:
    m2r2 learn demonstrations --out my_models
    m2r2 learn demonstrations --out my_models --from models/taskboard_compact
    m2r2 learn bags --config robot.yaml --layout layout.yaml --out my_models --workers 1
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from m2r2_ros.cli._models import given_models
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.evaluation.tables import scores_text

# More need more memory than they save time.
_MOST_WORKERS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of labelled recordings")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="MODELS", help="models folder to write"
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="models",
        metavar="MODELS",
        help="models folder whose encoder is tried, too, as it is and trained further, or "
        "org/name@revision of the Hugging Face hub",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="YAML",
        help="parameter file of the nodes: where the sensors are (default: DATA/robot.yaml)",
    )
    parser.add_argument(
        "--layout",
        type=Path,
        metavar="YAML",
        help="the sensors to learn from (default: DATA/layout.yaml, else all of --config)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=min(_MOST_WORKERS, os.cpu_count() or 1),
        metavar="N",
        help="processes side by side (default: %(default)s)",
    )


def main(args: argparse.Namespace) -> int:
    if args.workers < 1:
        raise M2R2Error(f"--workers must be at least 1, not {args.workers}")
    from m2r2_ros.learning.study import open_study

    models = given_models(args.models) if args.models else None
    study = open_study(args.data, args.config, args.layout, models)
    for name, why in study.facts.left_out.items():
        _say(f"{name}: left out: {why}")
    # Late: torch takes seconds to import, and bad arguments should not wait for it.
    from m2r2_ros.learning.learn import Learning

    try:
        outcome = Learning(study, args.data, args.out, args.workers, _say, _command(args)).run()
    except KeyboardInterrupt:
        _say("interrupted: the same command goes on where it was")
        raise
    title = f"{len(outcome.facts.minutes)} recordings, each held out once, {outcome.chosen}"
    print(scores_text(outcome.scores, title))
    print(f"{outcome.chosen}: {outcome.reason}")
    print(f"{args.out}: trained on all recordings; {outcome.seconds / 60:.1f} minutes")
    return 0


def _command(args: argparse.Namespace) -> tuple[str, ...]:
    """What does the same again, for the card."""
    given = {"--from": args.models, "--config": args.config, "--layout": args.layout}
    options = (word for name, path in given.items() if path for word in (name, str(path)))
    return ("learn", str(args.data), "--out", str(args.out), *options)


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)
