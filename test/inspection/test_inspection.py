# SPDX-License-Identifier: Apache-2.0
"""What is told and drawn about recordings and data sets, against values that are known."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from recordings import recording, video

from m2r2_ros.cli.convert import convert
from m2r2_ros.datasets.annotations import label_digest
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import Action, LowLevelSkill, SignalTrack
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.colours import Palette
from m2r2_ros.inspection.dataset_card import card_text
from m2r2_ros.inspection.dataset_statistics import LabelledRecording, dataset_statistics
from m2r2_ros.inspection.film_strip import HEIGHT_PX, FilmStrip
from m2r2_ros.inspection.inspection import Inspection, inspect_source, layout_of
from m2r2_ros.inspection.inspection_plot import inspection_figure, plot_inspection
from m2r2_ros.inspection.recording_checks import stream_problems
from m2r2_ros.inspection.recording_digest import GatheredAudio, GatheredSignal
from m2r2_ros.inspection.skill_colours import SKILL_HUES, SkillColours
from m2r2_ros.inspection.spectrogram import Spectrogram
from m2r2_ros.inspection.stream_summary import Gap, summarise_chunks, summarise_samples
from m2r2_ros.labels import REASSEMBLE
from m2r2_ros.sensing.counters import StreamCounters
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.signal_stream import SignalStream
from m2r2_ros.signal_presets import preset_of
from m2r2_ros.vocabulary import Parts, Vocabulary

DURATION_S = 6.0


def inspect(path):
    with open_source(path) as source:
        return inspect_source(source, layout_of(TopicMap()), SensingLimits())


def written(folder, data):
    write_recording(folder / f"{data.name}.h5", data)
    return folder / f"{data.name}.h5"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Every stream from beginning to end, skills within their action."""
    data = recording(DURATION_S)
    skills = (LowLevelSkill(3.0, 4.5, "Approach."), LowLevelSkill(4.5, 5.9, "Grasp", False))
    data.actions[1] = replace(data.actions[1], low_level=skills)
    return written(tmp_path_factory.mktemp("whole"), data)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """No microphone and no gripper, a late camera, dead force, NaN torque, a hole in the pose."""
    data = recording(DURATION_S, cameras=("hama1", "hama2"))
    data.videos["hand"] = video(2.0, start_s=3.0)
    force, pose = data.signals["measured_force"], data.signals["pose"]
    frozen = force.values.copy()
    frozen[400:800] = frozen[400]
    data.signals["measured_force"] = SignalTrack(force.times_s, frozen)
    broken = data.signals["measured_torque"].values.copy()
    broken[900:] = np.nan
    data.signals["measured_torque"] = SignalTrack(force.times_s, broken)
    kept = (pose.times_s < 2) | (pose.times_s > 3)
    data.signals["pose"] = SignalTrack(pose.times_s[kept], pose.values[kept])
    del data.signals["gripper_positions"], data.audio["hand_audio"]
    data.actions[:] = [
        Action(1, 4, "Pick teapot."),
        Action(3, 5, "Insert USB.", False, (LowLevelSkill(2.0, 4.0, "Push."),)),
        Action(5, 12, "No action."),
    ]
    return written(tmp_path_factory.mktemp("damaged"), replace(data, name="damaged"))


def test_rate_span_and_gaps_of_samples():
    times = np.delete(np.arange(100) / 50, range(40, 60))
    summary = summarise_samples(times)
    assert summary.samples == 80
    assert summary.rate_hz == pytest.approx(50)
    assert (summary.first_s, summary.last_s) == (0, 1.98)
    (gap,) = summary.gaps
    assert gap == pytest.approx(Gap(0.78, 0.42))
    assert summarise_samples(np.array([0.0, 0.2, 0.1, 0.3])).out_of_order == 1
    assert summarise_samples(np.array([3.0])).to_dict()["rate_hz"] == 0


def test_a_lost_chunk_of_audio_is_a_gap():
    starts = np.delete(np.arange(50) * 0.02, 20)
    summary = summarise_chunks(starts, np.full(49, 320), 16_000, max_gap_s=0.015)
    assert (summary.samples, summary.rate_hz) == (49 * 320, 16_000)
    assert summary.gaps == (pytest.approx(Gap(0.4, 0.02)),)
    assert summary.last_s == pytest.approx(1.0)


