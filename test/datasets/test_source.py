# SPDX-License-Identifier: Apache-2.0
"""One view of .h5 and bag: the same data, the same windows, bit for bit."""

import os
import shutil
from dataclasses import replace
from itertools import pairwise

import lab_bags
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from recordings import recording
from rosbags.rosbag2 import StoragePlugin, Writer

from m2r2_ros.cli.convert import convert
from m2r2_ros.datasets.conversion import ConversionOptions
from m2r2_ros.datasets.reassemble import epoch_ns
from m2r2_ros.datasets.reassemble_rig import DEFAULT_TOPICS
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import SignalTrack
from m2r2_ros.datasets.recording_source import BLOCK_NS
from m2r2_ros.datasets.source import RECORDING_SUFFIXES, open_source, windows
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.messages.encode import encode_segment, encode_vectors
from m2r2_ros.messages.signals import WRENCH
from m2r2_ros.offline.extraction import recording_name
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout(cameras=("hama1", "hama2", "hand"))


def demonstration():
    """With NaN, a stream that ends early, one that starts late, and values that fill a float64."""
    data = recording(2.0)
    force, pose = data.signals["measured_force"], data.signals["pose"]
    values = force.values * np.pi
    values[100:110] = np.nan
    data.signals["measured_force"] = SignalTrack(force.times_s, values)
    data.signals["pose"] = SignalTrack(pose.times_s[:300], pose.values[:300])
    late = data.videos["hand"]
    data.videos["hand"] = replace(late, times_s=late.times_s[20:], frames=late.frames[20:])
    return data


@pytest.fixture(scope="module")
def h5(tmp_path_factory):
    data = demonstration()
    path = tmp_path_factory.mktemp("source") / f"{data.name}.h5"
    write_recording(path, data)
    return path


@pytest.fixture(scope="module")
def mcap(h5):
    return convert(h5, h5.parent / "mcap")


@pytest.fixture(scope="module")
def sqlite(h5):
    return convert(h5, h5.parent / "sqlite", ConversionOptions("sqlite3"))


def everything(path, layout=LAYOUT):
    """All windows as bytes, all stamps, and what the source says about itself."""
    with open_source(path) as source:
        found = [
            (
                window.index,
                window.start_ns,
                window.end_ns,
                window.mask,
                window.audio.tobytes(),
                {name: values.tobytes() for name, values in window.signals.items()},
                {name: picture.tobytes() for name, picture in window.images.items()},
            )
            for window in windows(source, layout)
        ]
        return found, source.start_ns, source.actions, source.problems


def test_windows_are_the_same_bit_for_bit(h5, mcap, sqlite):
    expected = everything(h5)
    assert len(expected[0]) == 20
    masks = [mask for _, _, _, mask, *_ in expected[0]]
    assert not masks[0]["hand"] and masks[15]["hand"]
    assert masks[2]["pose"] and not masks[19]["pose"]
    assert masks[1]["wrench"] and not all(mask["wrench"] for mask in masks)
    assert everything(mcap) == expected
    assert everything(sqlite) == expected
    assert everything(mcap / f"{mcap.name}.mcap") == expected
    assert everything(sqlite / f"{sqlite.name}.db3") == expected


def test_raw_values_are_the_same(h5, mcap):
    def collected(path):
        rows = {name: [] for name in LAYOUT.signals}
        with open_source(path) as source:
            for batch in source.batches(LAYOUT):
                for name, (stamps, values) in batch.signals.items():
                    rows[name] += list(zip(stamps.tolist(), values.tolist(), strict=True))
        return repr(rows)

    assert collected(h5) == collected(mcap)
    assert collected(h5).count("nan") == 30


def test_time_zero_is_the_first_reference_frame(h5, mcap):
    epoch = epoch_ns(h5.stem)
    for path in (h5, mcap):
        with open_source(path) as source:
            assert source.name == h5.stem and source.start_ns == epoch + 10_000_000
            assert source.actions[1].start_s == 0.99 and source.actions[1].success is False
            assert source.actions[1].low_level[0].text == "Approach"
            assert abs(source.end_ns - epoch - 2_000_000_000) < 50_000_000
        with open_source(path, TopicMap(reference_camera="hama2")) as source:
            assert source.start_ns == epoch + 13_000_000


