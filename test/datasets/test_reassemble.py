# SPDX-License-Identifier: Apache-2.0
"""The reader against files as the data set has them: both forms, and every documented defect."""

import dataclasses

import h5py
import numpy as np
import pytest
from recordings import recording

from m2r2_ros.datasets.media import encode_video
from m2r2_ros.datasets.reassemble import epoch_ns, open_recording
from m2r2_ros.datasets.reassemble_format import COMPONENTS, SIGNAL_WIDTHS
from m2r2_ros.errors import M2R2Error

DATA = recording(1.0)


def replace(file, name, values):
    del file[name]
    file[name] = values


def in_components(file):
    """Turn a grouped file into the older form."""
    for name, components in COMPONENTS.items():
        values, times = file[f"robot_state/{name}"][()], file[f"timestamps/{name}"][()]
        del file[f"robot_state/{name}"], file[f"timestamps/{name}"]
        for column, component in enumerate(components):
            file[f"robot_state/{component}"] = values[:, column]
            file[f"timestamps/{component}"] = times


# A file says of every action whether it has succeeded.
STATED = [dataclasses.replace(action, judged=True) for action in DATA.actions]


def stamps_of(name):
    return epoch_ns(DATA.name) + np.round(DATA.signals[name].times_s * 1e9).astype(np.int64)


def test_round_trip(path):
    with open_recording(path) as read:
        assert read.problems == [] and read.name == DATA.name
        assert read.actions == STATED
        for name, track in DATA.signals.items():
            stamps, values = read.signal(name)
            np.testing.assert_array_equal(stamps, stamps_of(name))
            np.testing.assert_array_equal(values, track.values)
        for name, track in DATA.audio.items():
            samples, rate = read.audio(name)
            assert samples.shape == track.samples.shape and rate == track.rate_hz
        for name, track in DATA.videos.items():
            frames = list(read.frames(name))
            times = [(stamp - read.epoch_ns) / 1e9 for stamp, _ in frames]
            np.testing.assert_allclose(times, track.times_s, atol=1e-9)
            assert np.abs(frames[9][1]().astype(int) - track.frames[9]).max() < 4
            assert [stamp for stamp, _ in frames] == read.stamps(name).tolist()
        assert read.problems == []


def test_wrench_is_force_and_torque(path):
    with open_recording(path) as read:
        for prefix in ("measured", "compensated_base"):
            stamps, values = read.wrench(prefix)
            np.testing.assert_array_equal(stamps, stamps_of(f"{prefix}_force"))
            parts = [DATA.signals[f"{prefix}_{part}"].values for part in ("force", "torque")]
            np.testing.assert_array_equal(values, np.hstack(parts))


def test_torque_on_a_clock_of_its_own(path):
    with h5py.File(path, "r+") as file:
        times = file["timestamps/measured_force"][()]
        replace(file, "timestamps/measured_torque", times + 0.001)
    with open_recording(path) as read:
        stamps, values = read.wrench()
    np.testing.assert_array_equal(stamps, stamps_of("measured_force")[1:])
    np.testing.assert_array_equal(values[:, :3], DATA.signals["measured_force"].values[1:])
    torque = DATA.signals["measured_torque"].values
    expected = np.interp(times[1:], times + 0.001, torque[:, 0])
    np.testing.assert_allclose(values[:, 3], expected, atol=1e-6)


def test_a_hole_in_the_torque_is_no_measurement(path):
    with h5py.File(path, "r+") as file:
        for group in ("robot_state", "timestamps"):
            values = file[f"{group}/measured_torque"][()]
            replace(file, f"{group}/measured_torque", np.delete(values, range(50, 100), axis=0))
    with open_recording(path) as read:
        _, values = read.wrench()
    assert len(values) == 200 and not np.isnan(values[:, :3]).any()
    assert np.flatnonzero(np.isnan(values[:, 3])).tolist() == list(range(50, 100))


