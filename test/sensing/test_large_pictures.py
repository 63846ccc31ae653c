# SPDX-License-Identifier: Apache-2.0
"""Pictures that are far too large become smaller once; all that waits stays within its bytes."""

from __future__ import annotations

import io
import random
import zlib

import numpy as np
import pytest
from PIL import Image
from ros_messages import compressed, image, serialised
from sensor_rig import EPOCH, MS, SECOND, content

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.images import COMPRESSED_IMAGE, IMAGE, decode_image
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.picture import Picture, reduced, reduction

# 64 times the pixels of an encoder of 128 x 128, which ships.
MAX_PIXELS = 64 * 128 * 128
LAYOUT = SensorLayout(cameras=("near", "far"), audio=False, signals=())
CHANNELS = {"rgb8": [0, 1, 2], "bgr8": [2, 1, 0], "rgba8": [0, 1, 2, 2], "mono8": [0]}
SIZES = [(3000, 4000), (1080, 1920), (2001, 1999), (4096, 4096), (1, 2_000_000), (1025, 1024)]


def sized(chance: random.Random) -> tuple[int, int, int]:
    """A size and a limit that it exceeds."""
    height, width = chance.randint(1, 90), chance.randint(1, 90)
    return height, width, chance.randint(1, height * width)


def means(pixels: np.ndarray, down: int, across: int) -> np.ndarray:
    """What `reduced` promises, by floating point: exact, since sums are far below 2^53."""
    rows, columns = pixels.shape[0] // down, pixels.shape[1] // across
    blocks = pixels[: rows * down, : columns * across].astype(float)
    blocks = blocks.reshape(rows, down, columns, across, -1)
    return np.floor(blocks.mean((1, 3)) + 0.5).astype(np.uint8)


