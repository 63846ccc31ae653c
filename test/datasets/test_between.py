# SPDX-License-Identifier: Apache-2.0
"""A stretch of a recording, found by the index, is what reading all of it gives there."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from recordings import recording

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording_source import SensorBatch
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.inspection.inspection import layout_of

LAYOUT = layout_of(TopicMap())
DATA = replace(recording(3.0), name="2025-01-10-15-28-50")


@pytest.fixture(scope="module", params=["h5", "mcap", "sqlite3"])
def path(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("between")
    original = out / f"{DATA.name}.h5"
    write_recording(original, DATA)
    if request.param == "h5":
        return original
    arguments = [str(original), "--out", str(out), "--storage", request.param]
    assert run_verb("convert", arguments) == 0
    return out / DATA.name


def whole(source) -> SensorBatch:
    batches = list(source.batches(LAYOUT))
    parts = {
        name: [b.signals[name] for b in batches if name in b.signals] for name in LAYOUT.signals
    }
    return SensorBatch(
        [frame for batch in batches for frame in batch.images],
        {n: tuple(map(np.concatenate, zip(*p, strict=True))) for n, p in parts.items() if p},
        [chunk for batch in batches for chunk in batch.audio],
    )


def test_a_stretch_is_what_reading_all_of_it_gives(path):
    random = np.random.default_rng(5)
    with open_source(path) as source:
        expected = whole(source)
        assert expected.images and expected.audio and expected.signals
        length = source.end_ns - source.start_ns
        for _ in range(12):
            first, second = np.sort(random.uniform(-0.1, 1.1, 2) * length).astype(int)
            span = source.start_ns + int(first), source.start_ns + int(second)
            got, want = source.between(LAYOUT, *span), expected.cut(*span)
            for one, other in zip(got.images, want.images, strict=True):
                assert one[:2] == other[:2]
                np.testing.assert_array_equal(one[2](), other[2]())
            for name, (stamps, values) in want.signals.items():
                order = np.argsort(got.signals[name][0], kind="stable")
                np.testing.assert_array_equal(got.signals[name][0][order], np.sort(stamps))
                np.testing.assert_array_equal(got.signals[name][1][order], values)
            for one, other in zip(got.audio, want.audio, strict=True):
                assert (one[0], one[2]) == (other[0], other[2])
                np.testing.assert_array_equal(one[1], other[1])


def test_a_cut_leaves_nothing_of_other_times():
    ticks = np.arange(10) * 100
    batch = SensorBatch(
        images=[("front", int(tick), None) for tick in ticks[::-1]],
        signals={"force": (ticks, ticks[:, None] * 1.0)},
        audio=[(0, np.zeros((2, 1)), 10_000_000), (300, np.zeros((5, 1)), 10_000_000)],
    )
    part = batch.cut(200, 500)
    assert [frame[1] for frame in part.images] == [200, 300, 400]
    assert part.signals["force"][0].tolist() == [200, 300, 400]
    # The first chunk ends at 200, where this begins.
    assert [chunk[0] for chunk in part.audio] == [300]


def test_damage_that_a_stretch_meets_is_said(path, tmp_path):
    """A chunk in the middle of an MCAP cannot be unpacked: only who reads there is told."""
    if not list(path.glob("*.mcap")):
        pytest.skip("of chunks with a checksum")
    copy = shutil.copytree(path, tmp_path / path.name)
    (file,) = copy.glob("*.mcap")
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    file.write_bytes(data)
    with open_source(copy) as source:
        length = source.end_ns - source.start_ns
        source.between(LAYOUT, source.start_ns, source.start_ns + length // 20)
        assert not any("left out" in line for line in source.problems)
        source.between(LAYOUT, source.start_ns, source.end_ns)
        source.between(LAYOUT, source.start_ns, source.end_ns)
        assert sum("is left out" in line for line in source.problems) == 1
