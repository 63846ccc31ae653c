# SPDX-License-Identifier: Apache-2.0
"""A rosbag2 bag as a recording source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from m2r2_ros.datasets.annotations import shifted
from m2r2_ros.datasets.bag_labels import read_bag_labels
from m2r2_ros.datasets.bag_reader import Bag, BagMessage, open_bag
from m2r2_ros.datasets.bag_storage import LogSpan
from m2r2_ros.datasets.bag_transforms import BagTransforms
from m2r2_ros.datasets.input_types import (
    is_depth,
    microphone_info,
    other_frame,
    signal_reading,
)
from m2r2_ros.datasets.recording_source import BLOCK_NS, SensorBatch, present_topics
from m2r2_ros.datasets.stream_clocks import (
    OTHER_CLOCK_NS,
    FirstStamp,
    clock_problems,
    common_clock,
    start_of,
)
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.datasets.transform_input import static_topic
from m2r2_ros.messages.camera import CameraDecoder
from m2r2_ros.messages.cdr import CdrReader, MessageError, stamp_ns
from m2r2_ros.messages.common_audio import (
    AUDIO_INFO,
    AudioDecoder,
    is_stamped_sound,
    needs_info,
)
from m2r2_ros.messages.field_check import is_stamped
from m2r2_ros.messages.mp3 import Sound
from m2r2_ros.messages.reading import Reading
from m2r2_ros.messages.signals import Stamped, check_message, decode_batch, with_joints
from m2r2_ros.messages.transforms import TRANSFORMS, first_transform_ns
from m2r2_ros.messages.video import is_key_frame
from m2r2_ros.messages.video_packets import is_video
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

# Messages at the beginning of a stream that may be damaged.
_STAMPS_TRIED = 10
# A message is logged at most so long before and after its stamp, where a stretch is looked up.
_EARLIEST_NS, _LATEST_NS = 100_000_000, 500_000_000
# How far back a stretch of encoded sound needs it, and where a key frame is looked for first.
_SOUND_BEFORE_NS, _PICTURES_BEFORE_NS = 1_000_000_000, 2_000_000_000


@contextmanager
def open_bag_source(path: Path, topics: TopicMap) -> Iterator[BagSource]:
    """Open a bag folder, an .mcap or a .db3. Raises M2R2Error."""
    with open_bag(path) as bag:
        yield BagSource(bag, topics)


class BagSource:
    """See `RecordingSource`. Messages that cannot be read are counted in `problems`."""

    def __init__(self, bag: Bag, topics: TopicMap) -> None:
        self.name = bag.path.stem if bag.path.is_file() else bag.path.name
        self.problems = list(bag.problems)
        self._bag = bag
        self._topics = topics
        self._encoded: dict[str, bool] = {}
        # Topics whose unreadable messages a stretch has told.
        self._unread: set[str] = set()
        self._first = {name: self._first_stamp(topic) for name, topic in topics.topics.items()}
        used = common_clock(self._known(self._first), topics.reference_camera)
        self.start_ns = self._start(used)
        self.end_ns = bag.end_ns - 1 + self._clock_offset_ns(used)
        labels = read_bag_labels(bag, self.start_ns)
        self.actions, self.complete = labels.actions, labels.complete
        self._report(labels.problems)

    def batches(
        self,
        layout: SensorLayout,
        limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
    ) -> Iterator[SensorBatch]:
        """See `RecordingSource`."""
        decoder, trees, topics, _ = self._prepared(layout, limits)
        for block in self._blocks(topics):
            batch = decoder.decode(block)
            batch.signals |= trees.decode(block)
            yield batch
        self._report(decoder.problems() + trees.problems())
        self._report(self._bag.problems)

    def between(self, layout: SensorLayout, start_ns: int, end_ns: int) -> SensorBatch:
        """See `RecordingSource`."""
        bag = self._bag
        decoder, trees, topics, offset_ns = self._prepared(layout, SensingLimits())
        span = LogSpan(start_ns - offset_ns - _EARLIEST_NS, end_ns - offset_ns + _LATEST_NS)
        static = {static_topic(topic) for topic in trees.topics} & trees.topics
        block = list(bag.messages(static)) if static else []
        starts = {topic: self._way_in(topic, span.start_ns) for topic in topics - static}
        for start in set(starts.values()):
            alike = {topic for topic in starts if starts[topic] == start}
            block += bag.between(alike, span._replace(start_ns=start))
        batch = decoder.decode(block)
        batch.signals |= trees.decode(block)
        self._report(bag.problems)
        self._report_unread(decoder.reasons)
        return batch.cut(start_ns, end_ns)

    def _prepared(
        self, layout: SensorLayout, limits: SensingLimits
    ) -> tuple[_Decoder, BagTransforms, set[str], int]:
        """What reads a layout's streams, their topics, and their clock's offset from log times."""
        bag = self._bag
        chosen = present_topics(
            self.name, bag.types, self._topics, layout, self.problems, bag.definitions
        )
        used = self._choose_clock(chosen)
        self._report(self._frame_problems(chosen))
        readings = {
            name: signal_reading(self._topics, layout.signals[name], bag.definitions)
            for name in chosen
            if name in layout.signals
        }
        trees = BagTransforms(chosen, self._topics, layout, limits)
        cameras = {
            name: CameraDecoder(is_depth(self._topics, name))
            for name in chosen
            if name in layout.cameras
        }
        others = {name: topic for name, topic in chosen.items() if name not in trees.names}
        offset_ns = self._clock_offset_ns(used)
        decoder = _Decoder(others, readings, cameras, offset_ns)
        decoder.audio = self._microphone(chosen.get(AUDIO, ""))
        return decoder, trees, {*chosen.values(), *trees.topics}, offset_ns

    def _way_in(self, topic: str, start_ns: int) -> int:
        """From which log time on a topic is read to know what is logged from `start_ns` on.

        Encoded sound needs what was shortly before, encoded pictures the last key frame.
        """
        kind = self._bag.types.get(topic, "")
        if needs_info(kind):
            return start_ns - _SOUND_BEFORE_NS
        if topic not in self._encoded:
            first = islice(self._bag.messages([topic]), 1)
            self._encoded[topic] = any(is_video(kind, message.data) for message in first)
        if not self._encoded[topic]:
            return start_ns
        before_ns = _PICTURES_BEFORE_NS
        while True:
            span = LogSpan(start_ns - before_ns, start_ns)
            packets = self._bag.between({topic}, span)
            if keys := [packet.log_ns for packet in packets if is_key_frame(kind, packet.data)]:
                return keys[-1]
            if span.start_ns <= self._bag.start_ns:
                return span.start_ns
            before_ns *= 4

    def _blocks(self, topics: Collection[str]) -> Iterator[list[BagMessage]]:
        block: list[BagMessage] = []
        for message in self._bag.messages(topics):
            if block and message.log_ns >= block[0].log_ns + BLOCK_NS:
                yield block
                block = []
            block.append(message)
        if block:
            yield block

    def _microphone(self, topic: str) -> AudioDecoder:
        """A decoder that knows what the recording says of the sound's form."""
        decoder = AudioDecoder(self._bag.definitions)
        beside = microphone_info(self._topics, topic)
        if self._bag.types.get(beside) == AUDIO_INFO:
            for message in islice(self._bag.messages([beside]), 1):
                decoder.note_info(message.data)
        return decoder

    def _report(self, lines: Iterable[str]) -> None:
        self.problems += [line for line in lines if line not in self.problems]

    def _report_unread(self, reasons: Mapping[str, str]) -> None:
        """Once a topic, without a count: stretches overlap, and have other reasons."""
        new = reasons.keys() - self._unread
        self._unread |= new
        self._report(f"{topic}: messages cannot be read: {reasons[topic]}" for topic in new)

    def _choose_clock(self, chosen: Iterable[str]) -> Collection[str]:
        """Count from the first data that is used when these streams are read; name the others.

        Returns the streams whose clock it is.
        """
        first = self._known([*chosen, self._topics.reference_camera])
        used = common_clock(first, self._topics.reference_camera)
        self._report(clock_problems(first, used))
        start_ns = self._start(used)
        if start_ns != self.start_ns and self.actions is not None:
            self.actions = shifted(self.actions, start_ns - self.start_ns)
        self.start_ns = start_ns
        return used

    def _known(self, names: Iterable[str]) -> dict[str, FirstStamp]:
        return {name: first for name in names if (first := self._first.get(name))}

    def _start(self, used: Collection[str]) -> int:
        start_ns = start_of(self._known(self._first), used, self._topics.reference_camera)
        return self._bag.start_ns if start_ns is None else start_ns

    def _clock_offset_ns(self, used: Iterable[str]) -> int:
        """Stamps minus log times where they are not of one clock, as in simulated time."""
        offsets = sorted(first.offset_ns for first in self._known(used).values())
        middle = offsets[len(offsets) // 2] if offsets else 0
        return middle if abs(middle) > OTHER_CLOCK_NS else 0

    def _first_stamp(self, topic: str) -> FirstStamp | None:
        """None without a message, or where messages have no stamp."""
        is_tree = self._bag.types.get(topic) == TRANSFORMS
        if not is_tree and not self._has_stamps(topic):
            return None
        read = first_transform_ns if is_tree else stamp_ns
        for message in islice(self._bag.messages([topic]), _STAMPS_TRIED):
            try:
                return FirstStamp(read(message.data), message.log_ns)
            except MessageError:
                continue
        return None

    def _frame_problems(self, chosen: dict[str, str]) -> Iterator[str]:
        """A line for each sensor whose first message is in another frame than expected."""
        for name, topic in chosen.items():
            said = self._topics.input(name)
            if not said.frame or said.child_frame or not self._has_stamps(topic):
                continue
            for message in islice(self._bag.messages([topic]), 1):
                # A damaged one is counted when it is read.
                with suppress(MessageError):
                    frame = CdrReader(message.data).header()[1]
                    if frame != said.frame:
                        yield f"'{name}' {other_frame(frame, said.frame)}"

    def _has_stamps(self, topic: str) -> bool:
        type_name = self._bag.types.get(topic, "")
        try:
            return is_stamped(type_name, self._bag.definitions)
        except MessageError:
            # Of a type that no definition is known of; stamps stand first where there are some.
            return True


class _Decoder:
    """Turns blocks of messages into batches and keeps count of those that cannot be read."""

    def __init__(
        self,
        chosen: dict[str, str],
        readings: dict[str, Reading],
        cameras: dict[str, CameraDecoder],
        offset_ns: int,
    ) -> None:
        """`chosen`: modality -> topic; one topic may carry several.

        `offset_ns`: of the stamps' clock from that of log times, which stand for stamps where
        messages have none.
        """
        self._modalities: dict[str, list[str]] = {}
        for modality, topic in chosen.items():
            self._modalities.setdefault(topic, []).append(modality)
        self.audio = AudioDecoder()
        self._readings, self._cameras = readings, cameras
        self._offset_ns = offset_ns
        self._unread: Counter[str] = Counter()
        # Topic -> why its first unreadable message cannot be read.
        self.reasons: dict[str, str] = {}
        self._unstamped: dict[str, str] = {}

    def decode(self, block: list[BagMessage]) -> SensorBatch:
        batch = SensorBatch()
        signals: dict[str, list[BagMessage]] = {}
        for message in block:
            for modality in self._modalities.get(message.topic, ()):
                if modality in self._readings:
                    signals.setdefault(modality, []).append(message)
                else:
                    self._add(batch, modality, message)
        batch.signals = {name: self._signal(name, messages) for name, messages in signals.items()}
        return batch

    def problems(self) -> list[str]:
        """One line for each topic that had unreadable messages, or whose messages have no stamp."""
        unread = [
            f"{topic}: {count} messages cannot be read: {self.reasons[topic]}"
            for topic, count in self._unread.items()
        ]
        unstamped = [
            f"{topic}: {type_name} has no stamp, the time of recording is taken"
            for topic, type_name in self._unstamped.items()
        ]
        return unread + unstamped

    def _add(self, batch: SensorBatch, modality: str, message: BagMessage) -> None:
        try:
            if modality == AUDIO:
                batch.audio += self._sound(message)
            else:
                frame = self._cameras[modality].decode(message.type_name, message.data)
                batch.images.append((modality, *frame))
        except MessageError as error:
            self._reject(message.topic, str(error))

    def _sound(self, message: BagMessage) -> list[Sound]:
        if not is_stamped_sound(message.type_name):
            self._unstamped[message.topic] = message.type_name
        arrival_ns = message.log_ns + self._offset_ns
        return self.audio.decode(message.type_name, message.data, arrival_ns)

    def _signal(self, name: str, messages: list[BagMessage]) -> Stamped:
        type_name = messages[0].type_name
        data = [message.data for message in messages]
        reading = self._readings[name] = with_joints(self._readings[name], type_name, data)
        arrivals: list[int] = []
        if not reading.is_stamped(type_name):
            self._unstamped[messages[0].topic] = type_name
            arrivals = [message.log_ns + self._offset_ns for message in messages]
        stamped = decode_batch(type_name, data, reading, arrivals)
        if len(stamped[0]) < len(messages):
            for message in messages:
                try:
                    check_message(type_name, message.data, reading)
                except MessageError as error:
                    self._reject(message.topic, str(error))
        return stamped

    def _reject(self, topic: str, reason: str) -> None:
        self._unread[topic] += 1
        self.reasons.setdefault(topic, reason)
