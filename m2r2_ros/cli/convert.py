# SPDX-License-Identifier: Apache-2.0
"""Convert REASSEMBLE recordings (.h5) to rosbag2 bags, labels included.

Each recording becomes a folder of its name under --out, with every stream as a topic, header
stamps from the recording's own clocks, and the ground truth as /ground_truth/action_segment.
Cameras are stored without loss (PNG). A bag that was made from the same file is kept: a
command that was interrupted can simply be run again.

Examples:
    m2r2 convert 2025-01-10-15-28-50.h5 --out bags
    m2r2 convert recordings/*.h5 --out bags --storage sqlite3
    ros2 bag info bags/2025-01-10-15-28-50
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from itertools import chain
from pathlib import Path

from m2r2_ros import __version__
from m2r2_ros.datasets.bag_streams import bag_content
from m2r2_ros.datasets.bag_writer import STORAGES, origin_of_bag, write_bag
from m2r2_ros.datasets.reassemble import ReassembleRecording, open_recording
from m2r2_ros.datasets.reassemble_state import QUATERNION_ORDERS
from m2r2_ros.datasets.recording_source import REASSEMBLE_SUFFIXES
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.parallel.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings",
        nargs="+",
        type=Path,
        metavar="RECORDING.h5",
        help="or a folder, for all the .h5 in it",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for bags")
    parser.add_argument(
        "--storage",
        choices=tuple(STORAGES),
        default="mcap",
        help="file format of the bags (default: mcap)",
    )
    parser.add_argument(
        "--quaternion-order",
        choices=QUATERNION_ORDERS,
        default="auto",
        help="how the recordings keep the pose's quaternion (default: told from the data)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace bags that were made otherwise"
    )


def main(args: argparse.Namespace) -> int:
    """Convert one recording after the other; stops at the first that cannot be converted."""
    for path in chain.from_iterable(map(_recordings, args.recordings)):
        convert(path, args.out, args.storage, args.quaternion_order, args.overwrite)
    return 0


def _recordings(path: Path) -> list[Path]:
    """The recording itself, or those of a folder. Raises M2R2Error when it holds none."""
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in REASSEMBLE_SUFFIXES)
    if not found:
        raise M2R2Error(f"{path}: holds no REASSEMBLE recording (.h5)")
    return found


def convert(
    path: Path,
    out: Path,
    storage: str = "mcap",
    quaternion_order: str = "auto",
    overwrite: bool = False,
) -> Path:
    """Convert one recording; return its bag's folder. Raises M2R2Error."""
    bag = out / path.stem
    with open_recording(path, quaternion_order) as recording:
        origin = f"m2r2_ros {__version__} {storage} {quaternion_order} sha256:{_sha256(path)}"
        if bag.exists() and origin_of_bag(bag) == origin:
            print(f"{bag}: is there already", file=sys.stderr)
            return bag
        if bag.exists() and not overwrite:
            raise M2R2Error(f"{bag} exists and was made otherwise: give --overwrite")
        _write(recording, bag, storage, origin)
        for problem in recording.problems:
            print(printable(f"{path}: {problem}"), file=sys.stderr)
    return bag


def _write(recording: ReassembleRecording, bag: Path, storage: str, origin: str) -> None:
    name, duration_s = printable(recording.name), recording.duration_s
    shape = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s of recording [{elapsed}]"
    with Progress(desc=name, total=duration_s, bar_format=shape) as bar:

        def progress(elapsed_ns: int) -> None:
            if elapsed_ns - bar.n * 1e9 > 5e8:
                bar.update(elapsed_ns / 1e9 - bar.n)

        write_bag(bag_content(recording), bag, storage, origin, progress)
        bar.update(max(0.0, duration_s - bar.n))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