@pytest.mark.parametrize("seed", range(60))
def test_a_picture_is_divided_by_the_least_whole_number(seed):
    chance = random.Random(seed)
    height, width, limit = sized(chance)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    down, across = reduction(height, width, limit)
    small = reduced(pixels, limit)
    assert small.shape[0] * small.shape[1] <= limit
    np.testing.assert_array_equal(small, means(pixels, down, across))
    factor = max(down, across)
    if factor > 1:
        before = factor - 1
        assert (height // min(before, height)) * (width // min(before, width)) > limit


@pytest.mark.parametrize("seed", range(60))
def test_a_raw_message_gives_what_its_pixels_give(seed):
    """Whatever the encoding and the padding of the rows: as a recording's decoded frame."""
    chance, random_ = random.Random(seed), np.random.default_rng(seed)
    height, width, limit = sized(chance)
    encoding = chance.choice(list(CHANNELS))
    sent = random_.integers(0, 256, (height, width, 3), np.uint8)
    pixels = sent[..., CHANNELS[encoding]]
    step = width * pixels.shape[2] + chance.choice((0, 5))
    message = serialised(image(7, encoding, pixels, step))
    picture = decode_image(IMAGE, message)[1]
    plain = np.repeat(sent[..., :1], 3, 2) if encoding == "mono8" else sent
    np.testing.assert_array_equal(picture.decode(limit)[0], reduced(plain, limit))
    np.testing.assert_array_equal(picture(), plain)
    assert picture.decode(limit)[1] == (height, width)


@pytest.mark.parametrize("limit", [None, MAX_PIXELS, 200_000, 90_000])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_compressed_message_has_the_size_and_the_look_of_a_raw_one(kind, limit):
    rows, columns = np.mgrid[0:1203, 0:1605]
    sent = np.stack([rows / 5, columns / 7, (rows + columns) / 11], 2).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(sent).save(buffer, kind, quality=95)
    message = serialised(compressed(7, kind.lower(), buffer.getvalue()))
    pixels, size = decode_image(COMPRESSED_IMAGE, message)[1].decode(limit)
    assert size == sent.shape[:2]
    expected = reduced(sent, limit)
    assert pixels.shape == expected.shape
    difference = np.abs(pixels.astype(int) - expected)
    # A JPEG is an approximation, in decoding at a smaller size, too.
    assert difference.mean() < (1.0 if kind == "JPEG" else 1e-9)


def windows_of(frames, **options):
    builder = WindowBuilder(LAYOUT, max_pixels=MAX_PIXELS, **options)
    for name, stamp, frame in frames:
        builder.add_image(name, stamp, frame)
    return builder, builder.poll() + builder.flush()


def raw(pixels: np.ndarray) -> Picture:
    message = serialised(image(7, "rgb8", pixels, pixels.shape[1] * 3))
    return decode_image(IMAGE, message)[1]


@pytest.mark.parametrize("size", SIZES)
def test_live_and_offline_have_the_same_smaller_picture(size):
    """Live brings messages, a bag as well, an .h5 file functions that give pixels."""
    pixels = np.random.default_rng(zlib.crc32(bytes(str(size), "ascii"))).integers(
        0, 256, (*size, 3), np.uint8
    )
    seen = []
    for frame in (raw(pixels), lambda: pixels, pixels):
        frames = [("near", EPOCH + k * 100 * MS, frame) for k in range(4)]
        builder, windows = windows_of(frames)
        seen.append(content(windows))
        assert windows[0].images["near"].shape[:2] == reduced(pixels, MAX_PIXELS).shape[:2]
        assert builder.counters.streams["near"].reduced > 0
        assert f"{size[1]} x {size[0]}" in builder.counters.streams["near"].notice
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("size", [(720, 1280), (480, 640), (1024, 1024), (8, 8)])
def test_all_others_are_the_pixels_that_were_sent(size):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    builder, windows = windows_of([("near", EPOCH + k * 100 * MS, raw(pixels)) for k in range(4)])
    np.testing.assert_array_equal(windows[0].images["near"], pixels)
    assert builder.counters.streams["near"].reduced == 0
    assert builder.counters.streams["near"].notice == ""


def test_twelve_megapixels_wait_as_few_bytes():
    """12 MP at 3 Hz beside a small camera: what is held stays small, and nothing is lost."""
    message = serialised(image(7, "rgb8", np.zeros((3000, 4000, 3), np.uint8), 12_000))
    small = np.zeros((48, 64, 3), np.uint8)
    builder = WindowBuilder(LAYOUT, reference_camera="near", max_pixels=MAX_PIXELS)
    largest, count = 0, 0
    for tick in range(60):
        stamp = EPOCH + tick * 100 * MS
        builder.add_image("near", stamp, small)
        if tick % 3 == 0:
            builder.add_image("far", stamp, decode_image(IMAGE, message)[1])
        largest = max(largest, builder.budget.held_bytes)
        count += len(builder.poll())
    assert largest < 10_000_000
    assert count > 55
    assert builder.counters.streams["far"].dropped == 0
    assert builder.counters.streams["far"].notice.startswith("pictures of 4000 x 3000")


@pytest.mark.parametrize("seed", range(50))
def test_what_waits_never_takes_more_than_the_bound(seed):
    """Cameras of any sizes and rates, one of which stops the windows: bytes are what bounds them.

    Frames that are lost are those of the camera that takes the most, and all of them are counted.
    """
    chance = random.Random(seed)
    bound = chance.choice((16.0, 20.0, 40.0))
    limits = SensingLimits(buffer_mb=bound)
    builder = WindowBuilder(LAYOUT, limits, max_pixels=MAX_PIXELS)
    sizes = {name: chance.choice((5_000, 100_000, 900_000)) for name in LAYOUT.cameras}
    added = dict.fromkeys(sizes, 0)
    for tick in range(200):
        for name, nbytes in sizes.items():
            frame = np.zeros((1, nbytes // 3, 3), np.uint8)
            lazy = Picture(lambda _, f=frame: (f, f.shape[:2]), nbytes)
            # The far camera is an hour behind, which no window waits for.
            late = -3600 * SECOND if name == "far" and chance.random() < 0.9 else 0
            builder.add_image(name, EPOCH + tick * 10 * MS + late, chance.choice((frame, lazy)))
            added[name] += 1
            assert builder.budget.held_bytes <= bound / 2 * 1e6
        if chance.random() < 0.02:
            builder.poll()
            assert builder.budget.held_bytes <= bound / 2 * 1e6
    builder.poll()
    counters = builder.counters.streams
    assert {name: counters[name].received for name in sizes} == added
    if sizes["near"] > sizes["far"] * 2:
        assert counters["far"].dropped <= counters["near"].dropped


def test_a_camera_with_large_frames_costs_itself_not_the_others():
    builder = WindowBuilder(LAYOUT, SensingLimits(buffer_mb=16.0))
    for tick in range(50):
        builder.add_image("near", EPOCH + tick * 10 * MS, np.zeros((10, 10, 3), np.uint8))
        builder.add_image("far", EPOCH + tick * 10 * MS, np.zeros((700, 1000, 3), np.uint8))
    assert builder.counters.streams["near"].dropped == 0
    assert builder.counters.streams["far"].dropped == 50 - 3


@pytest.mark.parametrize(
    "values",
    [
        {"buffer_s": 600.0, "max_signal_rate_hz": 100_000.0},
        {"buffer_s": 600.0, "max_audio_rate_hz": 1_000_000.0},
        {"buffer_mb": 16.0},
    ],
)
def test_limits_that_need_more_memory_than_they_allow_are_refused(values):
    with pytest.raises(M2R2Error, match="buffer_mb"):
        WindowBuilder(REASSEMBLE_LAYOUT, SensingLimits(**values))


def test_a_frame_that_waits_elsewhere_is_made_smaller_before():
    builder = WindowBuilder(LAYOUT, max_pixels=MAX_PIXELS)
    large = raw(np.zeros((3000, 4000, 3), np.uint8))
    small = raw(np.zeros((480, 640, 3), np.uint8))
    assert builder.fitted("near", large).shape == (750, 1000, 3)
    assert builder.fitted("near", small) is small
    broken = Picture(lambda most: (np.zeros(3), (1, 1)), large.nbytes)
    assert builder.fitted("near", broken) is None
    assert builder.counters.streams["near"].rejected["undecodable"] == 1
