# SPDX-License-Identifier: Apache-2.0
"""What the page is shown: envelopes, sound, parts on the disk; and where proposals find room."""

from __future__ import annotations

import os
import wave
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import recording

from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording_labels import HUMAN, MODEL, Label, RecordingLabels
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.inspection.inspection import layout_of
from m2r2_ros.labelling.envelopes import coarser, envelope
from m2r2_ros.labelling.free_time import SHORTEST_NS, fitted
from m2r2_ros.labelling.label_store import LabelStore
from m2r2_ros.labelling.opened import open_recording_of_page
from m2r2_ros.labelling.pictures import thinned
from m2r2_ros.labelling.proposals import motion_cuts
from m2r2_ros.labelling.proxies import make_room, proxies_of
from m2r2_ros.labelling.sound import WavFile, mono
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.vocabulary import Vocabulary

SECOND = 10**9


@given(st.integers(0, 2**32 - 1))
def test_an_envelope_holds_every_number_and_nothing_else(seed):
    random = np.random.default_rng(seed)
    count = random.integers(0, 60)
    stamps = random.integers(900, 1200, count)
    values = random.normal(size=(count, 2))
    values[random.random(values.shape) < 0.2] = np.nan
    found = envelope(stamps, values, 1000, 20, 5)
    for column in range(2):
        for number in range(20):
            inside = (stamps >= 1000 + 5 * number) & (stamps < 1005 + 5 * number)
            numbers = values[inside, column][np.isfinite(values[inside, column])]
            expected = (numbers.min(), numbers.max()) if len(numbers) else (np.nan, np.nan)
            np.testing.assert_allclose(found[column, number], expected, rtol=1e-6)
    wide = coarser(found, 4)
    np.testing.assert_array_equal(wide, envelope(stamps, values, 1000, 5, 20))


