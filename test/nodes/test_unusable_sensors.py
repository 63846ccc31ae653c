# SPDX-License-Identifier: Apache-2.0
"""A sensor that is there but cannot be used: masked, with its reason, live as offline."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import ros_messages as ros
from PIL import Image
from rosbags.rosbag2 import StoragePlugin, Writer

from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.nodes.sources import make_sources
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

VARIANTS = 120
SECOND = 1_000_000_000
EPOCH = 1_700_000_000 * SECOND
STEP = SECOND // 10
COUNT = 12
LAYOUT = SensorLayout(cameras=("front", "side"))
TOPICS = TopicMap(
    {name: f"/{name}" for name in LAYOUT.modalities},
    ("left", "right"),
    "front",
    {"gripper": SensorInput(unit="m")},
)
PICTURE = np.full((4, 6, 3), 77, np.uint8)
ROWS = {"wrench": (0.5,) * 6, "pose": (0.1, 0.2, 0.3, 0.0, 0.0, 0.0, 1.0), "twist": (0.1,) * 6}


def picture_message(stamp_ns):
    return ros.image(stamp_ns, "rgb8", PICTURE, 18)


def healthy(name, stamp_ns):
    """The messages of a sensor between this stamp and a tenth of a second later."""
    if name in LAYOUT.cameras:
        return [picture_message(stamp_ns)]
    if name == "audio":
        return [ros.audio(stamp_ns + k * STEP // 5, 16_000, 1, np.full(320, 0.1)) for k in range(5)]
    stamps = [stamp_ns + k * STEP // 5 for k in range(5)]
    if name == "gripper":
        return [ros.joints(stamp, ["left", "right"], [0.01, 0.02]) for stamp in stamps]
    return [getattr(ros, name)(stamp, ROWS[name]) for stamp in stamps]


def stamp_of(message):
    return message.header.stamp.sec * SECOND + message.header.stamp.nanosec


def file_of(array, kind="png"):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format=kind)
    return buffer.getvalue()


# Each: which sensors it can befall, what becomes of a message, what the reason says.


def encoding(random):
    code = random.choice(["16UC1", "32FC1", "16SC1", "8SC3", "64FC1", "8UC2", "32SC4"])
    step = 6 * 8 * 4
    array = np.zeros((4, step), np.uint8)

    def spoil(message):
        other = ros.image(stamp_of(message), str(code), array, step)
        other.width = 6
        return other

    return LAYOUT.cameras, spoil, f"{code} is no colour"


def foreign_encoding(random):
    word = "".join(random.choice(list("abcxyz\n\x1b"), 8))
    spoil = lambda message: ros.image(stamp_of(message), word, PICTURE, 18)  # noqa: E731
    return LAYOUT.cameras, spoil, "needs the ROS package cv_bridge"


def lying_size(random):
    step = int(random.integers(19, 900))

    def spoil(message):
        message.step, message.height = step, 4000
        return message

    return LAYOUT.cameras, spoil, "rows need"


def depth_in_png(random):
    spoil = lambda m: ros.compressed(  # noqa: E731
        stamp_of(m), "16UC1; compressedDepth png", bytes(12) + file_of(PICTURE)
    )
    return LAYOUT.cameras, spoil, "compressedDepth is no colour"


def deep_png(random):
    data = file_of(np.zeros((4, 6), np.uint16))
    return LAYOUT.cameras, lambda m: ros.compressed(stamp_of(m), "png", data), "not 8-bit colour"


def damaged_picture(random):
    data = file_of(random.integers(0, 255, (40, 60, 3), np.uint8))
    data = data[: int(random.integers(60, len(data) // 2))]
    return LAYOUT.cameras, lambda m: ros.compressed(stamp_of(m), "png", data), "is damaged"


def no_picture(random):
    data = random.bytes(int(random.integers(1, 200)))
    spoil = lambda m: ros.compressed(stamp_of(m), "webp", data)  # noqa: E731
    return LAYOUT.cameras, spoil, "neither PNG nor JPEG"


def missing_joint(random):
    names = [f"finger_{random.integers(100)}", str(random.choice(["left", "leftt", "lift"]))]
    spoil = lambda m: ros.joints(stamp_of(m), names, [0.01, 0.02])  # noqa: E731
    return ("gripper",), spoil, "no joint '"


def joints_without_positions(random):
    spoil = lambda m: ros.joints(stamp_of(m), ["left", "right"], [])  # noqa: E731
    return ("gripper",), spoil, "2 joint names, but 'position' has 0 numbers"


def zero_stamps(random):
    def spoil(message):
        message.header = ros.header(0)
        return message

    return LAYOUT.modalities, spoil, "stamps are zero"


def impossible_stamps(random):
    nanoseconds = int(random.integers(SECOND, 2**32))

    def spoil(message):
        message.header.stamp.nanosec = nanoseconds
        return message

    return LAYOUT.modalities, spoil, "nanoseconds"


def no_measurement(random):
    value = float(random.choice([np.nan, np.inf, -np.inf, 1e9]))
    kind = str(random.choice(list(ROWS)))
    row = list(ROWS[kind])
    row[int(random.integers(3))] = value
    return (kind,), lambda m: getattr(ros, kind)(stamp_of(m), row), "NaN, infinite or beyond"


def audio_rate(random):
    rate = int(random.choice([1000, 500_000, 2_000_000, 0]))
    return ("audio",), lambda m: ros.audio(stamp_of(m), rate, 1, np.zeros(320)), f"at {rate} Hz"


def audio_channels(random):
    channels = int(random.choice([0, 3, 7]))
    spoil = lambda m: ros.audio(stamp_of(m), 16_000, channels, np.zeros(320))  # noqa: E731
    return ("audio",), spoil, f"in {channels} channels"


FAULTS = (
    encoding,
    foreign_encoding,
    lying_size,
    depth_in_png,
    deep_png,
    damaged_picture,
    no_picture,
    missing_joint,
    joints_without_positions,
    zero_stamps,
    impossible_stamps,
    no_measurement,
    audio_rate,
    audio_channels,
)


def variant(number):
    """A fault, the sensor it befalls, and all messages in order: (time, sensor, message)."""
    random = np.random.default_rng([14, number])
    fault = FAULTS[number % len(FAULTS)]
    sensors, spoil, text = fault(random)
    sensor = str(random.choice(sensors))
    messages = []
    for k in range(COUNT):
        for name in LAYOUT.modalities:
            for message in healthy(name, EPOCH + k * STEP):
                time_ns = stamp_of(message)
                messages.append((time_ns, name, spoil(message) if name == sensor else message))
    return sensor, text, sorted(messages, key=lambda entry: entry[0])


def run_live(messages):
    """Masks of the windows and the streams' counts, by the classes that the node drains with."""
    node = SimpleNamespace(resolve_topic_name=lambda name, only_expand: name)
    limits = SensingLimits()
    sources = make_sources(node, LAYOUT, TOPICS, limits, lambda message: None, None)
    builder = WindowBuilder(LAYOUT, limits, "front")
    masks = []
    for k in range(COUNT):
        for source in sources:
            due = [
                message
                for time_ns, name, message in messages
                if name == source.name and 0 <= time_ns - EPOCH - k * STEP < STEP
            ]
            source.input.type_name = due[0].__msgtype__
            serialised = [ros.serialised(message) for message in due]
            source.input.take = lambda until_ns, waiting=serialised: waiting
            source.feed(builder, None)
        masks += [window.mask for window in builder.poll()]
    return masks + [window.mask for window in builder.flush()], builder.counters.streams


