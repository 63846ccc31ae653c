# SPDX-License-Identifier: Apache-2.0
"""Pictures of videos, thinned to a rate, and clips cut from labelled recordings."""

from __future__ import annotations

import numpy as np
import pytest

from m2r2_ros.datasets.media import encode_video
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import Action, RecordingData, VideoTrack
from m2r2_ros.datasets.recording_clips import recording_clips
from m2r2_ros.datasets.video_frames import video_frames
from m2r2_ros.errors import M2R2Error


def grey(count: int) -> list[np.ndarray]:
    return [np.full((16, 16, 3), 5 * index, np.uint8) for index in range(count)]


def test_a_video_is_thinned_to_the_rate(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(encode_video(grey(30), 30.0)[0])
    every = list(video_frames(path, "", 1000.0))
    assert len(every) == 30 and every[0].picture.shape == (16, 16, 3)
    thinned = list(video_frames(path, "", 10.0))
    assert [round(frame.time_s, 3) for frame in thinned] == [i / 10 for i in range(10)]
    assert abs(float(thinned[4].picture.mean()) - 60) < 5, "the picture of 0.4 s"


@pytest.mark.parametrize("content", [b"", b"no video at all", None])
def test_a_bad_video_is_named(tmp_path, content):
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(M2R2Error, match=r"bad\.mp4"):
        list(video_frames(path, "", 10.0))


@pytest.fixture
def recording(tmp_path):
    times = 0.5 + np.arange(20) / 10
    data = RecordingData(
        "a",
        videos={"hama1": VideoTrack(times, grey(20)), "hama2": VideoTrack(times, grey(20))},
        actions=[
            Action(0.5, 1.0, "No action."),
            Action(1.0, 1.5, "Insert USB."),
            Action(1.5, 1.5, "Pick USB."),
            Action(1.6, 2.2, "Remove round peg 1.", success=False),
        ],
    )
    path = tmp_path / "a.h5"
    write_recording(path, data)
    return path


def test_every_action_and_camera_gives_a_clip(recording):
    clips = list(recording_clips(recording, ("hama1", "hama2")))
    found = [(c.camera, c.action, c.object, round(c.start_s, 3), round(c.end_s, 3)) for c in clips]
    assert found == [
        ("hama1", "insert", "USB", 0.5, 1.0),
        ("hama2", "insert", "USB", 0.5, 1.0),
        ("hama1", "remove", "round peg 1", 1.1, 1.7),
        ("hama2", "remove", "round peg 1", 1.1, 1.7),
    ]
    assert clips[0].sentence == "Robot insert USB, Action is insert, Object is USB."


def test_frames_of_a_recording_have_the_time_of_its_labels(recording):
    frames = list(video_frames(recording, "hama1", 10.0))
    assert [round(frame.time_s, 2) for frame in frames] == [i / 10 for i in range(20)]
    with pytest.raises(M2R2Error):
        list(video_frames(recording, "nose", 10.0))


def test_what_is_neither_a_video_nor_a_camera_is_one_line(tmp_path):
    with pytest.raises(M2R2Error, match=r"a\.avi: is no \.mp4.*ffmpeg -i a\.avi a\.mp4"):
        next(video_frames(tmp_path / "a.avi", "", 10.0))
