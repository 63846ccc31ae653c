# SPDX-License-Identifier: Apache-2.0
"""Convert recordings of any form to rosbag2 bags, labels included.

Each recording becomes a folder of its name under --out, with every stream as a topic, header
stamps from the recording's own clocks, and the ground truth as /ground_truth/action_segment.

REASSEMBLE files (.h5) need nothing else; a vocabulary.yaml beside recordings goes with them, and so
does the labels file of each (RECORDING.labels.json), whose labels are then those in the bag. Arrays
(.npz, HDF5, the folder of a LeRobotDataset v3) need --mapping, which array is which sensor, and
--layout, which sensors there are (docs/dataset.md); their bags get a robot.yaml beside them, for
--config and --robot, and a vocabulary.yaml. ROS 1 bags (.bag) keep their topics. Cameras are stored
without loss. A bag that was made from the same file is kept: a command that was interrupted can
simply be run again.

--storage lerobot makes one LeRobotDataset v3 of recordings, bags among them: an episode each, with
signals as observation.state, cameras as videos and labels as subtasks (docs/labels.md).

Examples:
    m2r2 convert 2025-01-10-15-28-50.h5 --out bags
    m2r2 convert recordings/*.h5 --out bags --storage sqlite3
    m2r2 convert episodes/*.npz --out bags --mapping arrays.yaml --layout layout.yaml
    m2r2 convert old/*.bag --out bags
    m2r2 convert bags/take_1 bags/take_2 --out dataset --storage lerobot --rate 10
    ros2 bag info bags/2025-01-10-15-28-50
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

from m2r2_ros.cli._config import load_deployment
from m2r2_ros.cli._recordings import given_recordings
from m2r2_ros.cli._said import Said, saying
from m2r2_ros.datasets import conversion
from m2r2_ros.datasets.array_file import is_array_folder
from m2r2_ros.datasets.bag_writer import STORAGES
from m2r2_ros.datasets.conversion import Arrays, Conversion, ConversionOptions
from m2r2_ros.datasets.frame_rate import checked_rate
from m2r2_ros.datasets.reassemble_state import QUATERNION_ORDERS
from m2r2_ros.datasets.vocabulary_file import carry_vocabulary
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.inspection.inspection import layout_of
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.sensing.layout_file import load_layout

LEROBOT = "lerobot"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings",
        nargs="+",
        type=Path,
        metavar="RECORDING",
        help="a file, or a folder, for all the recordings in it",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for bags")
    parser.add_argument(
        "--storage",
        choices=(*STORAGES, LEROBOT),
        default="mcap",
        help="file format of the bags (default: mcap), or lerobot for one LeRobotDataset v3",
    )
    parser.add_argument(
        "--mapping", type=Path, metavar="YAML", help="which array is which sensor of --layout"
    )
    parser.add_argument(
        "--layout", type=Path, metavar="YAML", help="the sensors, as for pretrain --layout"
    )
    parser.add_argument("--config", type=Path, help="lerobot: the nodes' parameter file, topics")
    parser.add_argument(
        "--rate", type=float, metavar="HZ", help="lerobot: frames a second (default: the layout's)"
    )
    parser.add_argument(
        "--quaternion-order",
        choices=QUATERNION_ORDERS,
        default="auto",
        help="how REASSEMBLE recordings keep the pose's quaternion (default: told from the data)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace bags that were made otherwise"
    )


def main(args: argparse.Namespace) -> int:
    """Convert one recording after the other; stops at the first that cannot be converted."""
    if args.storage == LEROBOT:
        return _to_lerobot(args)
    if args.config is not None or args.rate is not None:
        raise M2R2Error("--config and --rate are for --storage lerobot")
    if (args.mapping is None) != (args.layout is None):
        raise M2R2Error("--mapping and --layout belong together: arrays and what they measure")
    arrays = args.mapping and Arrays.load(args.mapping, args.layout)
    options = ConversionOptions(args.storage, args.quaternion_order, arrays)
    with saying() as said:
        for path in _distinct(_files(path, options) for path in args.recordings):
            convert(path, args.out, options, args.overwrite, said)
    if arrays:
        print(f"{arrays.describe_bags(args.out)}: where the bags have which sensor")
    return 0


def _to_lerobot(args: argparse.Namespace) -> int:
    from m2r2_ros.label_formats.lerobot_recordings import write_recordings

    if args.mapping is not None:
        raise M2R2Error("--storage lerobot takes recordings: convert arrays to bags first")
    robot, recordings = load_deployment(args.config), given_recordings(args.recordings)
    layout = load_layout(args.layout) if args.layout else layout_of(robot.topics)
    if args.rate is not None:
        layout = replace(layout, window_rate_hz=checked_rate(args.rate, "--rate"))
    with saying() as said:
        write_recordings(recordings, args.out, layout, robot, said.say)
    print(printable(f"{args.out}: a LeRobotDataset of {len(recordings)} episodes"))
    return 0


def convert(
    path: Path,
    out: Path,
    options: ConversionOptions = ConversionOptions(),  # noqa: B008 (frozen)
    overwrite: bool = False,
    said: Said | None = None,
) -> Path:
    """Convert the recordings in one file; return the folder of the last one's bag.

    `said` is what other recordings have, too. Raises M2R2Error.
    """
    bag, said = out, said or Said()
    if options.arrays is None:
        carry_vocabulary(path.parent, out)
    with conversion.open_conversions(path, options) as recordings:
        for recording in recordings:
            bag = out / recording.name
            is_done = recording.is_done(bag, overwrite)
            if recording.labels and (line := recording.labels.copy_to(bag)):
                print(printable(line), file=sys.stderr)
            if is_done:
                print(printable(f"{bag}: is there already"), file=sys.stderr)
                continue
            problems = _write(recording, bag, options.storage)
            for problem in problems:
                said.say(path, problem)
    return bag


def _distinct(files: Iterable[list[Path]]) -> list[Path]:
    """All files. Raises M2R2Error for two whose bags would have the same name."""
    named: dict[str, Path] = {}
    paths = list(chain.from_iterable(files))
    for path in paths:
        if (other := named.setdefault(path.stem, path)).resolve() != path.resolve():
            raise M2R2Error(f"{other} and {path} have the same name: give each its own --out")
    return paths


def _files(path: Path, options: ConversionOptions) -> list[Path]:
    """The file itself, or those of a folder. Raises M2R2Error when it holds none."""
    if not path.is_dir() or is_array_folder(path):
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in options.suffixes)
    if not found:
        raise M2R2Error(f"{path}: holds no recording ({', '.join(options.suffixes)})")
    return found


def _write(recording: Conversion, bag: Path, storage: str) -> list[str]:
    shape = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s of recording [{elapsed}]"
    with Progress(desc=printable(recording.name), total=1, bar_format=shape) as bar:

        def progress(done_s: float, total_s: float) -> None:
            bar.total = total_s
            if done_s - bar.n > 0.5:
                bar.update(done_s - bar.n)

        problems = conversion.write(recording, bag, storage, progress)
        bar.update(max(0.0, bar.total - bar.n))
    return problems
