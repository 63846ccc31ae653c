# SPDX-License-Identifier: Apache-2.0
"""Bags made of recordings: complete, in order, with QoS and truth, never half-written."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import yaml
from recordings import recording
from rosbags.rosbag2 import Reader

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets import bag_streams
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.reassemble import epoch_ns, open_recording
from m2r2_ros.datasets.reassemble_topics import TOPICS
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.definitions import typestore

DATA = recording(1.0)
EPOCH = epoch_ns(DATA.name)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / f"{DATA.name}.h5"
    write_recording(path, DATA)
    return path


@pytest.fixture(scope="module", params=["mcap", "sqlite3"])
def bag(request, original, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param)
    assert run_verb("convert", [str(original), "--out", str(out), "--storage", request.param]) == 0
    return out / DATA.name


def messages(bag, topic):
    """Deserialised by rosbags from the definitions inside the bag's own typestore."""
    store = typestore()
    with Reader(bag) as reader:
        chosen = [c for c in reader.connections if c.topic == topic]
        return [
            (log_ns, store.deserialize_cdr(data, connection.msgtype))
            for connection, log_ns, data in reader.messages(chosen)
        ]


def nanoseconds(time):
    return time.sec * 10**9 + time.nanosec


def test_files(bag):
    suffix = {"mcap": ".mcap", "sqlite3": ".db3"}
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    file = f"{DATA.name}{suffix[metadata['storage_identifier']]}"
    assert sorted(path.name for path in bag.iterdir()) == sorted([file, "metadata.yaml"])
    assert metadata["relative_file_paths"] == [file] and metadata["version"] == 9
    assert [path.name for path in bag.parent.iterdir()] == [DATA.name]


def test_every_stream_is_there(bag):
    with open_bag(bag) as read:
        expected = {topic: stream.type_name for topic, stream in TOPICS.items()}
        expected["/ground_truth/action_segment"] = "m2r2_msgs/msg/ActionSegment"
        expected["/ground_truth/annotations"] = "std_msgs/msg/String"
        assert read.types == expected
        counts = {name: topic.count for name, topic in read.topics.items()}
    assert counts["/hama1/image_raw/compressed"] == 30
    assert counts["/hand/audio"] == counts["/hama2/audio"] == 50
    assert counts["/wrist/wrench"] == counts["/arm/joint_states"] == 200


def test_log_times_are_unique_and_increase(bag):
    with open_bag(bag) as read:
        times = np.array([message.log_ns for message in read.messages()])
        assert read.message_count == len(times)
    assert (np.diff(times) > 0).all()


def test_stamps_are_the_recordings_and_no_message_comes_before_its_time(bag):
    for topic, stream in TOPICS.items():
        for log_ns, message in messages(bag, topic):
            assert log_ns >= nanoseconds(message.header.stamp) >= EPOCH
            assert message.header.frame_id == stream.frame_id
    stamps = [nanoseconds(m.header.stamp) - EPOCH for _, m in messages(bag, "/end_effector/pose")]
    expected = np.round(DATA.signals["pose"].times_s * 1e9).astype(np.int64)
    assert stamps == expected.tolist()


def test_an_audio_chunk_is_published_when_it_is_full(bag):
    for log_ns, message in messages(bag, "/hand/audio"):
        end_ns = nanoseconds(message.header.stamp) + 20_000_000
        assert end_ns <= log_ns < end_ns + 1000
        assert (message.sample_rate, message.channels, len(message.samples)) == (48_000, 1, 960)


def test_joints(bag):
    _, message = messages(bag, "/gripper/joint_states")[7]
    assert message.name == ["panda_finger_joint1", "panda_finger_joint2"]
    assert message.position.tolist() == DATA.signals["gripper_positions"].values[7].tolist()
    assert len(message.velocity) == len(message.effort) == 2
    _, message = messages(bag, "/arm/joint_states")[7]
    assert message.name[0] == "panda_joint1" and len(message.position) == 7


def test_qos(bag):
    with Reader(bag) as reader:
        profiles = {c.topic: c.ext.offered_qos_profiles for c in reader.connections}
    for topic, (profile,) in profiles.items():
        assert profile.reliability.name == "RELIABLE" and profile.history.name == "KEEP_LAST"
        is_label = topic.startswith("/ground_truth")
        assert profile.durability.name == ("TRANSIENT_LOCAL" if is_label else "VOLATILE")
        assert profile.depth >= 30


def test_ground_truth(bag):
    events = [m for _, m in messages(bag, "/ground_truth/action_segment")]
    assert [(m.segment_id, m.status, m.label) for m in events] == [
        (0, 0, "No action"),
        (0, 2, "No action"),
        (1, 0, "Insert USB"),
        (1, 2, "Insert USB"),
    ]
    last = events[-1]
    assert (last.action, last.object) == ("insert", "USB") and last.class_id >= 0
    assert nanoseconds(last.start_time) - EPOCH == 500_000_000
    assert nanoseconds(last.end_time) - EPOCH == 900_000_000
    assert nanoseconds(last.header.stamp) == nanoseconds(last.end_time)


def convert(*arguments):
    return run_verb("convert", [str(argument) for argument in arguments])


