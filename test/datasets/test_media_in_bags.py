# SPDX-License-Identifier: Apache-2.0
"""Encoded sound and video in bags: each message needs those before it."""

from __future__ import annotations

import numpy as np
import pytest
from drivers import AUDIO_BYTES, driver_message, made, store_of
from mp3_streams import Stream, stream
from raw_bags import SECOND, read, stamp, topic_map, write

from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.common_audio import AUDIO_DATA, AUDIO_DATA_STAMPED, AUDIO_INFO
from m2r2_ros.sensing.layout import SensorLayout

SOUND = SensorLayout((), True, ())
BYTES = store_of(AUDIO_BYTES)


def info(coding="mp3", rate_hz=48_000, channels=1):
    given = {"channels": channels, "sample_rate": rate_hz, "sample_format": "S16LE"}
    return AUDIO_INFO, [driver_message(AUDIO_INFO, store=BYTES, coding_format=coding, **given)]


def of_bytes(data):
    return np.frombuffer(data, np.uint8)


def microphone(sound: Stream, without=()):
    """Messages of audio_capture, but those `without`."""
    messages = [
        driver_message(
            AUDIO_DATA_STAMPED,
            sound.stamp(k),
            BYTES,
            audio=made(AUDIO_DATA, store=BYTES, data=of_bytes(data)),
        )
        for k, data in enumerate(sound.frames)
        if k not in without
    ]
    return AUDIO_DATA_STAMPED, messages


@pytest.mark.parametrize(("where", "said"), [("/audio_info", ""), ("/of/it", "/of/it")])
def test_mp3_of_a_microphone(tmp_path, where, said):
    """Its AudioInfo beside it, or where the robot file says."""
    sound = stream(48_000, 2)
    streams = {"/mic": microphone(sound), where: info()}
    path = write(tmp_path / "bag", streams, BYTES, stamps=sound.stamp)
    found = read(path, SOUND, topic_map(audio=SensorInput("/mic", info=said)))
    assert found.problems == []
    assert found.audio[0][0] == sound.stamp(0)
    decoded = np.concatenate([samples for _, samples, _ in found.audio])
    wrong = decoded[: len(sound.sound)] - sound.sound[: len(decoded)]
    assert np.square(wrong).mean() < 0.02 * np.square(sound.sound).mean()
    assert {rate_hz for _, _, rate_hz in found.audio} == {48_000}


def test_damaged_mp3_is_counted(tmp_path):
    sound = stream(48_000)
    sound.frames[20] = b"\0" + sound.frames[20][1:]
    path = write(tmp_path / "bag", {"/mic": microphone(sound), "/audio_info": info()}, BYTES)
    found = read(path, SOUND, topic_map(audio=SensorInput("/mic")))
    assert found.problems == [
        "/mic: 1 messages cannot be read: bytes between two frames of mp3 are none"
    ]


@pytest.mark.parametrize("coding", ["mp3", "wave"])
def test_sound_without_stamps_has_just_been_heard_when_it_is_recorded(tmp_path, coding):
    sound = stream(16_000)
    data = sound.frames
    if coding == "wave":
        whole = (sound.sound[: len(sound.sound) // 160 * 160] * 2**15).astype("<i2")
        data = [row.tobytes() for row in whole.reshape(-1, 160)]
    messages = [driver_message(AUDIO_DATA, store=BYTES, data=of_bytes(each)) for each in data]
    streams = {"/mic": (AUDIO_DATA, messages), "/audio_info": info(coding, 16_000)}
    each_ns = SECOND // 100 if coding == "wave" else sound.samples * SECOND // 16_000
    path = write(
        tmp_path / "bag",
        streams,
        BYTES,
        stamps=lambda k: stamp(0) + (k + 1) * each_ns,
    )
    found = read(path, SOUND, topic_map(audio=SensorInput("/mic")))
    assert found.problems == [f"/mic: {AUDIO_DATA} has no stamp, the time of recording is taken"]
    assert found.audio[0][0] == stamp(0)
    decoded = np.concatenate([samples for _, samples, _ in found.audio])
    wrong = decoded[: len(sound.sound)] - sound.sound[: len(decoded)]
    assert np.square(wrong).mean() < 0.02 * np.square(sound.sound).mean()


def test_only_a_microphone_has_info(tmp_path):
    path = write(tmp_path / "bag", {"/mic": microphone(stream(48_000))}, BYTES)
    topics = topic_map(wrench=SensorInput("/mic", info="/info"))
    with pytest.raises(M2R2Error, match=r"signals\.wrench\.info: only the microphone has it"):
        read(path, SensorLayout((), False, ("wrench",)), topics)