def test_sound_lies_where_its_stamps_say_and_holes_are_silent():
    times = np.arange(48_000) / 48_000
    tone = np.sin(2 * np.pi * 440 * times).astype(np.float32)
    chunks = [
        (i * SECOND // 50, tone[i * 960 : (i + 1) * 960, None], 48_000)
        for i in range(50)
        if i != 20
    ]
    found = mono(chunks, SECOND // 10, SECOND * 9 // 10, 16_000)
    assert len(found) == 12_800
    at = 0.1 + np.arange(12_800) / 16_000
    expected = np.where((at >= 0.4) & (at < 0.42), 0, np.sin(2 * np.pi * 440 * at))
    near_edges = (np.abs(at - 0.4) < 0.005) | (np.abs(at - 0.42) < 0.005)
    assert np.abs(found - expected)[~near_edges].max() < 0.01
    assert not len(mono([], 0, SECOND, 16_000))


def test_a_wav_file_is_silent_until_it_is_filled(tmp_path):
    file = WavFile(tmp_path / "sound.wav", 1000, 16_000)
    file.put(990, np.full(20, 2.0))
    file.put(5, np.array([0.5, -0.5]))
    with wave.open(str(file.path)) as read:
        assert (read.getframerate(), read.getnchannels(), read.getnframes()) == (16_000, 1, 1000)
        samples = np.frombuffer(read.readframes(1000), "<i2")
    assert set(np.flatnonzero(samples)) == {5, 6, *range(990, 1000)}
    assert (samples[990:] == 32767).all() and samples[5] == -samples[6] == 16384


def test_thinned_pictures_are_the_same_wherever_reading_begins():
    frames = [("front", int(i * SECOND / 30), None) for i in range(90)]
    kept = [stamp for _, stamp, _ in thinned(frames, 15.0)]
    assert 44 <= len(kept) <= 46
    later = [stamp for _, stamp, _ in thinned(frames[30:], 15.0)]
    assert later == [stamp for stamp in kept if stamp >= SECOND]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    data = replace(recording(7.0), actions=[])
    path = tmp_path_factory.mktemp("data") / f"{data.name}.h5"
    write_recording(path, data)
    return path


def test_parts_outlive_the_server_and_go_with_the_recording(path, tmp_path):
    layout = layout_of(TopicMap())
    with open_recording_of_page(path, TopicMap(), layout) as opened:
        first = proxies_of(path, opened, tmp_path)
        assert first.parts == 2 and first.made == set()
        first.make(1, opened)
        again = proxies_of(path, opened, tmp_path)
        assert (
            again.made == {1} and again.pictures(1).read_bytes() == first.pictures(1).read_bytes()
        )
        state = path.stat()
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
        assert proxies_of(path, opened, tmp_path).made == set()


def test_what_was_of_use_longest_ago_makes_room(tmp_path):
    for number in range(4):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        (folder / "file").write_bytes(b"x" * 100_000)
        os.utime(folder, (1000 + number, 1000 + number))
    make_room(tmp_path, tmp_path / "0", most_bytes=250_000)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["0", "3"]


@pytest.mark.parametrize(
    "layout",
    [
        SensorLayout((), audio=False, signals=("wrench",)),
        SensorLayout((), audio=True, signals=()),
        SensorLayout(("hama1",), audio=False, signals=()),
    ],
)
def test_a_robot_may_lack_cameras_sound_or_signals(path, tmp_path, layout):
    with open_recording_of_page(path, TopicMap(), layout) as opened:
        proxies = proxies_of(path, opened, tmp_path)
        proxies.make(0, opened)
        assert len(opened.pictures(1.0)) == len(layout.cameras)
        columns = {"wrench": 6}.get(next(iter(layout.signals), ""), int(layout.audio))
        assert proxies.envelopes(0).stat().st_size == columns * 1000 * 2 * 4
        assert (proxies.sound is not None) == layout.audio


def spans(labels):
    return [(one.start_ns // SECOND, one.end_ns // SECOND, one.source) for one in labels]


@given(st.lists(st.integers(0, 400), unique=True), st.lists(st.integers(0, 400), unique=True))
def test_proposals_take_the_time_that_no_label_has(human, proposed):
    def of(times, source):
        times = sorted(times)
        pairs = zip(times[::2], times[1::2], strict=False)
        return [Label(a * SECOND // 10, b * SECOND // 10, "x", source=source) for a, b in pairs]

    labels, proposals = of(human, HUMAN), of(proposed, MODEL)
    together = fitted(proposals, labels)
    RecordingLabels(0, together)
    assert [one for one in together if one.source == HUMAN] == labels
    for tenth in range(400):
        at = tenth * SECOND // 10 + 1

        def covers(one, at=at):
            return one.start_ns <= at < one.end_ns

        mine = any(map(covers, labels))
        wanted = any(map(covers, proposals)) and not mine
        got = [one for one in together if one.source == MODEL and covers(one)]
        assert len(got) <= wanted
        if wanted and not got:
            # Too short a rest between labels.
            edges = [t for one in (*labels, *proposals) for t in (one.start_ns, one.end_ns)]
            before, after = max(t for t in edges if t <= at), min(t for t in edges if t > at)
            assert after - before < SHORTEST_NS


def test_proposals_wait_for_the_next_change_to_be_written(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    stated = Vocabulary(("tighten",))
    store = LabelStore(copy, RecordingLabels(0, ()), stated, tmp_path / "cuts.json")
    before = store.read().revision
    found = [
        Label(0, SECOND, "tighten", source=MODEL),
        Label(SECOND, 2 * SECOND, "else", source=MODEL),
    ]
    assert [line.partition(" ")[0] for line in store.propose(found)] == ["the", "1"]
    now = store.read()
    assert spans(now.labels.labels) == [(0, 1, MODEL)] and now.revision != before
    assert not (tmp_path / f"{path.name}.labels.json").exists()
    assert store.save(before, now.to_dict())[0] is False
    assert store.save(now.revision, now.to_dict())[0] is True
    assert (tmp_path / f"{path.name}.labels.json").exists()


def test_motion_is_cut_where_its_path_turns(tmp_path):
    """Three straight lines."""
    data = replace(recording(9.0), actions=[])
    pose = data.signals["pose"]
    corners = np.array([[0, 0, 0.3], [0.5, 0, 0.3], [0.5, 0.5, 0.3], [0, 0.5, 0.6]])
    for axis in range(3):
        pose.values[:, axis] = np.interp(pose.times_s, [0, 3, 6, 9], corners[:, axis])
    path = tmp_path / f"{data.name}.h5"
    write_recording(path, data)
    with open_recording_of_page(path, TopicMap(), layout_of(TopicMap())) as opened:
        stamps = motion_cuts(path, TopicMap(), "pose", opened.layout)
        times = [opened.seconds(stamp) for stamp in stamps]
    assert len(times) in (2, 3)
    for corner in (3.0, 6.0):
        assert min(abs(time - corner) for time in times) < 0.3