def test_blocks_are_short_and_in_order(h5, mcap):
    for path in (h5, mcap):
        with open_source(path) as source:
            blocks = [batch.signals["wrench"][0] for batch in source.batches(LAYOUT)]
        blocks = [stamps for stamps in blocks if len(stamps)]
        assert len(blocks) >= 39
        assert all(stamps[-1] - stamps[0] <= BLOCK_NS for stamps in blocks)
        assert all(a[-1] < b[0] for a, b in pairwise(blocks))


def test_only_streams_of_the_layout_are_read(h5, mcap):
    layout = SensorLayout(cameras=("hama2",), audio=False, signals=("twist",))
    for path in (h5, mcap):
        with open_source(path) as source:
            batches = list(source.batches(layout))
        assert {name for batch in batches for name in batch.signals} == {"twist"}
        assert {camera for batch in batches for camera, *_ in batch.images} == {"hama2"}
        assert not any(batch.audio for batch in batches)


def error_of(path, topics=None, layout=LAYOUT):
    with pytest.raises(M2R2Error) as caught, open_source(path, topics) as source:
        list(windows(source, layout))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_recording_without_the_configured_topics(h5, mcap):
    topics = TopicMap({name: f"/lab{topic}" for name, topic in DEFAULT_TOPICS.items()})
    for path in (h5, mcap):
        text = error_of(path, topics)
        assert "none of the configured topics is in the recording" in text
        assert "(did you mean '/hama1/image_raw/compressed'?)" in text
        assert "--config" not in text


def test_what_applies_without_a_robot_file_is_said(tmp_path):
    path = lab_bags.write_bag(tmp_path / "bag", lab_bags.ARMS, seed=0)
    assert "no --config says otherwise than config/reassemble.yaml" in error_of(path)


def test_some_topics_missing(h5, mcap):
    topics = TopicMap({**DEFAULT_TOPICS, "wrench": "/wrst/wrench"})
    for path in (h5, mcap):
        with open_source(path, topics) as source:
            masks = [window.mask["wrench"] for window in windows(source, LAYOUT)]
        assert len(masks) == 20 and not any(masks)
        line = "no topic /wrst/wrench for 'wrench' (did you mean '/wrist/wrench'?)"
        assert line in source.problems


@pytest.mark.parametrize(
    ("sensor", "other"),
    [("wrench", "pose"), ("pose", "wrench"), ("twist", "hama1"), ("hama1", "twist"),
     ("hama2", "audio"), ("audio", "gripper"), ("gripper", "hama2")],
)  # fmt: skip
def test_a_topic_of_another_type_is_masked_and_said_as_live(mcap, h5, sensor, other):
    topics = TopicMap({**DEFAULT_TOPICS, sensor: DEFAULT_TOPICS[other]})
    for path in (h5, mcap):
        with open_source(path, topics) as source:
            masks = [dict(window.mask) for window in windows(source, LAYOUT)]
        assert len(masks) >= 19 and not any(mask[sensor] for mask in masks)
        assert {**dict.fromkeys(LAYOUT.modalities, True), sensor: False} in masks
        said = f"'{sensor}' is masked: {DEFAULT_TOPICS[other]}: "
        assert sum(line.startswith(said) for line in source.problems) == 1


def test_topics_all_of_another_type(h5, mcap):
    swapped = {"wrench": DEFAULT_TOPICS["pose"], "pose": DEFAULT_TOPICS["wrench"]}
    topics = TopicMap(swapped, reference_camera="")
    for path in (h5, mcap):
        text = error_of(path, topics)
        assert "none of the configured topics can be read; '" in text and " needs " in text