def test_older_form(path):
    with h5py.File(path, "r+") as file:
        in_components(file)
        assert "pose" not in file["robot_state"] and "pos_joint9" in file["robot_state"]
    with open_recording(path) as read:
        assert read.signals == tuple(SIGNAL_WIDTHS) and read.problems == []
        for name, track in DATA.signals.items():
            stamps, values = read.signal(name)
            np.testing.assert_array_equal(values, track.values)
            np.testing.assert_array_equal(stamps, stamps_of(name))


def test_an_incomplete_signal_of_the_older_form_is_missing(path):
    with h5py.File(path, "r+") as file:
        in_components(file)
        del file["robot_state/pose_qw"]
    with open_recording(path) as read:
        assert "pose" not in read.signals and "no signal: pose" in read.problems
        assert read.signal("pose") is None


def test_published_spellings(path):
    with h5py.File(path, "r+") as file:
        for group in ("robot_state", "timestamps"):
            file.move(f"{group}/compensated_base_torque", f"{group}/compenseted_base_torque")
        file.move("segments_info/1/low_level", "segments_info/1/Low_level")
    with open_recording(path) as read:
        assert read.problems == [] and read.actions == STATED
        np.testing.assert_array_equal(
            read.signal("compensated_base_torque")[1],
            DATA.signals["compensated_base_torque"].values,
        )


@pytest.mark.parametrize(
    ("stated", "stored", "option"),
    [
        (None, "xyzw", "auto"),
        (None, "wxyz", "auto"),
        (None, "wxyz", "wxyz"),
        ("wxyz", "wxyz", "auto"),
        ("xyzw", "xyzw", "auto"),
    ],
)
def test_quaternion_order(path, stated, stored, option):
    order = [0, 1, 2, 3, 4, 5, 6] if stored == "xyzw" else [0, 1, 2, 6, 3, 4, 5]
    with h5py.File(path, "r+") as file:
        replace(file, "robot_state/pose", DATA.signals["pose"].values[:, order])
        if stated:
            file["robot_state/pose"].attrs["quaternion_order"] = np.bytes_(stated)
    with open_recording(path, option) as read:
        np.testing.assert_array_equal(read.signal("pose")[1], DATA.signals["pose"].values)
        assert read.problems == []


def test_an_order_that_does_not_show_is_reported(path):
    with h5py.File(path, "r+") as file:
        poses = np.tile([0.1, 0.2, 0.3, 0.5, 0.1, 0.7, 0.5], (200, 1))
        replace(file, "robot_state/pose", poses)
    with open_recording(path) as read:
        assert read.signal("pose")[1][0].tolist() == [0.1, 0.2, 0.3, 0.1, 0.7, 0.5, 0.5]
        assert read.problems == ["'pose' does not show the order of its quaternion: read as wxyz"]
    with pytest.raises(M2R2Error, match="'zyxw' is not one of"), open_recording(path, "zyxw"):
        pass


def test_missing_streams(path):
    with h5py.File(path, "r+") as file:
        del file["hand"], file["hama2_audio"], file["robot_state/velocity"], file["segments_info"]
        del file["timestamps/pose"]
    with open_recording(path) as read:
        assert read.cameras == ("hama1", "hama2")
        assert read.audio_streams == ("hama1_audio", "hand_audio")
        assert read.actions is None
        assert read.signal("velocity") is None and read.signal("pose") is None
        assert read.problems == [
            "no camera: hand",
            "no audio: hama2_audio",
            "no signal: velocity",
            "no segments_info: no labels inside",
            "signal 'pose' is left out: it has no timestamps",
        ]