def write(folder, messages):
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        types = {name: message.__msgtype__ for _, name, message in messages}
        connections = {
            name: writer.add_connection(f"/{name}", type_name, typestore=typestore())
            for name, type_name in types.items()
        }
        for time_ns, name, message in messages:
            writer.write(connections[name], time_ns, ros.serialised(message))
    return folder


@pytest.mark.parametrize("number", range(VARIANTS))
def test_it_is_masked_with_its_reason_live_as_offline(tmp_path, monkeypatch, number):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    sensor, text, messages = variant(number)
    masks, streams = run_live(messages)
    assert len(masks) >= COUNT - 2
    reason = streams[sensor].reason
    assert text in reason and "\n" not in reason and reason.isprintable()
    assert not any(mask[sensor] for mask in masks)
    others = set(LAYOUT.modalities) - {sensor}
    assert all(mask[name] for mask in masks[1:] for name in others)
    assert not any(streams[name].reason for name in others)
    with open_source(write(tmp_path / "bag", messages), TOPICS) as source:
        offline = [window.mask for window in windows(source, LAYOUT, reference_camera="front")]
    assert offline == masks
    assert any(reason in line for line in source.problems)
    assert all(sensor in line for line in source.problems)


def test_when_no_driver_fills_its_stamps_that_is_said(tmp_path):
    _, spoil, text = zero_stamps(None)
    messages = [
        (EPOCH + k * STEP + index, name, spoil(message))
        for k in range(COUNT)
        for name in LAYOUT.modalities
        for index, message in enumerate(healthy(name, EPOCH))
    ]
    with open_source(write(tmp_path / "bag", messages), TOPICS) as source:
        assert not list(windows(source, LAYOUT, reference_camera="front"))
    assert sum(text in line for line in source.problems) == len(LAYOUT.modalities)
