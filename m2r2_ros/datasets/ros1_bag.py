# SPDX-License-Identifier: Apache-2.0
"""A ROS 1 bag as the messages of a ROS 2 bag: the same topics, types and header stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rosbags.convert.converter import STATIC_MSGTYPE_RENAMES, generate_message_converter
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from m2r2_ros.datasets.bag_writer import BagContent, Timed
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.definitions import typestore

ROS1_SUFFIX = ".bag"
_HEADER = "std_msgs/msg/Header"


@contextmanager
def open_ros1_bag(path: Path) -> Iterator[Ros1Bag]:
    """Open a .bag file. Raises M2R2Error that names it."""
    if not path.is_file():
        raise M2R2Error(f"{path}: no such file")
    with _one_line(path):
        reader = Reader(path)
        reader.open()
    try:
        yield Ros1Bag(path, reader)
    finally:
        reader.close()


class Ros1Bag:
    """`problems` names the topics that are left out, with the reason."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.problems: list[str] = []
        self.duration_s = reader.duration / 1e9
        self._path, self._reader = path, reader
        self._sources, self._target = get_typestore(Stores.ROS1_NOETIC), _own_store()
        self._convert: dict[int, Callable[[bytes], memoryview]] = {}
        self._topics: dict[str, str] = {}
        self._cache: dict[str, object] = {}
        for connection in reader.connections:
            self._add(connection)
        if not self._topics:
            raise M2R2Error(f"{path}: holds no topic that can be taken")

    def content(self) -> BagContent:
        """All topics whose types are known."""
        return BagContent(self._topics, [self._messages()], self._reader.start_time, self._target)

    def _add(self, connection: Connection) -> None:
        topic, kind = connection.topic, connection.msgtype
        named = STATIC_MSGTYPE_RENAMES.get(kind, kind)
        if self._topics.setdefault(topic, named) != named:
            self.problems.append(f"{topic}: a second type, {kind}, is left out")
            return
        try:
            self._convert[connection.id] = self._converter(connection, named)
        except Exception as error:  # rosbags has no common exception for damaged definitions
            self._topics.pop(topic)
            why = " ".join(str(error).split()) or type(error).__name__
            self.problems.append(f"{topic}: left out, the definition of {kind} is damaged: {why}")

    def _converter(self, connection: Connection, named: str) -> Callable[[bytes], memoryview]:
        """As the bag defines the type; a type that ROS 2 has is written as ROS 2 has it."""
        kind = connection.msgtype
        defined = get_types_from_msg(connection.msgdef.data, kind)
        self._sources.register(
            {name: entry for name, entry in defined.items() if name not in self._sources.fielddefs}
        )
        if named not in self._target.fielddefs:
            text, _ = self._sources.generate_msgdef(kind, ros_version=2)
            new = get_types_from_msg(text, named)
            self._target.register(
                {name: e for name, e in new.items() if name not in self._target.fielddefs}
            )
        return generate_message_converter(
            self._sources, self._target, kind, named, self._cache, src_is2=False, dst_is2=True
        )

    def _messages(self) -> Iterator[Timed]:
        taken = [each for each in self._reader.connections if each.id in self._convert]
        with _one_line(self._path):
            for connection, log_ns, data in self._reader.messages(taken):
                yield log_ns, connection.topic, bytes(self._convert[connection.id](data))


def _own_store() -> Typestore:
    """Definitions of ROS 2, to which those of one bag are added."""
    store = get_typestore(Stores.EMPTY)
    store.register(dict(typestore().fielddefs))
    return store


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except (M2R2Error, GeneratorExit):
        raise
    except Exception as error:  # rosbags has no common exception for damaged bags
        why = " ".join(str(error).split()) or type(error).__name__
        raise M2R2Error(
            f"{path}: not a ROS 1 bag, or damaged: {why}; `rosbag reindex` mends an unfinished one"
        ) from error