def test_lengths_that_differ_are_cut(path):
    with h5py.File(path, "r+") as file:
        replace(file, "timestamps/pose", DATA.signals["pose"].times_s[:-5])
        replace(file, "timestamps/hand", DATA.videos["hand"].times_s[:-3])
        more = np.append(DATA.videos["hama1"].times_s, [5.0, 6.0])
        replace(file, "timestamps/hama1", more)
    with open_recording(path) as read:
        assert len(read.signal("pose")[0]) == len(read.signal("pose")[1]) == 195
        assert len(list(read.frames("hand"))) == 27 and len(list(read.frames("hama1"))) == 30
        assert read.problems == [
            "'pose': 200 samples, 195 timestamps",
            "camera 'hand': 30 frames, 27 timestamps",
            "camera 'hama1': 30 frames, 32 timestamps",
        ]


def test_clocks_that_step_back(path):
    with h5py.File(path, "r+") as file:
        times = DATA.signals["velocity"].times_s.copy()
        times[[10, 20]] = times[9], 0.0
        times[30] = np.nan
        replace(file, "timestamps/velocity", times)
        frames = DATA.videos["hand"].times_s.copy()
        frames[[4, 5]] = frames[[5, 4]]
        replace(file, "timestamps/hand", frames)
    with open_recording(path) as read:
        stamps, values = read.signal("velocity")
        assert len(stamps) == 197 and (np.diff(stamps) > 0).all()
        kept = np.delete(np.arange(200), [10, 20, 30])
        np.testing.assert_array_equal(values, DATA.signals["velocity"].values[kept])
        pictures = [(stamp, picture()) for stamp, picture in read.frames("hand")]
        assert len(pictures) == 29
        assert read.problems == [
            "'velocity': 3 samples without an increasing time dropped",
            "'hand': 1 samples without an increasing time dropped",
        ]


def test_nan_is_kept(path):
    with h5py.File(path, "r+") as file:
        file["robot_state/pose"][50:60] = np.nan
        file["robot_state/measured_force"][5, 1] = np.inf
    with open_recording(path) as read:
        assert np.isnan(read.signal("pose")[1][50:60]).all()
        assert read.wrench()[1][5, 1] == np.inf


def test_a_video_that_breaks_off(path):
    with h5py.File(path, "r+") as file:
        noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), np.uint8)
        payload = bytearray(encode_video(noise, 30)[0])
        start = payload.find(b"mdat")
        payload[start + 20_000 : start + 200_000] = bytes(180_000)
        replace(file, "hama1", np.void(bytes(payload)))
        replace(file, "hama2", np.void(b"no video at all"))
        replace(file, "hand", 3.0)
    with open_recording(path) as read:
        assert len(list(read.frames("hama1"))) < 30
        assert list(read.frames("hama2")) == [] and list(read.frames("hand")) == []
        text = "\n".join(read.problems)
        assert "camera 'hama1'" in text and "camera 'hama2' ends after 0 frames" in text
        assert "camera 'hand' is left out: 'hand' holds float64, not the bytes of a file" in text


def test_bad_segments_are_left_out(path):
    with h5py.File(path, "r+") as file:
        segments = file["segments_info"]
        for key, start, end in (("2", 0.5, 0.2), ("3", np.nan, 1.0), ("4", 0.0, np.inf)):
            group = segments.create_group(key)
            group["start"], group["end"], group["success"] = start, end, True
            group["text"] = b"Pick BNC."
        segments.create_group("5")["start"] = 1.0
        segments["6"] = 1.0
        odd = segments.create_group("7")
        odd["start"], odd["end"] = np.array([0.0]), np.array([0.1])
        odd["success"], odd["text"] = np.array([1]), "Pick BNC."
    with open_recording(path) as read:
        assert len(read.actions) == 3 and read.actions[1].text == "Pick BNC."
        assert read.actions[1].success is True
        assert len(read.problems) == 5
        assert all(problem.startswith("segment ") for problem in read.problems)


def test_epochs():
    assert epoch_ns("2025-01-10-15-28-50") == 1_736_522_930 * 10**9
    assert epoch_ns("2025-01-10-15-28-50_cut") == 1_736_522_930 * 10**9
    assert epoch_ns("taskboard_demo") == epoch_ns("9999-99-99-99-99-99") == 1_700_000_000 * 10**9
