# SPDX-License-Identifier: Apache-2.0
"""What a window will show of its cameras, told before it is closed: only time depends on it."""

from __future__ import annotations

import threading
from contextlib import suppress

import numpy as np
import pytest
from sensor_rig import EPOCH, SECOND, content, recording

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.builder import WindowBuilder
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.picture import Picture

LAYOUT = SensorLayout(cameras=("front", "side"), audio=False, signals=())
MS = SECOND // 1000


def frames(seed, rate_hz, phase_ns, length_s=4):
    """Stamps with jitter."""
    chance = np.random.default_rng(seed)
    for index in range(int(length_s * rate_hz)):
        jitter_ns = int(chance.uniform(-0.05, 0.05) * SECOND / rate_hz)
        yield EPOCH + phase_ns + round(index * SECOND / rate_hz) + jitter_ns


def picture_of(stamp_ns):
    pixels = np.full((2, 2, 3), stamp_ns // MS % 251, np.uint8)
    return Picture(lambda _: (pixels.copy(), (2, 2)), pixels.nbytes)


def play(seed, rates_hz, phases_ns, looks):
    """Windows, of each camera the arrays that were told ahead, and how often that was."""
    builder = WindowBuilder(LAYOUT)
    stamps = [
        (stamp, name)
        for turn, (name, hz, phase) in enumerate(
            zip(LAYOUT.cameras, rates_hz, phases_ns, strict=True)
        )
        for stamp in frames(seed + turn, hz, phase)
    ]
    windows, told = [], {}
    for stamp, name in sorted(stamps):
        builder.add_image(name, stamp, picture_of(stamp))
        if looks:
            for camera, (at, pixels) in builder.pictures_ahead().items():
                told.setdefault((camera, at), pixels())
        windows += builder.poll()
    return windows + builder.flush(), told


@pytest.mark.parametrize("rates_hz", [(10, 10), (10, 30), (30, 10), (15, 7), (10, 3)])
@pytest.mark.parametrize("phase_ms", [0, 20, 60])
def test_windows_are_the_same_and_show_what_was_told(rates_hz, phase_ms):
    phases_ns = (0, phase_ms * MS)
    windows, told = play(3, rates_hz, phases_ns, looks=True)
    expected, _ = play(3, rates_hz, phases_ns, looks=False)
    assert content(windows) == content(expected)
    shown = {id(image) for window in windows for image in window.images.values()}
    of_reference = {at: id(pixels) for (camera, at), pixels in told.items() if camera == "front"}
    ends = {window.end_ns for window in windows[1:-1]}
    # A window that a slow camera holds up until the next one is complete, too, hides that one.
    assert len(ends - of_reference.keys()) <= (min(rates_hz) < 5)
    assert all(of_reference[end_ns] in shown for end_ns in ends & of_reference.keys())
    # Another camera's frames where they are not about to be replaced: few are worked on in vain.
    others = [id(pixels) for (camera, _), pixels in told.items() if camera == "side"]
    in_vain = sum(one not in shown for one in others)
    assert in_vain <= 0.35 * len(others)


def test_before_the_first_window_nothing_is_told():
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    assert builder.pictures_ahead() == {} and builder.lacking() == set()
    for event in recording(0.05, 10, reference_hz=10, batch=1):
        event.feed(builder)
    assert builder.pictures_ahead() == {} and builder.lacking() == set()


def test_what_a_window_lacks_has_come_when_it_is_closed():
    """Nothing is lacking where the next poll closes a window, and something is before."""
    builder = WindowBuilder(REASSEMBLE_LAYOUT)
    closed = seen_lacking = 0
    for event in recording(2.0, 10, reference_hz=10, batch=1):
        event.feed(builder)
        lacking = builder.lacking()
        windows = len(builder.poll())
        if builder.counters.windows > 3 and windows:
            closed += 1
            assert not lacking
        seen_lacking += bool(lacking)
    assert closed > 10 < seen_lacking


def test_a_damaged_picture_is_found_by_its_window_whoever_asked_before():
    def refuse(_):
        raise M2R2Error("it is damaged")

    results = []
    for ahead in (False, True):
        builder = WindowBuilder(LAYOUT)
        windows = []
        for stamp in frames(1, 10, 0, 1):
            picture = Picture(refuse, 12) if stamp > EPOCH + SECOND // 2 else picture_of(stamp)
            builder.add_image("front", stamp, picture)
            for _, pixels in builder.pictures_ahead().values() if ahead else ():
                with suppress(M2R2Error):
                    pixels()
            windows += builder.poll()
        results.append((content(windows + builder.flush()), builder.counters.streams["front"]))
    assert results[0] == results[1]
    assert results[0][1].rejected["undecodable"] > 2


def test_a_picture_is_decoded_once_by_whoever_asks_first():
    """Also while another thread is at it; another size is decoded for itself."""
    started, go, reads = threading.Event(), threading.Event(), []

    def read(most):
        reads.append(most)
        started.set()
        assert go.wait(60)
        return np.zeros((1, 1, 3), np.uint8), (1, 1)

    picture, found = Picture(read, 3), []
    thread = threading.Thread(target=lambda: found.append(picture.decode_ahead(64)))
    thread.start()
    assert started.wait(60)
    go.set()
    assert picture.decode(64)[0] is picture.decode_ahead(64)
    thread.join()
    assert found[0] is picture.decode(64)[0]
    assert reads == [64]
    picture()
    assert reads == [64, None]