def test_a_finished_bag_is_kept(original, tmp_path, capsys):
    assert convert(original, "--out", tmp_path) == 0
    written = (tmp_path / DATA.name / "metadata.yaml").stat().st_mtime_ns
    assert convert(original, "--out", tmp_path) == 0
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / DATA.name / "metadata.yaml").stat().st_mtime_ns == written


def test_a_folder_stands_for_the_recordings_in_it(original, tmp_path, capsys):
    folder, out = tmp_path / "data", tmp_path / "out"
    folder.mkdir()
    assert run_verb("convert", [str(folder), "--out", str(out)]) == 2
    assert "data: holds no recording (.h5, .hdf5, .bag)" in capsys.readouterr().err
    for name in ("a.h5", "b.h5"):
        (folder / name).symlink_to(original)
    (folder / "notes.txt").touch()
    assert run_verb("convert", [str(folder), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a", "b"]


def test_two_recordings_of_one_name_do_not_replace_each_other(original, tmp_path, capsys):
    """Neither by --overwrite nor by their order; a file that is given twice is one."""
    other = tmp_path / "other" / original.name
    write_recording(other, recording(1.0))
    for more in ([], ["--overwrite"]):
        assert run_verb("convert", [str(original), str(other), "--out", str(tmp_path), *more]) == 2
        said = f"{original} and {other} have the same name: give each its own --out"
        assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert run_verb("convert", [str(other), str(other), "--out", str(tmp_path / "bags")]) == 0


def test_something_else_is_not_replaced_unless_asked(original, tmp_path, capsys):
    (tmp_path / DATA.name).mkdir()
    (tmp_path / DATA.name / "thesis.txt").write_text("important")
    assert convert(original, "--out", tmp_path) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / DATA.name / "thesis.txt").exists()
    assert convert(original, "--out", tmp_path, "--overwrite") == 0
    assert not (tmp_path / DATA.name / "thesis.txt").exists()
    assert convert(original, "--out", tmp_path, "--storage", "sqlite3") == 2


@pytest.mark.parametrize("content", [None, b"", b"hello", 0.5])
def test_bad_recordings_are_one_line_and_leave_nothing(original, tmp_path, capsys, content):
    path, out = tmp_path / "a.h5", tmp_path / "out"
    if isinstance(content, float):
        content = original.read_bytes()[: int(content * original.stat().st_size)]
    if content is not None:
        path.write_bytes(content)
    assert convert(path, "--out", out) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "a.h5" in error
    assert not out.exists() or not list(out.iterdir())


def test_a_failure_in_the_middle_leaves_nothing(original, tmp_path, monkeypatch):
    def fail(*_):
        raise M2R2Error("the disk is full")

    monkeypatch.setattr(bag_streams, "encode_audio", fail)
    assert convert(original, "--out", tmp_path) == 2
    assert list(tmp_path.iterdir()) == []


def test_problems_are_told(original, tmp_path, capsys):
    path = tmp_path / f"{DATA.name}.h5"
    path.write_bytes(original.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["hand"], file["segments_info"]
        file["robot_state/measured_force"][3] = np.nan
    assert convert(path, "--out", tmp_path / "out") == 0
    error = capsys.readouterr().err
    assert "no camera: hand" in error and "no labels inside" in error
    with open_bag(tmp_path / "out" / DATA.name) as read:
        assert "/hand/image_raw/compressed" not in read.types
        assert "/ground_truth/action_segment" not in read.types
    wrenches = messages(tmp_path / "out" / DATA.name, "/wrist/wrench")
    assert np.isnan(wrenches[3][1].wrench.force.x) and len(wrenches) == 200


def test_frames_keep_their_order_though_encoded_in_parallel(bag, original):
    with open_recording(original) as read:
        stamps = [stamp for stamp, _ in read.frames("hama2")]
    got = [nanoseconds(m.header.stamp) for _, m in messages(bag, "/hama2/image_raw/compressed")]
    assert got == stamps


@pytest.mark.parametrize("shift_s", [-1e5, np.nan, np.inf])
def test_a_recording_without_a_usable_time_is_no_empty_bag(shift_s, original, tmp_path, capsys):
    path = tmp_path / "odd.h5"
    path.write_bytes(original.read_bytes())
    with h5py.File(path, "r+") as file:
        for times in file["timestamps"].values():
            times[...] = times[...] + shift_s
    assert run_verb("convert", [str(path), "--out", str(tmp_path / "bags")]) == 2
    assert "no sample has a time that can be used" in capsys.readouterr().err
    assert not list(tmp_path.glob("bags/*"))


def test_a_bag_that_another_command_made_meanwhile_is_kept(original, tmp_path, monkeypatch, capsys):
    encode = bag_streams.encode_audio

    def meanwhile(*arguments):
        monkeypatch.setattr(bag_streams, "encode_audio", encode)
        words = ["convert", original, "--out", tmp_path, "--storage", "sqlite3"]
        subprocess.run([sys.executable, "-m", "m2r2_ros.cli.main", *words], check=True)
        return encode(*arguments)

    monkeypatch.setattr(bag_streams, "encode_audio", meanwhile)
    assert convert(original, "--out", tmp_path) == 2
    assert "made it otherwise in the meantime" in capsys.readouterr().err
    files = sorted(path.name for path in (tmp_path / DATA.name).iterdir())
    assert files == [f"{DATA.name}.db3", "metadata.yaml"]
