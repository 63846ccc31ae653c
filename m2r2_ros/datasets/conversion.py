# SPDX-License-Identifier: Apache-2.0
"""Recordings of any form become bags: REASSEMBLE files, files of arrays, ROS 1 bags."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from m2r2_ros import __version__
from m2r2_ros.datasets import array_streams, bag_streams
from m2r2_ros.datasets.array_file import ARRAY_SUFFIXES, ArrayFile, open_arrays
from m2r2_ros.datasets.array_mapping import ArrayMapping
from m2r2_ros.datasets.array_recording import check_sensors, read_recording
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.bag_writer import BagContent, Timed, origin_of_bag, write_bag
from m2r2_ros.datasets.carried_labels import CarriedLabels
from m2r2_ros.datasets.mapping_file import load_mapping
from m2r2_ros.datasets.reassemble import open_recording
from m2r2_ros.datasets.recording_source import REASSEMBLE_SUFFIXES
from m2r2_ros.datasets.ros1_bag import ROS1_SUFFIX, open_ros1_bag
from m2r2_ros.datasets.vocabulary_file import write_vocabulary
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.sensing.signal import Signal

# The parameter file of the nodes that a folder of bags gets.
ROBOT_FILE = "robot.yaml"


@dataclass(frozen=True)
class Arrays:
    """How files of arrays are read; `digest` is that of both files."""

    mapping: ArrayMapping
    layout: SensorLayout
    digest: str

    @classmethod
    def load(cls, mapping: Path, layout: Path) -> Arrays:
        """Read both files. Raises M2R2Error that names one of them."""
        read = load_mapping(mapping), load_layout(layout)
        try:
            check_sensors(*read)
        except M2R2Error as error:
            raise M2R2Error(f"{mapping}: {error}") from error
        return cls(*read, f"{_sha256(mapping)} {_sha256(layout)}")

    def describe_bags(self, out: Path) -> Path:
        """Write where the bags have which sensor, for `--config` and `--robot`, and their labels.

        Returns the first of these files.
        """
        labels = self.mapping.labels
        if labels is not None and labels.vocabulary is not None:
            write_vocabulary(out, labels.vocabulary)
        values = _robot_parameters(self.mapping, self.layout)
        with partial_file(out / ROBOT_FILE) as file:
            text = yaml.safe_dump({"/**": {"ros__parameters": values}}, sort_keys=False)
            file.write_text(f"# Where each sensor is in these bags; made by m2r2 convert.\n{text}")
        return out / ROBOT_FILE


def _robot_parameters(mapping: ArrayMapping, layout: SensorLayout) -> dict[str, Any]:
    topics = {name: mapping.topic(name) for name in mapping.sensors}
    widths = [name for name in mapping.signals if layout.signals[name].kind.sums_joints]
    values = {
        "topics": {name: topic for name, topic in topics.items() if name not in widths},
        "signals": {name: _width_entry(topics[name], layout.signals[name]) for name in widths},
        "reference_camera": next(iter(mapping.cameras), ""),
    }
    return {name: value for name, value in values.items() if value}


def _width_entry(topic: str, gripper: Signal) -> dict[str, Any]:
    """A JointState does not say that its joints are in metres.

    Their names are stated: who puts a robot's own topic in does not get the sum of its joints.
    """
    fields = [f"position[{column}]" for column in gripper.columns]
    return {"topic": topic, "fields": fields, "unit": "m"}


@dataclass(frozen=True)
class Conversion:
    """One recording on its way to a bag.

    name     of the bag's folder.
    read     opens it: what the bag is to hold, seconds, and what there is to say, a line each;
             reading may add to these lines.
    origin   what the bag is made of, and how.
    labels   those beside the recording, None without any.
    """

    name: str
    read: Callable[[], tuple[BagContent, float, list[str]]]
    origin: str
    labels: CarriedLabels | None = None

    def is_done(self, bag: Path, overwrite: bool) -> bool:
        """Whether the bag is there already. Raises M2R2Error when another one is."""
        if not bag.exists() or origin_of_bag(bag) == self.origin:
            return bag.exists()
        if not overwrite:
            raise M2R2Error(f"{bag} exists and was made otherwise: give --overwrite")
        return False


@dataclass(frozen=True)
class ConversionOptions:
    """`arrays` for files of arrays, `quaternion_order` for those of REASSEMBLE."""

    storage: str = "mcap"
    quaternion_order: str = "auto"
    arrays: Arrays | None = None

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Endings of the files that are converted."""
        return (*(ARRAY_SUFFIXES if self.arrays else REASSEMBLE_SUFFIXES), ROS1_SUFFIX)


