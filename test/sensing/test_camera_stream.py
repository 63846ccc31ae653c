# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from sensor_rig import EPOCH, MS

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout(cameras=("front", "side"), audio=False, signals=())


def frame(value: int) -> np.ndarray:
    return np.full((2, 3, 3), value, np.uint8)


def front(builder: WindowBuilder, count: int = 11) -> None:
    for k in range(count):
        builder.add_image("front", EPOCH + k * 100 * MS, frame(k))


def shown(windows, name: str) -> list[int | None]:
    return [int(w.images[name][0, 0, 0]) if w.mask[name] else None for w in windows]


def test_a_window_shows_the_newest_frame_not_after_its_end():
    builder = WindowBuilder(LAYOUT)
    front(builder, 5)
    for k, stamp in enumerate([0, 99, 100, 150, 301, 399]):
        builder.add_image("side", EPOCH + stamp * MS, frame(50 + k))
    windows = builder.poll() + builder.flush()
    assert shown(windows, "front") == [1, 2, 3, 4]
    assert shown(windows, "side") == [52, 53, 53, 55]


def test_a_frame_is_held_until_it_is_too_old():
    builder = WindowBuilder(LAYOUT)
    front(builder)
    builder.add_image("side", EPOCH + 100 * MS, frame(7))
    windows = builder.poll() + builder.flush()
    assert shown(windows, "side") == [7, 7, 7, 7, 7, 7, None, None, None, None]
    assert builder.counters.streams["side"].masked == 4


def test_only_frames_that_are_shown_are_decoded():
    builder = WindowBuilder(LAYOUT)
    front(builder)
    decoded = []

    def decoder(k: int):
        return lambda: decoded.append(k) or frame(k)

    for k in range(100):
        builder.add_image("side", EPOCH + k * 10 * MS, decoder(k))
    windows = builder.poll() + builder.flush()
    assert decoded == shown(windows, "side") == [10, 20, 30, 40, 50, 60, 70, 80, 90, 99]


def test_a_held_frame_is_decoded_once():
    builder = WindowBuilder(LAYOUT)
    front(builder, 5)
    calls = []
    builder.add_image("side", EPOCH, lambda: calls.append(1) or frame(1))
    assert shown(builder.poll() + builder.flush(), "side") == [1, 1, 1, 1]
    assert len(calls) == 1


def broken() -> np.ndarray:
    raise M2R2Error("not a JPEG")


@pytest.mark.parametrize("bad", [broken, lambda: None, lambda: np.zeros((2, 2), np.uint8)])
def test_a_frame_that_cannot_be_decoded_leaves_the_older_one(bad):
    builder = WindowBuilder(LAYOUT)
    front(builder, 4)
    builder.add_image("side", EPOCH + 50 * MS, frame(1))
    builder.add_image("side", EPOCH + 180 * MS, bad)
    builder.add_image("side", EPOCH + 190 * MS, bad)
    assert shown(builder.poll() + builder.flush(), "side") == [1, 1, 1]
    assert builder.counters.streams["side"].rejected == {"undecodable": 2}


def test_a_reference_frame_that_cannot_be_decoded_still_ends_its_window():
    builder = WindowBuilder(LAYOUT)
    front(builder, 3)
    builder.add_image("front", EPOCH + 300 * MS, broken)
    builder.add_image("front", EPOCH + 400 * MS, frame(4))
    windows = builder.poll() + builder.flush()
    assert shown(windows, "front") == [1, 2, 2, 4]
    assert [w.end_ns - w.start_ns for w in windows] == [100 * MS] * 4
    assert builder.counters.gap_windows == 0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        b"jpeg",
        None,
    ],
)
def test_what_is_no_image_is_refused_and_counted(image):
    builder = WindowBuilder(LAYOUT)
    builder.add_image("side", EPOCH, image)
    assert builder.counters.streams["side"].rejected == {"malformed": 1}


def test_repeated_and_late_frames_are_counted_and_not_shown():
    """Whether a window had waited for a frame that another overtook is a matter of delivery."""
    builder = WindowBuilder(LAYOUT)
    for k in (0, 1, 1, 3, 2, 4):
        builder.add_image("front", EPOCH + k * 100 * MS, frame(k))
        builder.add_image("side", EPOCH + k * 100 * MS, frame(k))
    assert shown(builder.poll(), "front") == [1, 1, 3, 4]
    builder.add_image("side", EPOCH + 350 * MS, frame(9))
    builder.poll()
    counters = builder.counters.streams["side"]
    assert (counters.duplicate, counters.out_of_order, counters.late) == (1, 2, 1)


def test_an_image_may_change_its_size():
    builder = WindowBuilder(LAYOUT)
    front(builder, 3)
    builder.add_image("side", EPOCH + 90 * MS, frame(1))
    builder.add_image("side", EPOCH + 190 * MS, np.zeros((8, 8, 3), np.uint8))
    shapes = [w.images["side"].shape for w in builder.poll() + builder.flush()]
    assert shapes == [(2, 3, 3), (8, 8, 3)]
