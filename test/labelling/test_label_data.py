# SPDX-License-Identifier: Apache-2.0
"""What the page is shown: envelopes, sound, parts on the disk; and where proposals find room."""

from __future__ import annotations

import os
import wave
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
import raw_bags
import ros_messages as ros
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import recording

from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording_labels import HUMAN, MODEL, Label, RecordingLabels
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.inspection.inspection import layout_of
from m2r2_ros.inspection.small_pictures import thinned
from m2r2_ros.labelling.envelopes import coarser, envelope
from m2r2_ros.labelling.free_time import SHORTEST_NS, fitted
from m2r2_ros.labelling.label_store import LabelStore
from m2r2_ros.labelling.motion import motion_of
from m2r2_ros.labelling.motion_cuts import _costs, _divided, rest_times, turn_times
from m2r2_ros.labelling.opened import open_recording_of_page
from m2r2_ros.labelling.proposals import half_window_ns, moved_back
from m2r2_ros.labelling.proxies import make_room, proxies_of
from m2r2_ros.labelling.sound import WavFile, mono
from m2r2_ros.messages.definitions import typestore
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped
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
        stamps = motion_of(path, TopicMap(), opened.layout).turns()
        times = [opened.seconds(stamp) for stamp in stamps]
    assert len(times) in (2, 3)
    assert near(times, 3.0) and near(times, 6.0)