def test_a_sensor_that_the_robot_lacks_is_masked_and_said(h5, mcap):
    left_out = {name: topic for name, topic in DEFAULT_TOPICS.items() if name != "gripper"}
    for topics in (left_out, {**left_out, "gripper": ""}):
        for path in (h5, mcap):
            with open_source(path, TopicMap(topics)) as source:
                masks = [dict(window.mask) for window in windows(source, LAYOUT)]
            assert len(masks) == 20 and not any(mask["gripper"] for mask in masks)
            assert {**dict.fromkeys(LAYOUT.modalities, True), "gripper": False} in masks
            assert sum("'gripper' has no topic" in line for line in source.problems) == 1


def test_gripper_joints_that_do_not_exist(h5, mcap):
    topics = TopicMap(gripper_joints=("fr3_finger_joint1",))
    assert "no joint 'fr3_finger_joint1' (did you mean 'panda_finger_joint1'?)" in error_of(
        h5, topics
    )
    with open_source(mcap, topics) as source:
        assert not any(window.mask["gripper"] for window in windows(source, LAYOUT))
    problem, masked = (line for line in source.problems if "gripper" in line)
    assert masked == "'gripper': masked in all 20 windows"
    assert problem.startswith("/gripper/joint_states: 400 messages cannot be read: no joint")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.h5", None, "no such file"),
        ("a.mcap", None, "no such file"),
        ("nothing", None, "no such file"),
        ("a.txt", b"hello", "neither a REASSEMBLE .h5 nor a bag"),
        ("a.mcap", b"", "cannot read this bag"),
        ("a.mcap", b"hello" * 99, "cannot read this bag"),
        ("a.db3", b"hello" * 999, "cannot read this bag"),
    ],
)
def test_no_recording(tmp_path, name, content, text):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert text in error_of(tmp_path / name)


@pytest.mark.parametrize("suffix", RECORDING_SUFFIXES)
def test_every_format_has_a_reader_and_commands_know_it(suffix, tmp_path):
    path = tmp_path / f"take{suffix}"
    path.touch()
    assert recording_name(path) == "take"
    with pytest.raises(M2R2Error, match="is empty"), open_source(path):
        pass


@pytest.mark.parametrize("name", ["a.h5", "a.mcap", "a.db3", "a"])
def test_a_pipe_in_place_of_a_recording_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    text = error_of(tmp_path / name)
    assert "is no file but a pipe" in text or "no such file" in text


