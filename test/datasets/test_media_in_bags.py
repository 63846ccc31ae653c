# SPDX-License-Identifier: Apache-2.0
"""Encoded sound and video in bags: each message needs those before it."""

from __future__ import annotations

import numpy as np
import pytest
from drivers import AUDIO_BYTES, FILES, PACKET, VIDEO, driver_message, made, store_of
from mp3_streams import Stream, stream
from raw_bags import SECOND, read, stamp, topic_map, write
from rosbags.rosbag2 import StoragePlugin, Writer
from video_streams import video

from m2r2_ros.datasets.recording_source import SensorBatch
from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.source import open_source
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.camera import CameraDecoder
from m2r2_ros.messages.cdr import stamp_ns
from m2r2_ros.messages.common_audio import AUDIO_DATA, AUDIO_DATA_STAMPED, AUDIO_INFO
from m2r2_ros.messages.images import COMPRESSED_IMAGE
from m2r2_ros.messages.types import THEORA
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.picture import reduced

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


def packets(kind, stream, store, without=()):
    """Messages of a camera that sends video, but those `without`."""
    found = []
    for k, data in enumerate(stream.packets):
        if k in without:
            continue
        given = {"data": of_bytes(data)}
        given |= {PACKET: {"encoding": f"{stream.codec};yuv420p;bgr8;bgr8"}}.get(
            kind, {"format": NAMES[stream.codec]}
        )
        found.append(driver_message(kind, stream.stamp(k), store, **given))
    return kind, found


NAMES = {"h264": "h264", "hevc": "h265"}
CAMERA, VIDEOS = SensorLayout(("front",), False, ()), store_of(FILES)


@pytest.mark.parametrize("codec", NAMES)
@pytest.mark.parametrize("kind", [PACKET, VIDEO, COMPRESSED_IMAGE])
def test_video_of_a_camera(tmp_path, kind, codec):
    stream = video(codec, count=12, gop=6)
    lost = (3,)
    path = write(
        tmp_path / "bag", {"/eye": packets(kind, stream, VIDEOS, lost)}, VIDEOS, stamps=stream.stamp
    )
    found = read(path, CAMERA, topic_map(front=SensorInput("/eye")))
    assert [at for _, at, _ in found.images] == [stream.stamp(k) for k in (0, 1, 2, *range(6, 12))]
    sent = np.array(stream.pictures).astype(int)
    nearest = [
        np.abs(sent - picture).mean(axis=(1, 2, 3)).argmin() for _, _, picture in found.images
    ]
    assert nearest == [0, 1, 2, *range(6, 12)]
    (problem,) = found.problems
    why = (
        "a packet of the video was lost" if codec == "h264" else "a packet of the video is damaged"
    )
    assert problem.startswith(f"/eye: 2 messages cannot be read: {why}")


@pytest.mark.parametrize("storage", list(StoragePlugin))
@pytest.mark.parametrize("codec", NAMES)
def test_a_stretch_of_video_and_mp3_is_what_reading_all_of_it_gives(tmp_path, codec, storage):
    moving, sound = video(codec, count=60, gop=25), stream(48_000, seconds=2.5)
    store = store_of(FILES | AUDIO_BYTES)
    streams = {
        "/eye": packets(VIDEO, moving, store, without=(7, 41)),
        "/mic": microphone(sound),
        "/audio_info": info(),
    }
    path = tmp_path / "bag"
    with Writer(path, version=9, storage_plugin=storage) as writer:
        for topic, (kind, messages) in streams.items():
            connection = writer.add_connection(topic, kind, typestore=store)
            for message in messages:
                at = stamp_ns(message) if topic != "/audio_info" else moving.stamp(0)
                writer.write(connection, at, message)
    layout = SensorLayout(("front",), True, ())
    topics = topic_map(front=SensorInput("/eye"), audio=SensorInput("/mic"))
    random = np.random.default_rng(5)
    with open_source(path, topics) as source:
        whole = SensorBatch()
        for batch in source.batches(layout):
            whole.images += batch.images
            whole.audio += batch.audio
        for _ in range(8):
            span = moving.stamp(0) + np.sort(random.integers(-SECOND, 3 * SECOND, 2))
            got, want = source.between(layout, *span.tolist()), whole.cut(*span.tolist())
            assert [frame[:2] for frame in got.images] == [frame[:2] for frame in want.images]
            for one, other in zip(got.images, want.images, strict=True):
                np.testing.assert_array_equal(one[2](), other[2]())
            assert [(at, rate) for at, _, rate in got.audio] == [
                (at, rate) for at, _, rate in want.audio
            ]
            for one, other in zip(got.audio, want.audio, strict=True):
                np.testing.assert_array_equal(one[1], other[1])


def test_theora_names_the_remedy(tmp_path):
    store = store_of({THEORA: "std_msgs/Header header\nuint8[] data"})
    path = write(
        tmp_path / "bag", {"/eye/theora": (THEORA, [driver_message(THEORA, 1, store)])}, store
    )
    with pytest.raises(M2R2Error) as caught:
        read(path, CAMERA, topic_map(front=SensorInput("/eye/theora")))
    line = str(caught.value)
    assert "/eye/theora" in line and line.endswith("; let its driver send `compressed`")


def test_the_windows_of_a_video_are_those_of_its_pictures(tmp_path):
    """As `m2r2 extract` builds them, and with small pictures in the place of large ones."""
    stream = video("h264", count=12, gop=6)
    path = write(
        tmp_path / "bag", {"/eye": packets(VIDEO, stream, VIDEOS)}, VIDEOS, stamps=stream.stamp
    )
    builder = WindowBuilder(CAMERA, max_pixels=48 * 32)
    with open_source(path, topic_map(front=SensorInput("/eye"))) as source:
        for batch in source.batches(CAMERA):
            for camera, at, picture in batch.images:
                builder.add_image(camera, at, picture)
    windows = builder.poll() + builder.flush()
    decoder = CameraDecoder()
    _, messages = packets(VIDEO, stream, VIDEOS)
    whole = {at: picture() for at, picture in (decoder.decode(VIDEO, each) for each in messages)}
    assert len(windows) > 3
    for window in windows:
        newest = max(at for at in whole if at <= window.end_ns)
        np.testing.assert_array_equal(window.images["front"], reduced(whole[newest], 48 * 32))
