# SPDX-License-Identifier: Apache-2.0
"""From a damaged file to features: what is broken is masked, and NaN never comes out."""

import numpy as np
import pytest
import torch
from recordings import recording

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import AudioTrack, SignalTrack, VideoTrack
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.inference.encoder_inputs import WindowPacker
from m2r2_ros.networks.m2r2 import M2R2, M2R2Config
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.training.recordings import labelled_windows

LAYOUT = REASSEMBLE_LAYOUT
TINY = M2R2Config(
    feature_dimension=8, image_size=32, image_stages=2, image_cells=2, audio_width=8, heads=2
)
DURATION_S = 4.0
# All damage begins here.
BROKEN_S = 2.0


def nan_from(track: SignalTrack, seconds: float) -> SignalTrack:
    values = track.values.copy()
    values[track.times_s >= seconds, 0] = np.nan
    return SignalTrack(track.times_s, values)


def stopped(track: SignalTrack, seconds: float) -> SignalTrack:
    kept = track.times_s < seconds
    return SignalTrack(track.times_s[kept], track.values[kept])


def damage_wrench(data):
    for name in data.signals:
        if "force" in name or "torque" in name:
            data.signals[name] = nan_from(data.signals[name], BROKEN_S)


def stop_gripper(data):
    for name in data.signals:
        if "gripper" in name:
            data.signals[name] = stopped(data.signals[name], BROKEN_S)


def stop_audio(data):
    for name, track in data.audio.items():
        kept = track.samples[: round(BROKEN_S * track.rate_hz)]
        data.audio[name] = AudioTrack(kept, track.rate_hz)


def stop_camera(data):
    track = data.videos["hama2"]
    count = int((track.times_s < BROKEN_S).sum())
    data.videos["hama2"] = VideoTrack(track.times_s[:count], track.frames[:count])


DAMAGE = {
    "wrench": damage_wrench,
    "gripper": stop_gripper,
    "audio": stop_audio,
    "hama2": stop_camera,
}


@pytest.fixture(scope="module")
def encoder() -> M2R2:
    torch.manual_seed(0)
    return M2R2(LAYOUT, TINY).eval()


def encoded(path, encoder):
    """(window, feature) of a recording."""
    with open_source(path) as source, torch.no_grad():
        pack = WindowPacker(LAYOUT)
        for window in windows(source, LAYOUT):
            inputs = {name: torch.from_numpy(value) for name, value in pack([window]).items()}
            yield window, encoder(inputs)[0].numpy()


@pytest.fixture(scope="module")
def whole(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.h5"
    write_recording(path, recording(DURATION_S))
    return list(encoded(path, encoder))


@pytest.mark.parametrize("modality", DAMAGE)
def test_what_breaks_is_masked_and_the_rest_goes_on(modality, encoder, whole, tmp_path):
    data = recording(DURATION_S)
    DAMAGE[modality](data)
    write_recording(tmp_path / "damaged.h5", data)
    found = list(encoded(tmp_path / "damaged.h5", encoder))
    assert len(found) == len(whole)
    broken_ns = whole[0][0].start_ns + round(BROKEN_S * 1e9)
    for (window, feature), (_, expected) in zip(found, whole, strict=True):
        assert np.isfinite(feature).all()
        others = [there for name, there in window.mask.items() if name != modality]
        assert all(others) or window.index == 0
        if window.end_ns < broken_ns:
            assert window.mask[modality]
            np.testing.assert_array_equal(feature, expected)
    assert not any(window.mask[modality] for window, _ in found[-10:])


def test_all_of_it_at_once_still_gives_features(encoder, tmp_path):
    data = recording(DURATION_S)
    for damage in DAMAGE.values():
        damage(data)
    write_recording(tmp_path / "damaged.h5", data)
    found = list(encoded(tmp_path / "damaged.h5", encoder))
    assert np.isfinite([feature for _, feature in found]).all()
    assert sorted(name for name, there in found[-1][0].mask.items() if there) == [
        "hama1", "pose", "twist"
    ]  # fmt: skip


def test_training_says_what_a_recording_lacks(tmp_path, caplog):
    data = recording(DURATION_S)
    path = tmp_path / f"{data.name}.h5"
    write_recording(path, data)
    there = {"hama1": "/hama1/image_raw/compressed", "wrench": "/wrist/wrench"}
    for topic, said in (("/wrist/wrench", []), ("/wrist/wrnch", ["no topic /wrist/wrnch"])):
        robot = Deployment(topics=TopicMap(there | {"wrench": topic}), reference_camera="hama1")
        assert list(labelled_windows(path, REASSEMBLE_LAYOUT, robot=robot))
        lines = [record.getMessage() for record in caplog.records]
        assert [line for line in lines if "/wrench" in line or "wrnch" in line][:1] == [
            f"{data.name}: {text} for 'wrench' (did you mean '/wrist/wrench'?)" for text in said
        ]
        caplog.clear()
