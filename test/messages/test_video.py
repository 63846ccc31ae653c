# SPDX-License-Identifier: Apache-2.0
"""Video in packets: each picture as it was, or none."""

from __future__ import annotations

from functools import cache

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ros_messages import compressed, serialised
from video_streams import video

from m2r2_ros.messages import video as video_module
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.images import COMPRESSED_IMAGE
from m2r2_ros.messages.video import VideoStream
from m2r2_ros.messages.video_packets import MAX_PACKET_BYTES, VideoPacket, video_packet
from m2r2_ros.messages.video_units import H264Numbers

made = cache(video)
CODECS = ("h264", "hevc")


@cache
def whole(codec):
    """All pictures, by a decoder that is given the whole stream."""
    decoder = av.CodecContext.create(codec, "r")
    frames = [f for data in made(codec).packets for f in decoder.decode(av.Packet(data))]
    return [frame.to_ndarray(format="rgb24") for frame in [*frames, *decoder.decode(None)]]


def decoded(stream, codec, order, shift_ns=0, change=None):
    """Number of a packet -> its picture, or why there is none."""
    found = {}
    for k in order:
        data = made(codec).packets[k]
        data = change(k, data) if change else data
        packet = VideoPacket(made(codec).stamp(k) + shift_ns, codec, data)
        try:
            found[k] = stream.decode(packet)()
        except MessageError as error:
            found[k] = str(error)
    return found


def check(codec, found, expected):
    """Those pictures are there, to the last bit, and for the others a reason."""
    assert {k for k, picture in found.items() if not isinstance(picture, str)} == set(expected)
    for k in expected:
        np.testing.assert_array_equal(found[k], whole(codec)[k])


def until_key(codec, k):
    """Packets from `k` to before the next key frame."""
    keys = made(codec).keys
    end = next((n for n in range(k, len(keys)) if keys[n]), len(keys))
    return set(range(k, end))


@pytest.mark.parametrize("codec", CODECS)
def test_each_packet_gives_its_picture_at_once(codec):
    count = len(made(codec).packets)
    found = decoded(VideoStream(), codec, range(count))
    check(codec, found, range(count))
    sent = np.array(made(codec).pictures).astype(int)
    errors = [np.abs(sent - found[k]).mean(axis=(1, 2, 3)) for k in range(count)]
    assert [int(np.argmin(error)) for error in errors] == list(range(count))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("start", [1, 5, 8, 13])
def test_a_stream_that_is_joined_late_begins_at_a_key_frame(codec, start):
    order = range(start, len(made(codec).packets))
    found = decoded(VideoStream(), codec, order)
    waits = until_key(codec, start)
    check(codec, found, set(order) - waits)
    for k in waits:
        assert found[k] == "video waits for its first key frame"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("seed", range(8))
def test_after_a_lost_packet_there_is_none_until_the_next_key_frame(codec, seed):
    count = len(made(codec).packets)
    lost = np.flatnonzero(np.random.default_rng(seed).random(count) < 0.1) + 1
    order = [k for k in range(count) if k not in lost]
    found = decoded(VideoStream(), codec, order)
    missing = set().union(*(until_key(codec, k + 1) | {k} for k in lost.tolist()))
    check(codec, found, set(order) - missing)


@pytest.mark.parametrize("codec", CODECS)
def test_a_jump_of_time_waits_for_a_key_frame(codec):
    stream = VideoStream()
    check(codec, decoded(stream, codec, range(13)), range(13))
    found = decoded(stream, codec, range(3, 20), shift_ns=-60 * 10**9)
    check(codec, found, range(8, 20))


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_forgotten_is_not_continued(codec):
    stream = VideoStream()
    decoded(stream, codec, range(3))
    stream.forget()
    check(codec, decoded(stream, codec, range(3, 12)), range(8, 12))


@pytest.mark.parametrize("codec", CODECS)
def test_another_codec_begins_anew(codec):
    stream, other = VideoStream(), CODECS[codec == "h264"]
    decoded(stream, other, range(4))
    check(codec, decoded(stream, codec, range(6)), range(6))


@pytest.mark.parametrize(
    ("codec", "options"), [("h264", {"tune": "film", "bf": "2"}), ("hevc", {"x265": ":bframes=2"})]
)
def test_pictures_in_another_order_are_named(codec, options):
    if codec == "hevc":
        options = {**options, "tune": "grain"}
    stream = VideoStream()
    for k, data in enumerate(made(codec, preset="fast", **options).packets):
        with pytest.raises(MessageError, match=r"B-frames|key frame"):
            stream.decode(VideoPacket(k * 10**7, codec, data))


