# SPDX-License-Identifier: Apache-2.0
"""MP4 and MP3 payloads: what goes in comes out, in time; what is broken is one line."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from recordings import audio, video

from m2r2_ros.datasets import media
from m2r2_ros.datasets.media import (
    MediaError,
    decode_audio,
    decode_video,
    encode_audio,
    encode_png,
    encode_video,
)
from m2r2_ros.messages.av_frames import rgb


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_impulse_stays_where_it_was(rate_hz, channels):
    """Encoder and decoder delay (some 25 ms) are cut off: sample 0 is time 0."""
    samples = np.zeros((3 * rate_hz, channels), np.float32)
    places = [rate_hz // 10, rate_hz, 2 * rate_hz + 777]
    samples[places] = 0.9
    decoded, decoded_rate = decode_audio(encode_audio(samples, rate_hz))
    assert decoded.shape == samples.shape and decoded_rate == rate_hz
    assert decoded.dtype == np.float32
    window = rate_hz // 20
    for place in places:
        loudest = place - window + np.abs(decoded[place - window : place + window, 0]).argmax()
        assert abs(loudest - place) / rate_hz < 1e-3


def test_a_tone_survives():
    track = audio(channels=2)
    decoded, _ = decode_audio(encode_audio(track.samples, track.rate_hz))
    heard, played = decoded[4800:-4800, 1], track.samples[4800:-4800, 1]
    # LAME turns low bit rates down by 5 %.
    assert np.corrcoef(heard, played)[0, 1] > 0.9999
    assert heard.std() / played.std() == pytest.approx(0.95, abs=0.02)


def test_frames_come_back_in_number_and_order():
    track = video()
    payload, count = encode_video(track.frames, 30)
    decoded = [rgb(frame) for frame in decode_video(payload)]
    assert count == len(decoded) == len(track.times_s)
    levels = [float(frame.mean()) for frame in decoded]
    np.testing.assert_allclose(levels, [(4 * k) % 256 for k in range(count)], atol=3)


def test_red_is_red():
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 220
    (frame,) = decode_video(encode_video([red], 30)[0])
    assert rgb(frame).dtype == np.uint8
    assert np.abs(rgb(frame).astype(int) - red).max() < 8


@pytest.mark.parametrize("odd", [0, 2.5, 29.97, 1000 / 33])
def test_any_frame_rate(odd):
    frames = video(0.2).frames
    assert sum(1 for _ in decode_video(encode_video(frames, odd or 1)[0])) == len(frames)


@pytest.mark.parametrize("size", [(1, 1), (48, 64), (31, 33)])
def test_png_is_exact(size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    with Image.open(io.BytesIO(encode_png(picture))) as image:
        assert image.format == "PNG" and image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), picture)


def test_what_cannot_be_encoded():
    with pytest.raises(MediaError, match="at least one frame"):
        encode_video([], 30)
    with pytest.raises(MediaError, match="frame 1 is uint8"):
        encode_video([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)], 30)
    with pytest.raises(MediaError, match="no sample rate 96000 Hz"):
        encode_audio(np.zeros((10, 1), np.float32), 96_000)
    with pytest.raises(MediaError, match=r"\(N, 2\)"):
        encode_audio(np.zeros((10, 3), np.float32), 48_000)


PAYLOADS = {
    "video": encode_video(video(0.5).frames, 30)[0],
    "audio": encode_audio(audio(0.5).samples, 48_000),
}


def read(kind, payload):
    if kind == "audio":
        return len(decode_audio(payload)[0])
    return sum(rgb(frame).size for frame in decode_video(payload))


@pytest.mark.parametrize("kind", PAYLOADS)
@pytest.mark.parametrize("payload", [b"", b"no media", bytes(1000)])
def test_no_media(kind, payload):
    with pytest.raises(MediaError):
        read(kind, payload)


def test_the_wrong_kind():
    with pytest.raises(MediaError, match=r"is mp3, not mp4|no video"):
        read("video", PAYLOADS["audio"])
    with pytest.raises(MediaError, match="not mp3"):
        read("audio", PAYLOADS["video"])


@settings(max_examples=120, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.sampled_from(list(PAYLOADS)), st.data())
def test_damage_raises_media_errors_only(kind, data):
    payload = bytearray(PAYLOADS[kind][: data.draw(st.integers(0, len(PAYLOADS[kind])))])
    for _ in range(data.draw(st.integers(0, 8))):
        if payload:
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(kind, bytes(payload))
    except MediaError as error:
        assert "\n" not in str(error)


def test_limits(monkeypatch):
    monkeypatch.setattr(media, "MAX_PIXELS", 1000)
    with pytest.raises(MediaError, match="the limit is 1000 pixels"):
        read("video", PAYLOADS["video"])
    monkeypatch.setattr(media, "MAX_AUDIO_VALUES", 1000)
    with pytest.raises(MediaError, match="more than 1000 values"):
        read("audio", PAYLOADS["audio"])
    monkeypatch.undo()
    monkeypatch.setattr(media, "MAX_FRAMES", 5)
    with pytest.raises(MediaError, match="more than 5 frames"):
        read("video", PAYLOADS["video"])


_ENCODE = """
import hashlib, numpy
from m2r2_ros.datasets.media import encode_video
rng = numpy.random.default_rng(0)
still = rng.integers(0, 200, (14, 14, 3), dtype=numpy.uint8).repeat(16, 0).repeat(16, 1)
noise = rng.integers(0, 4, (16, 224, 224, 1), dtype=numpy.uint8)
frames = (numpy.roll(still, 2 * (i // 8), 0) + noise[i % 16] for i in range(60))
print(hashlib.sha256(encode_video(frames, 10.0)[0]).hexdigest())
"""


def test_video_does_not_depend_on_what_memory_held_before():
    digests = set()
    for filling in ("0", "1", "170"):
        environment = {**os.environ, "MALLOC_PERTURB_": filling}  # of every block, by the C library
        command = [sys.executable, "-c", _ENCODE]
        digests.add(
            subprocess.run(command, env=environment, capture_output=True, check=True).stdout
        )
    assert len(digests) == 1