@pytest.mark.parametrize(("loudness", "is_clipped"), [(0.9, False), (1.01, True)])
def test_sound_at_full_scale_is_a_problem(loudness, is_clipped):
    """A sine that is 1 % too loud is at full scale for a tenth of the time: acos(1 / 1.01) / 90."""
    tone = loudness * np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000)
    gathered = GatheredAudio(0.015)
    gathered.add(0.0, np.clip(tone, -1, 1)[:, None].astype(np.float32), 16_000)
    summary = gathered.summary()
    expected = np.arccos(0.999 / loudness) / (np.pi / 2) if is_clipped else 0.0
    assert summary.clipped / summary.samples == pytest.approx(expected, abs=0.01)
    lines = stream_problems({"audio": summary}, SensorLayout((), True, {}), SensingLimits())
    assert len(lines) == is_clipped
    assert all(line.startswith("'audio' is clipped: 9.") for line in lines)


def test_spectrogram_shows_a_tone_where_it_sounds():
    spectrogram, rate = Spectrogram(16_000), 16_000
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    for start in range(0, rate, 320):
        spectrogram.add(start / rate, tone[start : start + 320], gapless=start > 0)
    spectrogram.add(3.0, np.zeros(rate), gapless=False)
    decibels = spectrogram.decibels(0, 4, columns=40)
    frequencies = np.linspace(0, rate / 2, len(decibels))
    sounding = decibels[:, 1:9]
    assert np.abs(frequencies[sounding.argmax(axis=0)] - 1000).max() <= frequencies[1] / 2
    np.testing.assert_allclose(sounding.max(axis=0), 0, atol=0.1)
    assert np.isnan(decibels[:, 12:29]).all()
    assert (decibels[:, 31:39] == -120).all()