def write(
    conversion: Conversion,
    bag: Path,
    storage: str,
    progress: Callable[[float, float], None] = lambda done_s, total_s: None,
) -> list[str]:
    """Write one bag; returns what there is to say. Raises M2R2Error."""
    content, duration_s, problems = conversion.read()
    if conversion.labels is not None:
        content = conversion.labels.in_bag(content)
    write_bag(content, bag, storage, conversion.origin, lambda ns: progress(ns / 1e9, duration_s))
    return problems


@contextmanager
def open_conversions(path: Path, options: ConversionOptions) -> Iterator[list[Conversion]]:
    """The recordings in a file. Raises M2R2Error that names it."""
    if path.suffix == ROS1_SUFFIX:
        opened = _ros1(path, options)
    elif options.arrays is not None:
        opened = _arrays(path, options, options.arrays)
    else:
        opened = _reassemble(path, options)
    with opened as conversions:
        yield _with_labels(path, conversions)


def _with_labels(path: Path, conversions: list[Conversion]) -> list[Conversion]:
    labels = CarriedLabels.of(path)
    if labels is None:
        return conversions
    if len(conversions) > 1:
        raise M2R2Error(f"{labels.path}: {path} holds {len(conversions)} recordings, not one")
    (one,) = conversions
    return [replace(one, labels=labels, origin=f"{one.origin} labels:{labels.digest}")]


@contextmanager
def _ros1(path: Path, options: ConversionOptions) -> Iterator[list[Conversion]]:
    with open_ros1_bag(path) as bag:
        origin = f"m2r2_ros {__version__} {options.storage} ros1 sha256:{_sha256(path)}"
        yield [Conversion(path.stem, lambda: (bag.content(), bag.duration_s, bag.problems), origin)]


@contextmanager
def _reassemble(path: Path, options: ConversionOptions) -> Iterator[list[Conversion]]:
    if path.suffix in set(ARRAY_SUFFIXES) - set(REASSEMBLE_SUFFIXES):
        raise M2R2Error(f"{path}: which array is which sensor? Give --mapping and --layout")
    order = options.quaternion_order
    with open_recording(path, order) as recording:
        tracks = (*recording.cameras, *recording.signals)
        if not any(len(recording.stamps(name)) for name in tracks):
            raise M2R2Error(
                f"{path}: no sample has a time that can be used: seconds that increase, from near 0"
            )
        origin = f"m2r2_ros {__version__} {options.storage} {order} sha256:{_sha256(path)}"
        content = bag_streams.bag_content(recording)
        made = content, recording.duration_s, recording.problems
        yield [Conversion(path.stem, lambda: made, origin)]


@contextmanager
def _arrays(path: Path, options: ConversionOptions, arrays: Arrays) -> Iterator[list[Conversion]]:
    how = f"m2r2_ros {__version__} {options.storage} arrays {arrays.digest}"
    with open_arrays(path) as file:
        groups = _groups(path, file, arrays.mapping.recordings)
        origin = f"{how} sha256:{_sha256(path)}"
        yield [
            Conversion(
                "-".join(filter(None, [path.stem, group.strip("/").rpartition("/")[2]])),
                lambda group=group: _read(path, file, arrays, group),
                f"{origin} {group}",
            )
            for group in groups
        ]


def _groups(path: Path, file: ArrayFile, pattern: str) -> list[str]:
    """What is put before the arrays' names of each recording."""
    if not pattern:
        return [""]
    try:
        groups = file.groups(pattern)
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error
    if not groups:
        raise M2R2Error(f"{path}: has no group '{pattern}': see `recordings` of the mapping")
    return [f"{group}/" for group in groups]


def _read(
    path: Path, file: ArrayFile, arrays: Arrays, group: str
) -> tuple[BagContent, float, list[str]]:
    try:
        recording = read_recording(file, arrays.mapping, arrays.layout, group)
        content = array_streams.bag_content(file, recording, arrays.mapping, arrays.layout)
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error
    streams = [_naming(path, stream) for stream in content.streams]
    duration_s = (recording.end_ns - recording.epoch_ns) / 1e9
    return replace(content, streams=streams), duration_s, recording.problems


def _naming(path: Path, stream: Iterator[Timed]) -> Iterator[Timed]:
    """Pictures are read late: what is wrong with them names the file, too."""
    try:
        yield from stream
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error


def _sha256(path: Path) -> str:
    """Of a file; of a folder's settings and the sizes of its files."""
    digest = hashlib.sha256()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        sizes = [(str(file.relative_to(path)), file.stat().st_size) for file in files]
        settings = [_sha256(file) for file in files if file.suffix == ".json"]
        return hashlib.sha256(repr([sizes, settings]).encode()).hexdigest()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