@pytest.mark.parametrize("name", ["a.h5", "bag/a.mcap"])
def test_a_folder_of_recordings_is_answered_with_one_of_them(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    one = tmp_path / name.partition("/")[0]
    assert f"is a folder of recordings: give one of them, as {one}" in error_of(tmp_path)


def test_a_folder_that_is_no_bag(tmp_path):
    assert "cannot read this bag" in error_of(tmp_path)
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 9}")
    assert "cannot read this bag" in error_of(tmp_path)
    (tmp_path / "metadata.yaml").write_text("a: [")
    assert "cannot read this bag" in error_of(tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_truncated_bags_are_read_up_to_the_break(mcap, tmp_path, share):
    copy = tmp_path / mcap.name
    shutil.copytree(mcap, copy)
    file = copy / f"{mcap.name}.mcap"
    size = int(file.stat().st_size * share)
    file.write_bytes(file.read_bytes()[:size])
    whole, (found, _, _, problems) = everything(mcap)[0], everything(copy)
    # The last window ends where the data do.
    assert 3 < len(found) <= len(whole) and found[:-3] == whole[: len(found) - 3]
    assert any(f" of {size}: " in line and "`mcap recover " in line for line in problems)
    assert any("metadata.yaml states" in line for line in problems)


def test_a_database_that_is_cut_off_is_named(sqlite, tmp_path):
    copy = tmp_path / "a.db3"
    content = (sqlite / f"{sqlite.name}.db3").read_bytes()
    copy.write_bytes(content[: len(content) // 2])
    assert f"a.db3: cut off, {len(content) // 2} of {len(content)} bytes" in error_of(copy)


@pytest.fixture(scope="module")
def small_bags(tmp_path_factory):
    """A bag of each storage with few bytes, so that random damage meets every part of it."""
    folder = tmp_path_factory.mktemp("small")
    message = next(encode_vectors(WRENCH, np.array([5]), np.ones((1, 6)), "ft"))
    files = {}
    for storage, suffix in ((StoragePlugin.MCAP, "mcap"), (StoragePlugin.SQLITE3, "db3")):
        with Writer(folder / suffix, version=9, storage_plugin=storage) as writer:
            connection = writer.add_connection("/wrist/wrench", WRENCH, typestore=typestore())
            for k in range(20):
                writer.write(connection, k + 1, message)
        files[suffix] = (folder / suffix / f"{suffix}.{suffix}").read_bytes()
    return files


@settings(max_examples=150, deadline=None, derandomize=True, phases=[Phase.generate])
@given(suffix=st.sampled_from(["mcap", "db3"]), data=st.data())
def test_damaged_bags(small_bags, tmp_path_factory, suffix, data):
    broken = bytearray(small_bags[suffix])
    for _ in range(data.draw(st.integers(1, 10))):
        place = data.draw(st.integers(0, len(broken) - 5))
        broken[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    path.write_bytes(bytes(broken))
    try:
        with open_source(path) as source:
            list(windows(source, LAYOUT))
    except M2R2Error as error:
        assert "\n" not in str(error)


def write_bag(path, topics):
    """topic -> (type, messages)"""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, (type_name, content) in topics.items():
            connection = writer.add_connection(topic, type_name, typestore=typestore())
            for log_ns, message in content:
                writer.write(connection, log_ns, message)


def test_malformed_messages_are_counted(tmp_path):
    stamps = np.arange(1, 101) * 10_000_000
    good = list(encode_vectors(WRENCH, stamps, np.ones((100, 6)), "ft"))
    bad = [message[:30] if k in (7, 8, 60) else message for k, message in enumerate(good)]
    content = list(zip(stamps.tolist(), bad, strict=True))
    write_bag(tmp_path / "bag", {"/wrist/wrench": (WRENCH, content)})
    layout = SensorLayout(cameras=(), audio=False, signals=("wrench",))
    with open_source(tmp_path / "bag") as source:
        rows = [len(batch.signals["wrench"][0]) for batch in source.batches(layout)]
    assert sum(rows) == 97
    assert source.problems == [
        "/wrist/wrench: 3 messages cannot be read: 30 bytes, too short for "
        "geometry_msgs/msg/WrenchStamped"
    ]


def segment(stamp_ns, start_ns, status, label):
    return stamp_ns, encode_segment(
        stamp_ns, start_ns, stamp_ns, segment_id=0, status=status, label=label, action="",
        object="", class_id=0, confidence=1.0, boundary_confidence=1.0,
    )  # fmt: skip


def test_truth_from_segments_alone(tmp_path):
    """A bag that someone else recorded has no annotations, only what was published."""
    second = 10**9
    wrench = next(encode_vectors(WRENCH, np.array([second]), np.ones((1, 6)), "ft"))
    events = [
        segment(second, second, 0, "Pick USB"),
        segment(3 * second, second, 2, "Pick USB"),
        segment(3 * second, 3 * second, 0, "Insert USB"),
        segment(4 * second, 3 * second, 1, "Insert USB"),
        segment(5 * second, 3 * second, 2, "Insert USB"),
    ]
    topics = {
        "/wrist/wrench": (WRENCH, [(second, wrench)]),
        "/ground_truth/action_segment": ("m2r2_msgs/msg/ActionSegment", events),
    }
    write_bag(tmp_path / "bag", topics)
    with open_source(tmp_path / "bag") as source:
        assert source.start_ns == second
        found = [(action.start_s, action.end_s, action.text) for action in source.actions]
    assert found == [(0.0, 2.0, "Pick USB."), (2.0, 4.0, "Insert USB.")]
