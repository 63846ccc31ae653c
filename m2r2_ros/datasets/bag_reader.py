# SPDX-License-Identifier: Apache-2.0
"""Raw messages of a rosbag2 bag (folder, .mcap or .db3), in order of log time.

What a bag states and what is read from it are compared, and damage is named: see `Bag.problems`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from m2r2_ros.datasets.bag_files import PACKED, choose_files
from m2r2_ros.datasets.bag_mcap import McapStorage
from m2r2_ros.datasets.bag_metadata import BagMetadata, read_metadata
from m2r2_ros.datasets.bag_qos import OfferedQos, offered_qos
from m2r2_ros.datasets.bag_sqlite import SqliteStorage
from m2r2_ros.datasets.bag_storage import CDR, BagMessage, LogSpan, Span, Storage, in_order
from m2r2_ros.datasets.bounded_chunks import ZSTD_MAGIC, unpack_file, unpack_message
from m2r2_ros.datasets.damage import MCAP, SQLITE, ZSTD, file_kind, reindex, what_it_is
from m2r2_ros.errors import M2R2Error, nearest_path
from m2r2_ros.messages.definitions import stored_definitions

__all__ = ["Bag", "BagMessage", "BagTopic", "open_bag"]

_STORAGES = {MCAP: McapStorage, SQLITE: SqliteStorage}
# What tells a serialised message from a compressed one: the first byte of its encapsulation.
_CDR_FIRST = b"\0"
# More a second no recorder takes.
_MOST_PER_S = 1_000_000
# Of a long list the first ones.
_MOST_NAMED = 3
_FOREIGN = {
    "ros1": "ROS 1 messages: `rosbags-convert` makes a ROS 2 bag of the ROS 1 bag",
    "protobuf": "protobuf messages: record or convert them as ROS 2 messages",
}


@dataclass(frozen=True)
class BagTopic:
    """A topic that can be read: its message type ("pkg/msg/Type") and how many messages it has."""

    name: str
    type_name: str
    count: int
    qos: OfferedQos


class Bag:
    """An open bag.

    topics    by name; `types` maps each to its message type.
    definitions  fields of the types that it holds, as `messages.definition.Definitions`.
    start_ns, end_ns   log times: of the first message, and one after that of the last.
    problems  what is damaged, left out or otherwise than stated, a line each; reading adds to it.
    """

    def __init__(self, path: Path, storages: Sequence[Storage], stated: BagMetadata) -> None:
        self.path = path
        self.problems = [*stated.problems, *(line for s in storages for line in s.problems)]
        self._storages = storages
        self._codec = stated.codec
        self.topics = self._readable_topics(stated)
        self.types = {name: topic.type_name for name, topic in self.topics.items()}
        self.definitions = stored_definitions(
            {t.type_name: t.definition for s in storages for t in s.topics if t.definition}
        )
        self.message_count = sum(topic.count for topic in self.topics.values())
        filled = [s for s in storages if any(topic.count for topic in s.topics)]
        self.start_ns = min((s.start_ns for s in filled), default=0)
        self.end_ns = max((s.end_ns + 1 for s in filled), default=0)
        self._compare(stated.counts)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Yield the messages of `topics` (of all, by default) in order of log time.

        Raises M2R2Error where the bag turns out to be damaged. At the end, what was read is
        compared with what is stated.
        """
        chosen = set(self.topics if topics is None else topics).intersection(self.topics)
        read = Counter[str]()
        yield from self._stored(chosen, read)
        for storage in self._storages:
            self._report(storage.problems)
        stated = {name: self.topics[name].count for name in chosen}
        self._report(_differences(stated, read, "the files state", "can be read"))

    def between(self, topics: Collection[str], span: LogSpan) -> Iterator[BagMessage]:
        """Yield the messages of `topics` logged in a span, found by the index.

        Raises M2R2Error where the bag turns out to be damaged.
        """
        yield from self._stored(set(topics).intersection(self.topics), Counter(), span)
        for storage in self._storages:
            self._report(storage.problems)

    def _stored(
        self, chosen: Collection[str], read: Counter[str], within: LogSpan | None = None
    ) -> Iterator[BagMessage]:
        """Messages of the files, unpacked; `read` counts them by topic."""
        # A named tuple's own constructor costs a tenth of the whole reading.
        make = partial(tuple.__new__, BagMessage)
        spans = [
            Span(storage.start_ns, partial(storage.messages, chosen, within))
            for storage in self._storages
            if any(topic.count and topic.name in chosen for topic in storage.topics)
            if within is None
            or (storage.start_ns < within.end_ns and storage.end_ns >= within.start_ns)
        ]
        with _one_line(self.path):
            for message in in_order(spans):
                topic, type_name, log_ns, data = message
                read[topic] += 1
                if data[:1] == _CDR_FIRST or not (self._codec or data[:4] == ZSTD_MAGIC):
                    yield message
                else:
                    yield make((topic, type_name, log_ns, self._unpacked(data)))

    def _unpacked(self, data: bytes) -> bytes:
        if self._codec not in ("", "zstd"):
            raise M2R2Error(
                f"{self.path}: its messages are compressed with '{self._codec}', only zstd is "
                "read: `ros2 bag convert` writes them without"
            )
        try:
            return unpack_message(data)
        except M2R2Error as error:
            raise M2R2Error(f"{self.path}: cannot read this bag: {error}") from error

    def _readable_topics(self, stated: BagMetadata) -> dict[str, BagTopic]:
        topics: dict[str, BagTopic] = {}
        foreign: Counter[str] = Counter()
        for stored in (topic for storage in self._storages for topic in storage.topics):
            said = {stored.encoding, stated.encodings.get(stored.name) or CDR} - {CDR}
            if said:
                foreign[said.pop()] += stored.count
                continue
            before = topics.get(stored.name)
            count = stored.count + (before.count if before else 0)
            kept = before.qos if before else offered_qos(stated.qos.get(stored.name) or stored.qos)
            topics[stored.name] = BagTopic(stored.name, stored.type_name, count, kept)
        for encoding, count in foreign.items():
            if not topics:
                what = _FOREIGN.get(encoding, f"messages in '{encoding}', only '{CDR}' is read")
                raise M2R2Error(f"{self.path}: cannot read this bag: it holds {what}")
            self.problems.append(f"{count} messages in '{encoding}' are left out, not '{CDR}'")
        return topics

    def _compare(self, stated: Mapping[str, int]) -> None:
        if not self.message_count:
            self.problems.append("it holds no message")
        span_s = (self.end_ns - self.start_ns) / 1e9
        if self.message_count > _MOST_PER_S * max(span_s, 1e-3):
            self.problems.append(
                f"its {self.message_count} messages are logged within {span_s:.3f} s: log times "
                "are not when they came, so that nothing can be found or played by them"
            )
        if not stated:
            return
        there = {name: topic.count for name, topic in self.topics.items()}
        lines = _differences(stated, there, "metadata.yaml states", "are in the files")
        self._report(f"{line}; {reindex(self.path)}" for line in lines)

    def _report(self, lines: Iterator[str] | Sequence[str]) -> None:
        self.problems += [line for line in lines if line not in self.problems]


