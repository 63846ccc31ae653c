# SPDX-License-Identifier: Apache-2.0
"""Score a few recordings by leaving each group out once: encoder and heads never see it.

`m2r2 train --folds` does so with the heads alone, on features that are there.

    .venv/bin/python tools/leave_one_out.py --data bags --layout layout.yaml --out out/folds \
        --config encoder.yaml --heads causal asrf

`bags` is a folder of bags with robot.yaml, as `m2r2 convert --mapping` makes it, and with
groups.csv if they are of several persons or days; else each bag is a group. A fold that has
its scores is kept, so that the command can be run again after an interruption or with more heads;
prepared recordings are shared. Writes OUT/FOLD/HEAD.json and OUT/scores.json: mean over the
recordings with the 95 % interval of its bootstrap.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.conversion import ROBOT_FILE
from m2r2_ros.datasets.groups import Groups, recorded_groups
from m2r2_ros.errors import M2R2Error
from m2r2_ros.experiments.head_training import spread
from m2r2_ros.parallel.progress import Progress

SCORES = ("acc", "edit", "f1@10", "f1@25", "f1@50", "held_f1@50", "delay_s", "recognised")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is left to do; 2 with one line where a command has failed."""
    args = _parser().parse_args(arguments)
    bags = sorted(path.parent for path in args.data.glob("*/metadata.yaml"))
    try:
        folds = _folds(args.data, bags)
        for name, left_out in Progress(folds.items(), "folds", unit="group"):
            _fold(args, name, left_out, [other for other in bags if other not in left_out])
    except M2R2Error as error:
        print(error, file=sys.stderr)
        return 2
    table = {head: _summary(args.out, head, list(folds)) for head in args.heads}
    with partial_file(args.out / "scores.json") as file:
        file.write_text(json.dumps(table, indent=1) + "\n")
    for head, scores in table.items():
        shown = (
            f"{k} {v['mean']:.1f} [{v['low']:.1f}, {v['high']:.1f}]" for k, v in scores.items()
        )
        print(f"{head}: {', '.join(shown)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--layout", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True, help="settings of pretrain")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--heads", nargs="+", default=["causal"])
    parser.add_argument("--seed", default="0", help="of the heads")
    return parser


def _folds(data: Path, bags: Sequence[Path]) -> dict[str, list[Path]]:
    """Which bags are left out at once, by the fold's name."""
    groups = recorded_groups({bag.name: bag for bag in bags}, [data])
    folds = Groups({bag.name: groups.get(bag.name, bag.name) for bag in bags}).members(
        bag.name for bag in bags
    )
    if len(folds) < 3:
        raise M2R2Error(f"{data}: {len(folds)} groups: leaving one out needs three")
    return {name: [data / bag for bag in members] for name, members in folds.items()}


def _fold(
    args: argparse.Namespace, name: str, left_out: Sequence[Path], others: Sequence[Path]
) -> None:
    """Train without these bags and score on them."""
    fold, robot = args.out / name, args.data / ROBOT_FILE
    left = [head for head in args.heads if not (fold / f"{head}.json").exists()]
    if not left:
        return
    encoder, features = fold / "models" / "encoder.onnx", fold / "features"
    if not encoder.exists():
        _run("pretrain", "--encoder", "m2r2", "--data", *others, "--out", fold / "encoder",
             "--layout", args.layout, "--robot", robot, "--config", args.config,
             "--cache", args.out / "cache")  # fmt: skip
        _run("export", fold / "encoder", "--out", encoder)
    _run("extract", *others, "--test", *left_out, "--encoder", encoder, "--out", features,
         "--config", robot)  # fmt: skip
    data = ("--data", features, "--split", "1")
    for head in left:
        _run("train", *data, "--head", head, "--out", fold / head, "--seed", args.seed)
        _run("evaluate", *data, "--model", fold / head, "--json", fold / f"{head}.json")


def _run(verb: str, *words: object) -> None:
    if status := run_verb(verb, list(map(str, words))):
        raise M2R2Error(f"m2r2 {verb} has ended with status {status}: see above")


def _summary(out: Path, head: str, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Score -> mean over the recordings and its 95 % interval; a score that some lack is absent."""
    found = [json.loads((out / name / f"{head}.json").read_text("utf-8")) for name in names]
    over = spread(found)
    return {score: over[score] for score in SCORES if score in over}


if __name__ == "__main__":
    sys.exit(main())
