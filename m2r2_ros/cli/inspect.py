# SPDX-License-Identifier: Apache-2.0
"""Show what a recording holds, or what a folder of recordings amounts to.

RECORDING gives one picture (video, sound, force, gripper, motion and labels on one time axis) and
a JSON file beside it: rate, span and gaps of every stream, actions, problems.
FOLDER gives a data-set card, dataset_card.md and dataset_card.json: classes, durations, success,
class balance, and the figures of REASSEMBLE beside them. A folder that `m2r2 simulate` filled by a
recipe stands for the recordings of all its splits.

Examples:
    m2r2 inspect 2025-01-10-15-28-50.h5
    m2r2 inspect my_bag --out my_bag.png --config config/franka_ros2.yaml
    m2r2 inspect two_arms --config robot.yaml --layout layout.yaml
    m2r2 inspect data/taskboard --out cards/taskboard
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m2r2_ros.cli._config import load_deployment
from m2r2_ros.cli._recordings import given_recordings
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.inspection.dataset_statistics import dataset_statistics, read_labels
from m2r2_ros.inspection.inspection import inspect_source, layout_of
from m2r2_ros.messages.images import IMAGE
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.extraction import recording_name
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.simulation.recipe import STAMP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recording",
        type=Path,
        metavar="RECORDING",
        help=".h5, rosbag2 folder, .mcap, .db3, or a folder of these",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="the picture, a .png (default: RECORDING's name, here); for a folder the card's "
        "folder (default: the folder itself)",
    )
    parser.add_argument("--config", type=Path, help="parameter file of the nodes: topics, limits")
    parser.add_argument(
        "--layout",
        type=Path,
        metavar="YAML",
        help="the sensors to look for (default: what has a topic and is called like a preset)",
    )


def main(args: argparse.Namespace) -> int:
    deployment = load_deployment(args.config)
    folders = _splits(args.recording) or [args.recording]
    recordings = given_recordings(folders)
    if recordings == [args.recording]:
        if args.layout:
            _inspect(args.recording, args.out, load_layout(args.layout), deployment)
            return 0
        try:
            layout = layout_of(deployment.topics)
            _inspect(args.recording, args.out, layout, deployment, _with_guess)
        except M2R2Error as error:
            raise M2R2Error(_with_guess(str(error))) from error
    else:
        out = args.out or args.recording
        _write_card(args.recording, folders, recordings, out, deployment.topics)
    return 0


def _splits(folder: Path) -> list[Path]:
    """The sub-folders that `m2r2 simulate` has filled."""
    return sorted(path.parent for path in folder.glob(f"*/{STAMP}")) if folder.is_dir() else []


def _with_guess(problem: str) -> str:
    """A problem that is one only because no layout says what a sensor is."""
    if f"needs {IMAGE} " not in problem:
        return problem
    return f"{problem}; without --layout, what is not called like a preset is taken for a camera"


def _inspect(
    recording: Path,
    out: Path | None,
    layout: SensorLayout,
    deployment: Deployment,
    explain: Callable[[str], str] = str,
) -> None:
    from m2r2_ros.inspection.inspection_plot import check_ending, plot_inspection

    picture = check_ending(out or Path(f"{recording_name(recording)}.png"))
    shape = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s of recording"
    with open_source(recording, deployment.topics) as source:
        name, total_s = printable(source.name), (source.end_ns - source.start_ns) / 1e9
        with Progress(desc=name, total=total_s, bar_format=shape) as bar:
            inspection = inspect_source(
                source,
                layout,
                deployment.limits,
                lambda time_s: bar.update(max(0.0, time_s - bar.n)),
            )
    plot_inspection(picture, inspection)
    _write_json(picture.with_suffix(".json"), inspection.to_dict())
    for problem in inspection.problems:
        print(printable(f"{inspection.name}: {explain(problem)}"), file=sys.stderr)
    print(f"{picture}: {len(inspection.streams)} streams, {len(inspection.problems)} problems")


def _write_card(
    folder: Path, parts: list[Path], recordings: list[Path], out: Path, topics: TopicMap
) -> None:
    """A card of all recordings that can be read; raises M2R2Error at the end about the others."""
    from m2r2_ros.inspection.dataset_card import card_text

    read, unreadable = [], {}
    for path in Progress(recordings, "reading labels", unit="recording"):
        try:
            read.append(read_labels(path, topics))
        except M2R2Error as error:
            unreadable[path.name] = str(error)
            Progress.write(str(error), file=sys.stderr)
    if not read:
        raise M2R2Error(f"{folder}: none of its {len(recordings)} recordings can be read")
    extra = {"unreadable": unreadable, "recipe": _recipes(parts)}
    statistics = {**dataset_statistics(read), **extra}
    _write_json(out / "dataset_card.json", statistics)
    with partial_file(out / "dataset_card.md") as temporary:
        temporary.write_text(card_text(folder.resolve().name, statistics), encoding="utf-8")
    print(f"{out / 'dataset_card.md'}: {len(read)} recordings, {statistics['actions']} actions")
    if unreadable:
        raise M2R2Error(f"{len(unreadable)} of {len(recordings)} recordings could not be read")


def _recipes(folders: list[Path]) -> dict[str, Any] | None:
    """What is common to the folders' recipes; None when any was not simulated."""
    recipes = [_recipe(folder) for folder in folders]
    first = recipes[0]
    if first is None or None in recipes:
        return None
    common = {k: v for k, v in first.items() if all(recipe.get(k) == v for recipe in recipes)}
    names = ", ".join(folder.name for folder in folders)
    return {"splits": names, **common} if len(folders) > 1 else common


def _recipe(folder: Path) -> dict[str, Any] | None:
    """What `m2r2 simulate` made the recordings with; None when it did not make them."""
    try:
        recipe = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise M2R2Error(f"{folder / STAMP}: cannot be read: {error}") from error
    return recipe if isinstance(recipe, dict) else None


def _write_json(path: Path, content: Any) -> None:
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