@contextmanager
def open_bag(path: Path | str) -> Iterator[Bag]:
    """Open a bag for reading. Raises M2R2Error, in one line, when that fails."""
    path = Path(path)
    if not path.exists():
        raise M2R2Error(f"{path}: no such bag{nearest_path(path)}")
    with ExitStack() as stack:
        with _one_line(path):
            bag = _open(path, stack)
        yield bag


def _open(path: Path, stack: ExitStack) -> Bag:
    stated, files, problems = BagMetadata(), [path], []
    if path.is_dir():
        stated = read_metadata(path)
        files, problems = choose_files(path, stated.files)
    storages = []
    for file in files:
        storages.append(_open_storage(file, stack))
        stack.callback(storages[-1].close)
    bag = Bag(path, storages, stated)
    bag.problems += problems
    return bag


def _open_storage(file: Path, stack: ExitStack) -> Storage:
    kind = file_kind(file)
    if kind == ZSTD:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        unpacked = folder / file.name.removesuffix(PACKED)
        unpack_file(file, unpacked)
        file, kind = unpacked, file_kind(unpacked)
    if kind not in _STORAGES:
        what = what_it_is(file) or "is no MCAP or SQLite file"
        raise M2R2Error(f"{file}: cannot read this bag: it {what}")
    return _STORAGES[kind](file)


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise M2R2Error(f"{path}: cannot read this bag: {error}") from error


def _differences(
    stated: Mapping[str, int], there: Mapping[str, int], states: str, holds: str
) -> list[str]:
    """One line when the messages of a topic are not as many as stated; else none."""
    names = [n for n in {**stated, **there} if stated.get(n, 0) != there.get(n, 0)]
    if not names:
        return []
    said = ", ".join(
        f"{name} {there.get(name, 0)} of {stated.get(name, 0)}" for name in names[:_MOST_NAMED]
    )
    more = f", and {len(names) - _MOST_NAMED} topics more" if len(names) > _MOST_NAMED else ""
    total, read = sum(stated.values()), sum(there.values())
    return [f"{states} {total} messages, {read} {holds}: {said}{more}"]
