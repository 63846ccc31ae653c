# SPDX-License-Identifier: Apache-2.0
"""Make REASSEMBLE-format recordings of a simulated Franka on NIST Task Board 1.

A recipe is a YAML file, or the name of one that ships in config/datasets: splits, each a folder
with a range of seeds of its own. Without one, recording i has seed SEED + i. Either way it is
written as taskboard-<seed>.h5. Run the same command again after an interruption: it goes on with
what is missing. When all is there, manifest.json lists every recording with the SHA-256 of its
label track; --verify reads all labels again and compares.

Labels, force and motion depend on seed and settings alone; needs the `sim` extras (MuJoCo) and a
GL library, but no display and no GPU.

Examples:
    m2r2 simulate --recipe taskboard_sim_v1 --out data/taskboard_sim --workers 2
    m2r2 simulate --recipe taskboard_sim_v1 --out data/taskboard_sim --split shifted
    m2r2 simulate --recipe taskboard_sim_v1 --out data/taskboard_sim --verify
    m2r2 simulate --out data/taskboard --recordings 45 --seed 1000
    m2r2 simulate --out data/defects --recordings 12 --seed 500 --defects
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from m2r2_ros.cli._said import saying
from m2r2_ros.cli._workers import add_worker_arguments, given_workers
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.inspection.dataset_card import class_table
from m2r2_ros.inspection.dataset_statistics import dataset_statistics, read_labels
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.parallel.spread import Workers
from m2r2_ros.shipped import shipped
from m2r2_ros.simulation import generate
from m2r2_ros.simulation.manifest import (
    MANIFEST,
    check_manifest,
    make_manifest,
    write_manifest,
)
from m2r2_ros.simulation.recipe import Recipe, RecipeSplit, load_recipe
from m2r2_ros.simulation.recording_settings import RecordingSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to fill")
    parser.add_argument(
        "--recipe", metavar="NAME", help="data set to make: a .yaml file, or a shipped recipe"
    )
    parser.add_argument("--split", metavar="NAME", help="only this split of the recipe")
    parser.add_argument("--recordings", type=int, metavar="N", help="how many, without a recipe")
    parser.add_argument("--seed", type=int, metavar="S", help="first seed, without a recipe")
    parser.add_argument(
        "--attempts",
        type=int,
        metavar="N",
        help="actions attempted in each recording, at least, without a recipe "
        f"(default: {RecordingSettings.attempts})",
    )
    add_worker_arguments(parser)
    parser.add_argument(
        "--defects",
        action="store_true",
        help="give each recording one of the defects that REASSEMBLE lists, in turn",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on after an interruption (as it does anyhow)"
    )
    parser.add_argument(
        "--verify", action="store_true", help="compare recordings with manifest.json, make nothing"
    )


def main(args: argparse.Namespace) -> int:
    recipe = _recipe(args)
    _check(args)
    workers = given_workers(args)
    folder = args.out / args.split if args.split else args.out
    if args.verify:
        check_manifest(folder, _manifest(args.out, recipe))
        print(f"{folder}: {_count(recipe)} recordings are as {MANIFEST} says")
        return 0
    rate = _generate(args.out, recipe, workers)
    manifest = _manifest(args.out, recipe)
    write_manifest(folder, manifest)
    total, size = manifest["total"], sum(path.stat().st_size for path in _files(args.out, recipe))
    print(
        f"{folder}: {total['recordings']} recordings, {total['minutes']:.1f} minutes, "
        f"{total['actions']} actions, {size / 1e6:.0f} MB{rate}\n\n"
        "actions, in brackets those that failed:\n\n" + _success_table(args.out, recipe)
    )
    return 0


def _generate(out: Path, recipe: Recipe, workers: Workers) -> str:
    """Make what is missing; say how fast, in words. Raises M2R2Error when some cannot be made."""
    simulated_s, start, errors = 0.0, time.monotonic(), []
    with saying() as said:
        for done in generate.generate(out, recipe, workers):
            if done.error:
                errors.append(done.error)
                said.say(generate.name_of(done.piece), done.error)
            else:
                simulated_s += done.result.duration_s
    if errors:
        raise M2R2Error(
            f"{len(errors)} of {_count(recipe)} recordings could not be made, the same command "
            f"goes on with them: {errors[0]}"
        )
    rate = simulated_s / (time.monotonic() - start)
    return f", {rate:.2f} s simulated a second" if simulated_s else ""


def _manifest(out: Path, recipe: Recipe) -> dict:
    with Progress(
        total=_count(recipe), desc="reading labels", unit="recording", leave=False
    ) as bar:
        return make_manifest(out, recipe, bar.update)


def _success_table(out: Path, recipe: Recipe) -> str:
    return class_table(
        dataset_statistics([read_labels(path, TopicMap()) for path in _files(out, recipe)])
    )


def _files(out: Path, recipe: Recipe) -> list[Path]:
    return [split.path(out, seed) for split in recipe.splits for seed in split.seeds]


def _count(recipe: Recipe) -> int:
    return sum(split.recordings for split in recipe.splits)


def _recipe(args: argparse.Namespace) -> Recipe:
    plain = {flag: getattr(args, flag) for flag in ("recordings", "seed", "attempts")}
    given = [f"--{flag}" for flag, value in plain.items() if value is not None]
    if args.recipe is None:
        if args.split:
            raise M2R2Error("--split names a split of a recipe: give --recipe too")
        if args.recordings is None or args.seed is None:
            raise M2R2Error("give --recipe, or --recordings and --seed")
        settings = RecordingSettings(args.attempts or RecordingSettings.attempts)
        recipe = Recipe("recordings", (RecipeSplit("", args.recordings, args.seed, settings),))
    elif given:
        raise M2R2Error(f"{given[0]} cannot be given with --recipe, which sets it")
    else:
        recipe = load_recipe(_recipe_path(args.recipe))
    splits = recipe.splits
    if args.split:
        splits = tuple(split for split in splits if split.name == args.split)
        if not splits:
            names = [split.name for split in recipe.splits]
            raise M2R2Error(
                f"--split: {args.recipe} has no '{args.split}'{nearest_name(args.split, names)}"
            )
    if args.defects:
        splits = tuple(replace(s, settings=replace(s.settings, defects=True)) for s in splits)
    return replace(recipe, splits=splits)


def _recipe_path(name: str) -> Path:
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    folder = shipped("config/datasets")
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise M2R2Error(f"--recipe: '{name}' is neither a .yaml file nor one of {', '.join(known)}")
    return folder / f"{name}.yaml"


def _check(args: argparse.Namespace) -> None:
    for flag, least in (("recordings", 1), ("attempts", 1), ("seed", 0)):
        value = getattr(args, flag)
        if value is not None and value < least:
            raise M2R2Error(f"--{flag} must be at least {least}, not {value}")
    if args.out.exists() and not args.out.is_dir():
        raise M2R2Error(f"--out {args.out} is a file, not a folder")
