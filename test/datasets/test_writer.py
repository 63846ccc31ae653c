# SPDX-License-Identifier: Apache-2.0
"""A written file has the layout of the format, and never exists half."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from recordings import recording, signal, video

from m2r2_ros.datasets.media import decode_video
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.errors import M2R2Error


def test_layout(tmp_path):
    data = recording()
    write_recording(tmp_path / "a.h5", data)
    with h5py.File(tmp_path / "a.h5") as file:
        for name in ("hama1", "hama2", "hand", "hama1_audio", "hand_audio"):
            assert file[name].shape == () and file[name].dtype.kind == "V"
        for name, track in data.signals.items():
            np.testing.assert_array_equal(file[f"robot_state/{name}"][()], track.values)
            np.testing.assert_array_equal(file[f"timestamps/{name}"][()], track.times_s)
        segment = file["segments_info/1"]
        assert bytes(segment["text"][()]) == b"Insert USB."
        assert segment["index"][()] == 1 and not segment["success"][()]
        assert bytes(segment["low_level/1/text"][()]) == b"Grasp"
        assert segment["low_level/0/end"][()] == 0.4


@pytest.mark.parametrize("size", [(48, 64), (49, 63)])
def test_as_many_frames_as_timestamps(tmp_path, size):
    data = replace(recording(), videos={"hama1": video(size=size)}, audio={})
    write_recording(tmp_path / "a.h5", data)
    with h5py.File(tmp_path / "a.h5") as file:
        frames = list(decode_video(file["hama1"][()].tobytes()))
        assert len(frames) == len(file["timestamps/hama1"]) == 60
        assert (frames[0].height, frames[0].width) == size


def test_same_data_same_bytes(tmp_path):
    for name in "ab":
        write_recording(tmp_path / f"{name}.h5", recording())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def broken():
    data = recording()
    track = data.signals["pose"]
    yield replace(data, signals={"pse": track}), "did you mean 'pose'"
    yield replace(data, signals={"pose": signal("velocity")}), "expected"
    backwards = replace(track, times_s=track.times_s[::-1])
    yield replace(data, signals={"pose": backwards}), "strictly increasing"
    short = replace(video(), times_s=video().times_s[:-1])
    yield replace(data, videos={"hand": short}), "60 frames but 59 timestamps"


@pytest.mark.parametrize("data,text", list(broken()))
def test_refused_data_leaves_no_file(tmp_path, data, text):
    with pytest.raises(M2R2Error, match=text):
        write_recording(tmp_path / "a.h5", data)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(M2R2Error, match="cannot create"):
        write_recording(tmp_path / "file" / "a.h5", recording())
