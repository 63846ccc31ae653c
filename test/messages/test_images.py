# SPDX-License-Identifier: Apache-2.0
"""Pictures from Image and CompressedImage messages."""

import io
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from ros_messages import compressed, image, serialised

from m2r2_ros.messages import images
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.images import COMPRESSED_IMAGE, IMAGE, decode_image

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)


def as_encoding(picture, encoding):
    alpha = np.full((*picture.shape[:2], 1), 200, np.uint8)
    return {
        "rgb8": picture,
        "bgr8": picture[..., ::-1],
        "rgba8": np.concatenate([picture, alpha], 2),
        "bgra8": np.concatenate([picture[..., ::-1], alpha], 2),
        "mono8": picture[..., :1],
        # What cv_bridge's cv2_to_imgmsg(x) says of OpenCV's arrays, without an encoding named.
        "8UC3": picture[..., ::-1],
        "8UC4": np.concatenate([picture[..., ::-1], alpha], 2),
        "8UC1": picture[..., :1],
    }[encoding]


GREY = ("mono8", "8UC1")
ENCODINGS = ("rgb8", "bgr8", "rgba8", "bgra8", "8UC3", "8UC4", *GREY)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("is_bigendian", [0, 1])
def test_raw_images(encoding, padding, little, is_bigendian):
    pixels = as_encoding(PICTURE, encoding)
    step = pixels.shape[1] * pixels.shape[2] + padding
    message = serialised(image(42, encoding, pixels, step, is_bigendian), little)
    stamp_ns, picture = decode_image(IMAGE, message)
    expected = np.repeat(PICTURE[..., :1], 3, 2) if encoding in GREY else PICTURE
    assert stamp_ns == 42
    np.testing.assert_array_equal(picture(), expected)
    assert picture().dtype == np.uint8 and picture().flags.c_contiguous


def png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(picture, **options):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=100, subsampling=0, **options)
    return buffer.getvalue()


def test_png_is_exact():
    stamp_ns, picture = decode_image(
        COMPRESSED_IMAGE, serialised(compressed(7, "png", png(PICTURE)))
    )
    assert stamp_ns == 7
    np.testing.assert_array_equal(picture(), PICTURE)


def test_jpeg_and_grey_become_rgb():
    smooth = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    message = serialised(compressed(7, "bgr8; jpeg compressed bgr8", jpeg(smooth)))
    assert np.abs(decode_image(COMPRESSED_IMAGE, message)[1]().astype(int) - smooth).max() < 5
    grey = serialised(compressed(7, "mono8; jpeg compressed ", jpeg(smooth[..., 0])))
    assert decode_image(COMPRESSED_IMAGE, grey)[1]().shape == (16, 16, 3)


def test_nothing_is_decoded_before_it_is_asked_for():
    message = serialised(compressed(7, "png", b"this is no picture"))
    stamp_ns, picture = decode_image(COMPRESSED_IMAGE, message)
    assert stamp_ns == 7
    with pytest.raises(MessageError, match="neither PNG nor JPEG"):
        picture()


def sixteen_bit():
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (png(PICTURE)[:80], "damaged"),
        (jpeg(PICTURE)[:200], "damaged"),
        (sixteen_bit(), "not 8-bit colour"),
        (png(np.zeros((5000, 5000, 3), np.uint8)), "limit"),
    ],
    ids=["truncated png", "truncated jpeg", "16 bit", "too large"],
)
def test_bad_pictures_are_one_line(data, text):
    _, picture = decode_image(COMPRESSED_IMAGE, serialised(compressed(0, "png", data)))
    with pytest.raises(MessageError, match=text) as caught:
        picture()
    assert "\n" not in str(caught.value)


def test_images_that_contradict_themselves():
    def refused(text, **changes):
        fields = {"encoding": "rgb8", "array": PICTURE, "step": 21} | changes
        message = image(0, **fields)
        with pytest.raises(MessageError, match=text):
            decode_image(IMAGE, serialised(message))

    refused("need more", encoding="rgba8")
    with pytest.raises(MessageError, match="too short"):
        decode_image(IMAGE, serialised(image(0, "rgb8", PICTURE, 21))[:-1])
    with pytest.raises(MessageError, match="5 rows need 2000000"):
        message = image(0, "rgb8", PICTURE, 21)
        message.step = 400_000
        decode_image(IMAGE, serialised(message))
    for width, height in ((0, 5), (1 << 31, 1 << 31)):
        message = image(0, "rgb8", PICTURE, 21)
        message.width, message.height = width, height
        with pytest.raises(MessageError, match="the limit is"):
            decode_image(IMAGE, serialised(message))
    with pytest.raises(MessageError, match="cannot read pictures from std_msgs/msg/String"):
        decode_image("std_msgs/msg/String", b"")


def bayer():
    return serialised(image(3, "bayer_rggb8", PICTURE[..., :1], 7))


def test_other_encodings_need_cv_bridge(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    stamp_ns, picture = decode_image(IMAGE, bayer())
    assert stamp_ns == 3
    with pytest.raises(MessageError, match=r"'bayer_rggb8' needs the ROS package cv_bridge"):
        picture()


def test_other_encodings_go_through_cv_bridge(monkeypatch):
    class CvBridge:
        def imgmsg_to_cv2(self, message, desired_encoding):
            assert (message.encoding, desired_encoding) == ("bayer_rggb8", "rgb8")
            grey = np.asarray(message.data).reshape(message.height, message.step)
            return np.repeat(grey[..., None], 3, axis=2)

    module = types.ModuleType("cv_bridge")
    module.CvBridge = CvBridge
    monkeypatch.setitem(sys.modules, "cv_bridge", module)
    picture = decode_image(IMAGE, bayer())[1]()
    np.testing.assert_array_equal(picture, np.repeat(PICTURE[..., :1], 3, 2))

    module.CvBridge.imgmsg_to_cv2 = lambda *_: 1 / 0
    with pytest.raises(MessageError, match="cv_bridge cannot read 'bayer_rggb8'"):
        decode_image(IMAGE, bayer())[1]()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_raise_message_errors_only(data):
    raw = serialised(image(1, "rgb8", PICTURE, 21))
    packed = serialised(compressed(1, "png", png(PICTURE)))
    type_name, whole = data.draw(st.sampled_from([(IMAGE, raw), (COMPRESSED_IMAGE, packed)]))
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode_image(type_name, bytes(broken))[1]()
    except MessageError:
        return
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.size <= 3 * images.MAX_PIXELS
