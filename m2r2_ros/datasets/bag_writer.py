# SPDX-License-Identifier: Apache-2.0
"""Write streams of messages as a rosbag2 bag, without ROS."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from m2r2_ros.datasets.atomic import partial_folder
from m2r2_ros.datasets.bag_description import RecordedTopic, bag_description
from m2r2_ros.datasets.bag_metadata import METADATA_FILE
from m2r2_ros.datasets.bag_qos import OfferedQos
from m2r2_ros.datasets.mcap_writer import McapWriter
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.messages.encode import ACTION_SEGMENT, TEXT
from m2r2_ros.messages.images import COMPRESSED_IMAGE

STORAGES = MCAP, _ = ("mcap", "sqlite3")
# What is read at once of a topic that is looked for.
_CHUNK_BYTES = 2**20

# A second of each stream, so that a subscriber that drains now and then loses nothing.
QUEUE_DEPTHS = {COMPRESSED_IMAGE: 30, AUDIO_CHUNK: 50}
SIGNAL_QUEUE_DEPTH = 1000
LABEL_QUEUE_DEPTH = 100

_FOREVER = QosTime(9223372036, 854775807)

_ORIGIN = "origin"

# (time at which a live system would have published it [ns], topic, message)
Timed = tuple[int, str, bytes]


@dataclass(frozen=True)
class BagContent:
    """What a bag is to hold.

    types     topic -> message type.
    streams   messages, each stream in order of time.
    start_ns  where progress is counted from.
    store     definitions of the types.
    """

    types: Mapping[str, str]
    streams: list[Iterator[Timed]]
    start_ns: int
    store: Typestore = field(default_factory=typestore)


def write_bag(
    content: BagContent,
    path: Path,
    storage: str = "mcap",
    origin: str = "",
    progress: Callable[[int], None] = lambda elapsed_ns: None,
) -> None:
    """Write all streams to the bag folder `path`.

    Log times are unique and strictly increasing; header stamps are as they come. The folder
    appears when it is complete and replaces one that was there, though not one that another process
    has made of something else meanwhile; `origin` is kept in its metadata.
    `progress` is told the time that has been written, in nanoseconds from `start_ns`.
    Raises M2R2Error.
    """
    if storage not in STORAGES:
        raise M2R2Error(f"unknown storage '{storage}'{nearest_name(storage, STORAGES)}")
    write = _write_mcap if storage == MCAP else _write_sqlite
    kept = (origin, origin_of_bag(path) if path.exists() else origin)
    try:
        with partial_folder(path) as folder:
            write(content, folder, origin, progress)
            if path.exists() and origin_of_bag(path) not in kept:
                raise M2R2Error(f"{path}: another command has made it otherwise in the meantime")
    except sqlite3.Error as error:
        # A full disk, above all, which SQLite does not report as an OSError.
        raise M2R2Error(f"{path}: cannot be written: {error}") from error


def _write_mcap(
    content: BagContent, folder: Path, origin: str, progress: Callable[[int], None]
) -> None:
    folder.mkdir()
    file = f"{folder.name}.mcap"
    counts, span_ns = write_mcap(content, folder / file, progress)
    text = bag_description(file, counts, span_ns, {_ORIGIN: origin})
    (folder / METADATA_FILE).write_text(text, "utf-8")


def write_mcap(
    content: BagContent, path: Path, progress: Callable[[int], None] = lambda elapsed_ns: None
) -> tuple[dict[RecordedTopic, int], tuple[int, int]]:
    """Write all streams to one file that is not there; returns messages by topic, and their span.

    Raises OSError.
    """
    topics = {name: _topic(content, name, kind) for name, kind in content.types.items()}
    writer = McapWriter(path)
    try:
        channels = {name: writer.add_channel(topic) for name, topic in topics.items()}
        for log_ns, topic, message in _numbered(content):
            writer.add(channels[topic], log_ns, message)
            if writer.pending_bytes >= _CHUNK_BYTES:
                writer.write(writer.seal())
            progress(log_ns - content.start_ns)
        writer.write(writer.seal())
    finally:
        writer.close()
    counts = {topic: writer.counts[channels[name]] for name, topic in topics.items()}
    return counts, (writer.start_ns, writer.end_ns)


def _write_sqlite(
    content: BagContent, folder: Path, origin: str, progress: Callable[[int], None]
) -> None:
    with Writer(folder, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        writer.set_custom_data(_ORIGIN, origin)
        connections = {
            topic: writer.add_connection(
                topic, kind, typestore=content.store, offered_qos_profiles=[_qos(_offered(kind))]
            )
            for topic, kind in content.types.items()
        }
        for log_ns, topic, message in _numbered(content):
            writer.write(connections[topic], log_ns, message)
            progress(log_ns - content.start_ns)


def _numbered(content: BagContent) -> Iterator[Timed]:
    """All messages; their log times increase strictly."""
    newest = -1
    for log_ns, topic, message in heapq.merge(*content.streams):
        newest = max(log_ns, newest + 1)
        yield newest, topic, message


def _topic(content: BagContent, name: str, type_name: str) -> RecordedTopic:
    definition, _ = content.store.generate_msgdef(type_name, ros_version=2)
    type_hash = content.store.hash_rihs01(type_name)
    return RecordedTopic(name, type_name, _offered(type_name), definition, type_hash)


def origin_of_bag(path: Path) -> str | None:
    """What `write_bag` was given as `origin`; None when the bag does not say."""
    try:
        metadata = yaml.safe_load((path / METADATA_FILE).read_text("utf-8"))
        return str(metadata["rosbag2_bagfile_information"]["custom_data"][_ORIGIN])
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError, RecursionError):
        return None


def _offered(type_name: str) -> OfferedQos:
    """Labels stay for those who join late; sensors are delivered once."""
    is_label = type_name in (ACTION_SEGMENT, TEXT)
    depth = QUEUE_DEPTHS.get(type_name, LABEL_QUEUE_DEPTH if is_label else SIGNAL_QUEUE_DEPTH)
    return OfferedQos(depth, transient_local=is_label)


def _qos(offered: OfferedQos) -> Qos:
    """In the form of rosbags."""
    kept = QosDurability.TRANSIENT_LOCAL if offered.transient_local else QosDurability.VOLATILE
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=offered.depth,
        reliability=QosReliability.RELIABLE,
        durability=kept,
        deadline=_FOREVER,
        lifespan=_FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_FOREVER,
        avoid_ros_namespace_conventions=False,
    )