def test_spectrogram_and_film_stay_small_however_long_they_last():
    spectrogram, film = Spectrogram(8000), FilmStrip()
    second = np.random.default_rng(0).normal(0, 0.1, 8000)
    for number in range(200):
        spectrogram.add(float(number), second, gapless=number > 0)
    assert len(spectrogram._cells) <= 4096
    assert np.isfinite(spectrogram.decibels(0, 199, 500)).all()
    for number in range(20_000):
        grey = number * 255 // 20_000
        film.add(number / 10, lambda grey=grey: np.full((30, 40, 3), grey, np.uint8))
    assert len(film.thumbnails) <= 400
    shots = film.slots(0, 2000, 10)
    assert [shot.time_s for shot in shots] == pytest.approx(np.arange(100, 2000, 200), abs=10)
    assert all(shot.picture.shape == (HEIGHT_PX, HEIGHT_PX * 4 // 3, 3) for shot in shots)
    assert film.slots(2100, 2200, 1) == [None]


def test_every_stream_is_described(whole):
    data, seen = recording(DURATION_S), inspect(whole)
    described = seen.to_dict()
    assert [*described["streams"]] == [
        *("hama1", "hama2", "hand"),
        "audio",
        *("wrench", "pose", "twist", "gripper"),
    ]
    for camera in ("hama1", "hama2", "hand"):
        stream = described["streams"][camera]
        assert (stream["present"], stream["samples"]) == (True, 180)
        assert stream["rate_hz"] == pytest.approx(30, rel=1e-3)
    assert described["streams"]["audio"]["rate_hz"] == 48_000
    first_s = data.videos["hama1"].times_s[0]
    times, values = seen.signals["wrench"]
    force = data.signals["measured_force"]
    np.testing.assert_allclose(times, force.times_s - first_s, atol=1e-8)
    np.testing.assert_array_equal(values[:, :3], force.values)
    insert = described["actions"][1]
    assert (insert["label"], insert["action"], insert["object"]) == ("Insert USB", "insert", "USB")
    assert (insert["success"], insert["start"]) == (False, pytest.approx(3 - first_s))
    assert [skill["label"] for skill in insert["low_level"]] == ["Approach", "Grasp"]


def test_a_bag_is_described_like_the_recording_it_was_made_from(whole, tmp_path):
    original, copy = inspect(whole), inspect(convert(whole, tmp_path))
    assert copy.to_dict()["label_sha256"] == original.to_dict()["label_sha256"]
    assert copy.to_dict()["actions"] == original.to_dict()["actions"]
    assert copy.streams == original.streams
    for name, (times, values) in original.signals.items():
        np.testing.assert_array_equal(copy.signals[name][0], times)
        np.testing.assert_array_equal(copy.signals[name][1], values)


def test_problems_are_named(damaged):
    seen = inspect(damaged)
    assert seen.to_dict()["streams"]["audio"] == {"present": False}
    text = "\n".join(seen.problems)
    for words in (
        "no topic /hand/audio for 'audio'",
        "no signal: gripper_positions",
        "'hand' starts 3.0 s late",
        "'hand' ends 1.0 s early",
        "'wrench': 300 samples (25.0%) are not usable",
        "force is frozen for 2.0 s, from 2.0 s on",
        "'pose' is silent for 1.0",
        "no 'No action' at the beginning",
        "labels that REASSEMBLE does not have: Pick teapot",
        "1 actions begin before the one before has ended",
        "1 low-level skills reach beyond their action",
        "the labels end 6.0 s after the data",
    ):
        assert words in text, words


def test_a_sound_recording_has_no_problems(whole):
    assert inspect(whole).problems == []


def test_missing_streams_keep_their_row(damaged, whole):
    def written_in(figure):
        return [text.get_text() for axis in figure.axes for text in axis.texts]

    figure = inspection_figure(inspect(damaged))
    assert {"audio: missing", "gripper: missing"} <= set(written_in(figure))
    assert len(figure.axes) == len(inspection_figure(inspect(whole)).axes) == 10
    limits = {tuple(axis.get_xlim()) for axis in figure.axes}
    assert len(limits) == 1


def test_picture_shows_labels_in_their_colours(whole, tmp_path):
    seen = inspect(whole)
    plot_inspection(tmp_path / "a.png", seen)
    pixels = np.round(imread(tmp_path / "a.png")[..., :3] * 255).reshape(-1, 3)
    palette = Palette(["No action", "Insert USB"], REASSEMBLE)
    skills = [SkillColours().colour(name) for name in ("Approach", "Grasp")]
    for colour in (palette.colour("No action"), *skills):
        assert (np.abs(pixels - np.multiply(colour, 255)) < 1).all(axis=1).sum() > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(M2R2Error, match=r"as \.png"):
        plot_inspection(tmp_path / "a.svg", seen)


def test_hostile_labels_are_drawn_as_they_are(tmp_path):
    actions = [Action(0, 1, r"$\frac{$."), Action(1, 1.8, "A" * 900)]
    data = replace(recording(2.0, cameras=()), name="$_{", actions=actions)
    plot_inspection(tmp_path / "a.png", inspect(written(tmp_path, data)))
    assert (tmp_path / "a.png").stat().st_size > 10_000


def looked_at(layout, actions=None, labels=REASSEMBLE):
    """Signals of a layout without a camera, as they are found in a recording of ten seconds."""
    times = np.arange(100) / 10
    values = {name: np.zeros((100, one.width)) for name, one in layout.signals.items()}
    return Inspection(
        name="a",
        layout=layout,
        streams={name: summarise_samples(times) for name in values},
        films={},
        sound=None,
        signals={name: (times, rows) for name, rows in values.items()},
        actions=actions,
        vocabulary=labels,
        problems=[],
    )


@pytest.mark.parametrize("seed", range(4))
def test_names_of_a_robot_are_drawn_whole(seed):
    """Every word stands inside of the picture, and no two rows are called alike."""
    choose = random.Random(seed)
    ends = ("", "_pose", "_wrench", "_gripper", "_joint_effort", "_tactile")
    stem = "".join(choose.choices("abiWM_", k=choose.choice((3, 20, 60))))
    names = [f"{side}_{stem}{end}" for side in ("links", "rechts") for end in ends]
    units = ["kPa", r"$\frac{$", ["m", "rad"] * 20]
    signals = {
        name: {} if preset_of(name) in ("pose", "wrench", "gripper") else {"width": 40}
        for name in choose.sample(names, 4)
    }
    signals["haut"] = {"width": 40, "unit": choose.choice(units)}
    layout = SensorLayout((), False, signals)
    figure = inspection_figure(looked_at(layout, [Action(0, 1, "Kappe drehen")]))
    figure.canvas.draw()
    texts = [text for axis in figure.axes for text in (axis.yaxis.label, *axis.texts)]
    texts += [text for axis in figure.axes for text in axis.get_legend().get_texts()]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, text.get_text()
    rows = [axis.get_ylabel().replace("\n", "") for axis in figure.axes]
    assert all(any(row.startswith(name) for row in rows) for name in signals)
    assert len({*rows}) == len(rows)
    legend = [text.get_text() for axis in figure.axes for text in axis.get_legend().get_texts()]
    assert "+ 32" in legend


def test_what_a_robot_does_not_have_is_not_drawn():
    """No low-level skills, no successes and no camera are nobody's faults."""
    figure = inspection_figure(looked_at(SensorLayout((), False, {"haut": {"width": 3}}), []))
    assert [axis.get_ylabel() for axis in figure.axes] == ["haut", "action"]
    assert figure.axes[0].get_title("left") == "a   |   9.9 s   |   0 actions"
    assert figure.axes[-1].get_xlabel() == "seconds from the first sample"


@pytest.mark.parametrize("length, share", [(0.0, 1.0), (0.4, 1.0), (0.6, 0.0), (2.0, 0.0)])
def test_what_is_usable_is_what_windows_take(length, share):
    """A quaternion that was never filled in is none, here as in `sensing`."""
    signal = SensorLayout((), False, {"pose": {}}).signals["pose"]
    values = np.zeros((10, 7))
    values[:, 6] = length
    gathered = GatheredSignal(signal, SensingLimits())
    gathered.add(np.arange(10) / 10, values)
    assert gathered.summary().unusable == 10 * share
    stream = SignalStream(signal, 10, SensingLimits(), StreamCounters())
    stream.add(np.arange(10), values)
    assert stream.counters.rejected.get("range", 0) == 10 * share


def test_skills_have_colours_of_their_own():
    assert len({SkillColours().colour(name) for name in (*SKILL_HUES, "Juggle")}) == 10


def test_label_digest_is_that_of_the_written_out_track():
    actions = [Action(0.5, 1.25, "Pick USB.", True, (LowLevelSkill(0.5, 1.0, "Lift", False),))]
    written_out = (
        '[[500000000, 1250000000, "Pick USB.", true, [[500000000, 1000000000, "Lift", false]]]]'
    )
    assert label_digest(actions) == hashlib.sha256(written_out.encode()).hexdigest()
    assert label_digest(actions) != label_digest([replace(actions[0], success=False)])


def data_set():
    def labelled(name, *labels, problems=()):
        actions = [Action(i, i + 1 + 0.5 * k, t, s) for i, (k, t, s) in enumerate(labels)]
        return LabelledRecording(name, 30.0, actions, list(problems))

    first = labelled(
        "a",
        (0, "No action.", True),
        (0, "Pick USB.", True),
        (1, "Insert USB.", False),
        (2, "Insert USB.", True),
        problems=["no camera: hand"],
    )
    second = labelled("b|c", (4, "Insert BNC.", True), (0, "Wash up.", True))
    return [first, second, LabelledRecording("silent", 60.0, None)]


def test_statistics_count_what_is_there():
    statistics = dataset_statistics(data_set())
    assert (statistics["recordings"], statistics["labelled_recordings"]) == (3, 2)
    assert statistics["minutes"] == 2
    assert (statistics["actions"], statistics["successful"]) == (5, 4)
    assert statistics["actions_per_recording"]["median"] == 2.5
    insert = statistics["coarse"]["Insert"]
    assert (insert["actions"], insert["successful"]) == (3, 2)
    assert insert["duration_s"] == {"lower_quartile": 1.75, "median": 2.0, "upper_quartile": 2.5}
    assert statistics["fine"]["Insert USB"] == {"actions": 2, "successful": 1}
    assert statistics["coarse"]["Remove"]["duration_s"] is None
    balance = statistics["balance"]
    shares = {"Pick": 0.2, "Insert": 0.6, "Remove": 0, "Place": 0, "Wash up": 0.2}
    assert balance["activity_share"] == shares
    assert balance["few"] == ["Pick USB", "Insert BNC", "Insert USB", "Wash up"]
    assert len(balance["absent"]) == 65 and balance["fewest"] == 0
    assert balance["not_of_reassemble"] == ["Wash up"]
    assert [entry["actions"] for entry in statistics["each_recording"]] == [3, 2, None]


def test_card_has_the_figures_and_cannot_be_broken_by_names():
    statistics = dataset_statistics(data_set())
    extra = {"unreadable": {"x.h5": "x.h5: truncated"}, "recipe": None}
    lines = card_text("tiny", {**statistics, **extra}).splitlines()
    digest = label_digest(data_set()[1].actions)
    for line in (
        "# Data-set card: tiny",
        "Recorded demonstrations.",
        "| successful actions | 4 (80%) | 4035 (89%) |",
        "| actions a recording (median) | 2.5 | 36 |",
        "| Insert | 3 | 60% | 2 (67%) | 1.75 | 2.00 | 2.50 |",
        "| USB | 1 | 2 (1) | 0 | 0 | 3 | 2 (67%) |",
        "| all | 1 | 3 (1) | 0 | 0 | 4 | 3 (75%) |",
        "| successful | 1 (100%) | 2 (67%) | - | - |  |  |",
        "| seconds an action, pauses included | 24.0 | 10.3 |",
        "- Fewest examples of a class: 0",
        "- In 1 of 3 recordings: no camera: hand.",
        rf"| b\|c | 0.50 | 2 | 2 | `{digest}` |",
        "| silent | 1.00 | - | - | no labels |",
        "| x.h5 | x.h5: truncated |",
    ):
        assert line in lines, line
    simulated = card_text("tiny", {**statistics, "unreadable": {}, "recipe": {"version": 1}})
    assert "Simulated demonstrations (`m2r2 simulate`: version 1)." in simulated
    assert "teleoperated by people" in simulated and "Could not be read" not in simulated


def test_an_empty_data_set_has_a_card():
    empty = dataset_statistics([LabelledRecording("none", 0.0, [])])
    assert "| actions | 0 |" in card_text("none", {**empty, "unreadable": {}, "recipe": None})


CAPS = Vocabulary(
    ("wait", "tighten cap", "tighten bolt", "wipe"),
    ("wait",),
    {"tighten cap": Parts("tighten", "cap"), "tighten bolt": Parts("tighten", "bolt")},
)


def test_a_card_lists_the_classes_of_the_recordings_and_no_others():
    actions = [Action(i, i + 1, text, i != 2) for i, text in enumerate(("wait", "wipe", "wipe"))]
    other = [Action(0, 1, "tighten bolt"), Action(1, 2, "Polish.")]
    recordings = [
        LabelledRecording("a", 30.0, actions, [], CAPS),
        LabelledRecording("b", 30.0, other, [], None),
    ]
    statistics = dataset_statistics(recordings)
    assert statistics["vocabulary"]["labels"] == [*CAPS.labels, "Polish"]
    assert (statistics["actions"], statistics["successful"]) == (4, 3)
    balance = statistics["balance"]
    assert balance["activity_share"] == {"tighten": 0.25, "wipe": 0.5, "Polish": 0.25}
    assert balance["absent"] == ["tighten cap"] and balance["not_of_reassemble"] == []
    text = card_text("caps", {**statistics, "unreadable": {}, "recipe": None})
    assert "REASSEMBLE" not in text and "Insert" not in text and "No action" not in text
    lines = text.splitlines()
    for line in (
        "|  | this data set |",
        "| actions a minute | 4.0 |",
        "| wait | 1 |  | 1 (100%) | 1.00 | 1.00 | 1.00 |",
        "| tighten | 1 | 25% | 1 (100%) | 1.00 | 1.00 | 1.00 |",
        "| object | tighten | all | successful |",
        "| cap | 0 | 0 | - |",
        "| bolt | 1 | 1 | 1 (100%) |",
        "| wipe | 2 (1) | 1 (50%) |",
        "| Polish | 1 | 1 (100%) |",
    ):
        assert line in lines, line


def test_labels_without_a_class_are_named():
    """The vocabulary of a data set is stated, and one of its recordings says something else."""
    recording = LabelledRecording("a", 9.0, [Action(0, 1, "wipe"), Action(1, 2, "sing")], [], CAPS)
    statistics = dataset_statistics([recording])
    assert statistics["balance"]["not_of_vocabulary"] == ["sing"]
    text = card_text("caps", {**statistics, "unreadable": {}, "recipe": None})
    assert "- Labels that are no class: 1 (sing)" in text.splitlines()