@pytest.mark.parametrize("seed", range(8))
def test_a_packet_that_was_cut_gives_no_picture_until_the_next_key_frame(seed):
    """A decoder of H.265 does not notice it; a middleware cuts no messages."""
    random = np.random.default_rng(seed)
    victim = int(random.integers(1, len(made("h264").packets)))
    keep = random.uniform(0.1, 0.6)

    def change(k, data):
        return data[: max(1, int(keep * len(data)))] if k == victim else data

    count = len(made("h264").packets)
    found = decoded(VideoStream(), "h264", range(count), change=change)
    check("h264", found, set(range(count)) - until_key("h264", victim + 1) - {victim})


@given(st.sampled_from(CODECS), st.lists(st.binary(max_size=60), max_size=4), st.booleans())
def test_garbage_is_one_line(codec, packets, is_begun):
    stream = VideoStream()
    if is_begun:
        decoded(stream, codec, range(2))
    for k, data in enumerate(packets):
        for form in (data, b"\0\0\1" + data):
            try:
                stream.decode(VideoPacket(made(codec).stamp(2 + k), codec, form))
            except MessageError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["h264", "h265", "hevc", "libx264", "hevc_nvenc", "h264_vaapi"])
def test_names_of_codecs(name):
    assert VideoPacket(0, name, b"").known_codec() == ("h264" if "264" in name else "hevc")


@pytest.mark.parametrize("name", ["vp9", "av1", "mpeg4", ""])
def test_other_codecs_are_refused_with_a_remedy(name):
    with pytest.raises(MessageError, match="let its driver send h264 or h265, or pictures"):
        VideoPacket(0, name, b"").known_codec()


@pytest.mark.parametrize(
    "options", [{"profile": "high444"}, {"x264-params": "cqm=jvt:8x8dct=1", "preset": "medium"}]
)
def test_numbers_of_high_profiles(options):
    """Parameters with more entries, scaling lists among them."""
    made_of = made("h264", tune="zerolatency", **options)
    numbers = H264Numbers()
    assert [numbers.look(data).is_key for data in made_of.packets] == made_of.keys
    noted = [H264Numbers().look(data) for data in made_of.packets]
    assert [look.is_key for look in noted] == made_of.keys
    numbers = H264Numbers()
    lacking = [k for k in range(len(made_of.packets)) if k != 10]
    noted = [numbers.look(made_of.packets[k]).follows for k in lacking]
    assert [k for k, follows in zip(lacking, noted, strict=True) if not follows] == [11]


@pytest.mark.parametrize("codec", CODECS)
def test_key_frames_without_parameters_name_the_remedy(codec):
    stream, packets = VideoStream(), made(codec).packets
    start = b"\0\0\1"
    kinds = {"h264": (7, 8), "hevc": (32, 33, 34)}[codec]

    def kind(unit):
        return unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63

    bare = start.join([b"", *(u for u in packets[0].split(start)[1:] if kind(u) not in kinds)])
    with pytest.raises(MessageError, match=r"has no parameters .*repeat them with each"):
        stream.decode(VideoPacket(0, codec, bare))


@pytest.mark.parametrize("codec", CODECS)
def test_pictures_have_a_limit(codec, monkeypatch):
    monkeypatch.setattr(video_module, "MAX_PIXELS", 96 * 64 - 1)
    with pytest.raises(MessageError, match="is damaged"):
        VideoStream().decode(VideoPacket(0, codec, made(codec).packets[0]))


def test_packets_have_a_limit():
    """And are not empty: an encoder that has nothing to say sends nothing."""
    for size in (0, MAX_PACKET_BYTES + 1):
        message = serialised(compressed(7, "h264", bytes(size)))
        with pytest.raises(MessageError, match=f"a packet of video of {size} bytes; the limit is"):
            video_packet(COMPRESSED_IMAGE, message)


def test_a_picture_that_no_other_needs_may_be_missing():
    """Its number comes again. Parameters and pictures are written by hand."""
    pack = lambda kind, bits: bytes([kind]) + int(bits.ljust(64, "1"), 2).to_bytes(8, "big")  # noqa: E731
    # Profile 66, level 30, then ue(v): identity 0, 4 bits of a number, order 2, one reference; gaps
    # are not allowed.
    sequence = pack(0x67, f"{66:08b}{0:08b}{30:08b}" + "1" + "1" + "011" + "010" + "0")
    picture = pack(0x68, "11")
    parameters = b"\0\0\1" + sequence + b"\0\0\1" + picture

    def a_slice(kind, number):
        return b"\0\0\1" + pack(kind, "1" + "1" + "1" + f"{number:04b}")

    sent = [parameters + a_slice(0x65, 0), a_slice(0x41, 1), a_slice(0x01, 2), a_slice(0x01, 2)]
    sent += [a_slice(0x41, 2), a_slice(0x41, 3)]
    for lacking in ((), (2,), (3,), (2, 3)):
        numbers = H264Numbers()
        looks = [numbers.look(data) for k, data in enumerate(sent) if k not in lacking]
        assert all(look.follows for look in looks)
    numbers = H264Numbers()
    assert [numbers.look(sent[k]).follows for k in (0, 1, 5)] == [True, True, False]