def test_an_arm_that_rests_is_cut_where_it_sets_out_again():
    """On one line, so that nothing turns: moves 2 s, rests 1 s, three times."""
    random = np.random.default_rng(5)
    times = np.arange(0, 9, 0.01) + random.uniform(0, 0.005, 900)
    phase = np.clip(times % 3, 0, 2) / 2
    way = 0.2 * (times // 3 + phase**2 * (3 - 2 * phase))
    positions = np.outer(way, [0.6, 0.0, 0.8]) + random.normal(0, 1e-5, (900, 3))
    found = rest_times(times, positions)
    assert len(found) == 2 and near(found, 3.0) and near(found, 6.0)
    assert not near(turn_times(times, positions), 3.0)


@pytest.mark.parametrize("jump_s", [86_400.0, 3e8, -3e8, -5.0, 30.0])
@pytest.mark.parametrize("cut", [rest_times, turn_times])
def test_a_clock_that_jumps_costs_no_more_than_the_moment(cut, jump_s):
    """What is before it and what is after it are each cut as if they were alone."""
    times = np.arange(0, 9, 0.01)
    phase = np.clip(times % 3, 0, 2) / 2
    way, side = 0.2 * (times // 3 + phase**2 * (3 - 2 * phase)), np.abs(times % 4 - 2) / 9
    positions = np.stack([way, side, 0 * way], axis=1)
    positions += np.random.default_rng(3).normal(0, 1e-4, positions.shape)
    later = times + times[-1] + jump_s
    expected = sorted([*cut(times, positions), *cut(later, positions)])
    assert cut(times, positions)
    assert cut(np.r_[times, later], np.r_[positions, positions]) == expected


def test_a_stray_stamp_changes_nothing_but_at_itself():
    times = np.arange(0, 9, 0.01)
    way = 0.1 * np.abs(times % 4 - 2)
    positions = np.stack([way, 0 * way, 0 * way], axis=1)
    strayed = times.copy()
    strayed[50] += 3e8
    assert rest_times(strayed, positions) == pytest.approx(rest_times(times, positions), abs=0.06)


def spans_in_tenths(labels):
    return [(one.start_ns * 10 // SECOND, one.end_ns * 10 // SECOND, one.label) for one in labels]


def test_named_actions_are_moved_to_where_they_were_seen():
    labels = [
        Label(round(start * SECOND), round(end * SECOND), name, source=MODEL)
        for start, end, name in ((0, 6, "a"), (6, 9, "b"), (9, 9.5, "c"), (9.5, 20, "d"))
    ]
    assert spans_in_tenths(moved_back(labels, 2 * SECOND, [])) == [
        (0, 40, "a"), (40, 70, "b"), (70, 75, "c"), (75, 200, "d")
    ]  # fmt: skip
    # "c" has no time left between two edges at one rest.
    rests_ns = [round(time * SECOND) for time in (3, 8.1, 15)]
    assert spans_in_tenths(moved_back(labels, 2 * SECOND, rests_ns)) == [
        (0, 30, "a"), (30, 81, "b"), (81, 200, "d")
    ]  # fmt: skip
    # What begins within the first half window has begun at the start.
    early = [replace(labels[0], end_ns=SECOND), replace(labels[1], start_ns=SECOND)]
    assert spans_in_tenths(moved_back(early, 2 * SECOND, [])) == [(0, 90, "b")]
    assert moved_back([], SECOND, [1]) == []


@given(st.lists(st.integers(0, 300), unique=True, min_size=2), st.lists(st.integers(0, 300)))
def test_moved_labels_stay_in_order(edges, rests_at):
    pairs = pairwise(sorted(edges))
    labels = [Label(a * SECOND // 10, b * SECOND // 10, "x", source=MODEL) for a, b in pairs]
    found = moved_back(labels, 3 * SECOND, [at * SECOND // 10 for at in rests_at])
    # Which refuses labels that overlap.
    RecordingLabels(0, tuple(found))
    ends_ns = (labels[0].start_ns, labels[-1].end_ns)
    assert all(ends_ns[0] <= one.start_ns < one.end_ns <= ends_ns[1] for one in found)


def test_half_a_window_is_that_of_the_shipped_model():
    """16 frames, every third of ten a second: 4.5 s."""
    metadata = read_encoder_metadata(shipped("models/roboact_compact/encoder.onnx"))
    assert half_window_ns(metadata) == 2_250_000_000


def near(times, wanted):
    return min(abs(time - wanted) for time in times) < 0.3


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_turns_are_those_of_the_best_straight_stretches(seed):
    """Against all divisions of a short path, each stretch fitted by least squares."""
    random = np.random.default_rng(seed)
    path = np.cumsum(random.normal(size=(9, 2)), axis=0)

    def cost(firsts):
        total = 0.0
        for low, high in pairwise([0, *firsts, 9]):
            design = np.stack([np.ones(high - low), np.arange(low, high)], axis=1)
            fit = design @ np.linalg.lstsq(design, path[low:high], rcond=None)[0]
            total += ((path[low:high] - fit) ** 2).sum()
        return total + penalty * (len(firsts) + 1)

    penalty = random.uniform(0.1, 5)
    found = _divided(_costs(path, 9), penalty)
    best = min(cost(c) for n in range(9) for c in combinations(range(1, 9), n))
    assert cost(found) == pytest.approx(best)


@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_a_path_of_any_length_and_one_that_stands_still_are_taken(count):
    times, positions = np.arange(count) / 10, np.full((count, 3), 0.5)
    assert rest_times(times, positions) == turn_times(times, positions) == []


def test_of_the_shipped_recording_most_boundaries_are_near_a_rest():
    """28 of 35 by 34 rests."""
    path = shipped("recordings/taskboard_demo.h5")
    with open_source(path) as source:
        length_s = (source.end_ns - source.start_ns) / 1e9
        edges = {edge for action in source.actions for edge in (action.start_s, action.end_s)}
        stamps = motion_of(path, TopicMap(), layout_of(TopicMap())).rests()
        cuts = [(stamp - source.start_ns) / 1e9 for stamp in stamps]
    true = sorted(edge for edge in edges if 0.3 < edge < length_s - 0.3)
    found = sum(min(abs(cut - edge) for cut in cuts) < 0.5 for edge in true)
    assert len(cuts) < 40 and found / len(true) > 0.75


@pytest.mark.parametrize("step_ns", [0, -1_000_000])
def test_stamps_by_which_nothing_can_be_shown_are_said(tmp_path, step_ns):
    first = 10 * SECOND
    messages = [ros.serialised(ros.wrench(first + k * step_ns, [1.0] * 6)) for k in range(100)]
    kind = "geometry_msgs/msg/WrenchStamped"
    raw_bags.write(tmp_path / "bag", {"/ft": (kind, messages)}, typestore())
    layout = SensorLayout((), False, ("wrench",))
    topics = TopicMap({"wrench": "/ft"}, (), "")
    with open_recording_of_page(tmp_path / "bag", topics, layout) as opened:
        opened.between(opened.start_ns - SECOND, opened.end_ns)
        assert any("'wrench': its stamps stand still or go back" in p for p in opened.problems)


def test_stamps_before_1970_are_no_times_of_a_page(tmp_path):
    kind = "geometry_msgs/msg/WrenchStamped"
    messages = [ros.serialised(ros.wrench(k * SECOND - 5 * SECOND, [1.0] * 6)) for k in range(9)]
    raw_bags.write(tmp_path / "bag", {"/ft": (kind, messages)}, typestore())
    layout, topics = SensorLayout((), False, ("wrench",)), TopicMap({"wrench": "/ft"}, (), "")
    with (
        pytest.raises(M2R2Error, match="bag: its stamps are before 1970"),
        open_recording_of_page(tmp_path / "bag", topics, layout),
    ):
        pass
