# SPDX-License-Identifier: Apache-2.0
"""Each check finds what is planted in one recording of eight, and says nothing of clean ones."""

import re
from dataclasses import replace

import numpy as np
import pytest
from made_recordings import CAMERAS, SIGNALS, VOCABULARY, WORK, takes

from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.learning.checks.label_contradictions import FOREIGN, SWAPPED
from m2r2_ros.learning.checks.label_shift import CLOCK_KIND, SHIFTED
from m2r2_ros.learning.checks.signal_columns import UNIT, changed_columns
from m2r2_ros.learning.examination import LABEL_KINDS, examine
from m2r2_ros.learning.profile import (
    RecordingProfile,
    camera_profile,
    cut_off_share,
    signal_profile,
)
from m2r2_ros.vocabulary import Vocabulary

ODD = 3


@pytest.fixture(scope="module")
def made():
    return takes()


@pytest.fixture(scope="module")
def clean(made):
    return [take.profile() for take in made]


@pytest.fixture(scope="module")
def filmed():
    return takes(6, filmed=True)


@pytest.fixture(scope="module")
def clean_films(filmed):
    return [take.profile() for take in filmed]


def found(profiles, changed, vocabulary=VOCABULARY):
    """What is found when recording ODD is another one; nothing is found of the others."""
    findings = examine([*profiles[:ODD], changed, *profiles[ODD + 1 :]], vocabulary)
    assert {finding.recording for finding in findings} <= {changed.name}
    return findings


def moved(segments, by_s, duration_s):
    return tuple(
        Segment(label, max(0.0, start_s + by_s), min(duration_s, end_s + by_s))
        for label, start_s, end_s in segments
        if end_s + by_s > 0.1 and start_s + by_s < duration_s - 0.1
    )


def spoiled(made, profile, stream, change):
    """The profile of recording ODD with a signal changed: `change(times, values)` gives both."""
    times, values = made[ODD].signals[stream]
    times, values = change(times.copy(), values.copy())
    again = signal_profile(SIGNALS[stream], times, values, profile.duration_s)
    unusable = float((~np.isfinite(values).all(axis=1)).mean())
    streams = {**profile.streams, stream: replace(again, unusable=unusable)}
    return replace(profile, streams=streams)


def test_nothing_is_found_in_clean_recordings(clean, clean_films):
    assert examine(clean, VOCABULARY) == []
    assert examine(clean_films, VOCABULARY) == []


@pytest.mark.parametrize("late_s", [-4.0, 2.5])
def test_labels_that_are_shifted_are_found_with_how_far(clean, late_s):
    odd = clean[ODD]
    (finding,) = found(clean, replace(odd, segments=moved(odd.segments, late_s, odd.duration_s)))
    assert (finding.kind, finding.recording) == (SHIFTED, odd.name)
    said, side = re.match(r"its labels are ([0-9.]+) s (early|late)", finding.text).groups()
    assert float(said) == pytest.approx(abs(late_s), abs=0.15)
    assert side == ("late" if late_s > 0 else "early")


def test_a_stream_with_a_clock_of_its_own_is_found(made, clean):
    odd = spoiled(made, clean[ODD], "wrench", lambda times, values: (times + 3.0, values))
    (finding,) = found(clean, odd)
    assert (finding.kind, finding.stream) == (CLOCK_KIND, "wrench")
    assert "3.0 s behind" in finding.text


def test_two_exchanged_classes_are_found(clean):
    names = {"grasp": "carry", "carry": "grasp"}
    segments = tuple(s._replace(label=names.get(s.label, s.label)) for s in clean[ODD].segments)
    (finding,) = found(clean, replace(clean[ODD], segments=segments))
    assert finding.kind == SWAPPED
    assert "'carry' and 'grasp'" in finding.text or "'grasp' and 'carry'" in finding.text


def test_labels_of_another_recording_are_found(clean):
    """In recordings of one order they are its own at another time."""
    other = clean[ODD + 1]
    segments = moved(other.segments, 0.0, clean[ODD].duration_s)
    findings = found(clean, replace(clean[ODD], segments=segments))
    assert {finding.kind for finding in findings} & {*LABEL_KINDS, FOREIGN}


def hold(times, values):
    held = (times > 4) & (times < 16)
    values[held] = values[held][0]
    return times, values


def lose(times, values):
    values[::2] = np.nan
    return times, values


def clip(times, values):
    values[:, 1] = np.minimum(values[:, 1], np.quantile(values[:, 1], 0.85))
    return times, values


def scaled(*columns, by):
    def change(times, values):
        values[:, list(columns)] *= by
        return times, values

    return change


def exchanged(one, other):
    def change(times, values):
        values[:, [one, other]] = values[:, [other, one]]
        return times, values

    return change


@pytest.mark.parametrize(
    ("stream", "change", "kind", "words"),
    [
        ("pose", hold, "stuck sensor", "does not change at all for 1"),
        ("gripper", hold, "stuck sensor", "does not change at all for 1"),
        ("twist", lose, "unusable samples", "50% of the samples"),
        ("wrench", clip, "saturated sensor", "force y"),
        ("gripper", scaled(0, by=1000.0), "other unit", "1000 times as large (milli"),
        ("pose", scaled(0, 1, 2, by=0.001), "other unit", "0.001 times as large"),
        ("twist", scaled(3, 4, 5, by=180 / np.pi), "other unit", "degrees instead of radians"),
        ("pose", scaled(1, by=-1.0), "other sign", "position y"),
        ("wrench", scaled(2, by=-1.0), "other sign", "force z"),
        ("pose", exchanged(0, 2), "other order", "position x holds position z"),
    ],
)
def test_a_sensor_that_is_unlike_that_of_the_others_is_found(
    made, clean, stream, change, kind, words
):
    findings = found(clean, spoiled(made, clean[ODD], stream, change))
    assert [finding.kind for finding in findings] == [kind]
    assert findings[0].stream == stream
    assert words in findings[0].text


def test_a_sensor_that_is_missing_is_found_once_or_once_a_recording(clean):
    def without(profile):
        streams = {name: each for name, each in profile.streams.items() if name != "gripper"}
        return replace(profile, streams=streams, missing=("gripper",))

    (finding,) = found(clean, without(clean[ODD]))
    assert (finding.kind, finding.stream) == ("missing sensor", "gripper")
    (finding,) = examine([without(profile) for profile in clean], VOCABULARY)
    assert finding.recording == "" and "in none of the recordings" in finding.text


def dark(picture, _):
    return (picture * 0.02).astype(np.uint8)


def same(_, first):
    return first


@pytest.mark.parametrize(("change", "kind"), [(dark, "blank camera"), (same, "stuck sensor")])
def test_a_camera_that_shows_nothing_or_one_picture_is_found(filmed, clean_films, change, kind):
    odd = clean_films[ODD]
    film = filmed[ODD].films["front"]
    film = [each._replace(picture=change(each.picture, film[0].picture)) for each in film]
    streams = {**odd.streams, "front": camera_profile(film, odd.duration_s)}
    findings = found(clean_films, replace(odd, streams=streams))
    assert (kind, "front") in {(finding.kind, finding.stream) for finding in findings}


def test_two_cameras_that_have_changed_places_are_found(clean_films):
    one, other = CAMERAS
    streams = clean_films[ODD].streams
    streams = {**streams, one: streams[other], other: streams[one]}
    findings = found(clean_films, replace(clean_films[ODD], streams=streams))
    assert [finding.kind for finding in findings] == ["swapped cameras"]


def test_sound_that_is_silent_is_found(clean):
    sound = clean[ODD].streams["audio"]
    streams = {**clean[ODD].streams, "audio": replace(sound, values=sound.values - 60)}
    findings = found(clean, replace(clean[ODD], streams=streams))
    assert [finding.kind for finding in findings] == ["silent sound"]


def test_classes_with_too_few_examples_are_found(clean):
    segments = (*clean[ODD].segments[:-1], clean[ODD].segments[-1]._replace(label="wipe"))
    vocabulary = Vocabulary((*VOCABULARY.labels, "wipe", "polish"), VOCABULARY.idle)
    changed = replace(clean[ODD], segments=segments)
    findings = examine([*clean[:ODD], changed, *clean[ODD + 1 :]], vocabulary)
    few = [finding for finding in findings if finding.kind == "few examples"]
    assert [finding.label for finding in few] == ["wipe", "polish"]
    assert "in one group of recordings alone" in few[0].text


@pytest.mark.parametrize("label", VOCABULARY.labels)
def test_a_class_that_one_recording_alone_has_is_no_contradiction(clean, label):
    """The others cannot tell what it is."""
    segments = tuple(
        s._replace(label="wipe") if s.label == label else s for s in clean[ODD].segments
    )
    vocabulary = Vocabulary((*VOCABULARY.labels, "wipe"), VOCABULARY.idle)
    for count in (ODD + 1, len(clean)):
        profiles = [*clean[:ODD], replace(clean[ODD], segments=segments), *clean[ODD + 1 : count]]
        assert not [each for each in examine(profiles, vocabulary) if each.recording]


def test_one_class_alone_is_fatal_and_comes_first(clean):
    one = [replace(p, segments=(Segment("reach", 0.0, p.duration_s),)) for p in clean]
    first = examine(one, Vocabulary(("reach",)))[0]
    assert first.fatal and "1 class" in first.text


def test_without_labels_nothing_can_be_compared(clean):
    findings = examine([replace(profile, segments=()) for profile in clean], VOCABULARY)
    assert {finding.kind for finding in findings if finding.fatal} == {
        "few examples",
        "few recordings",
    }


def test_a_segment_of_an_odd_duration_is_found_with_its_place(clean):
    segments = list(clean[ODD].segments)
    short = segments[1]._replace(end_s=segments[1].start_s + 0.15)
    segments[1:3] = [short, segments[2]._replace(start_s=short.end_s)]
    findings = found(clean, replace(clean[ODD], segments=tuple(segments)))
    (finding,) = [finding for finding in findings if finding.kind == "odd durations"]
    assert (finding.label, finding.start_s) == (short.label, short.start_s)


def test_clipping_is_told_from_coming_to_rest():
    times = np.arange(0, 20, 0.01)
    swing = np.sin(times)
    assert cut_off_share(np.minimum(swing, 0.7)) == pytest.approx(np.mean(swing >= 0.7), abs=0.01)
    assert cut_off_share(swing) == 0.0
    rests = np.minimum(1.0, (1 - np.cos(np.pi * np.minimum(times, 1))) / 2)
    assert cut_off_share(rests) == 0.0
    assert cut_off_share(np.zeros(10)) == 0.0


def of_one_column(seed):
    """Profiles of a column that nothing moves, zeroed before each recording, once badly."""
    rng, times = np.random.default_rng(seed), np.arange(0, 20, 0.02)
    biases, profiles = rng.normal(0, 1.0, 8), []
    biases[ODD] = 8.0 * rng.choice([-1, 1])
    for number, bias in enumerate(biases):
        values = bias + rng.normal(0, 0.4, (len(times), 1))
        stream = signal_profile(SIGNALS["gripper"], times, values, 20.0)
        work = tuple(Segment(label, 5.0 * i, 5.0 * i + 5) for i, label in enumerate(WORK))
        profiles.append(
            RecordingProfile(str(number), str(number), 20.0, work, "wait", {"gripper": stream})
        )
    return profiles


@pytest.mark.parametrize("seed", range(12))
def test_an_offset_is_no_other_unit(seed):
    """Divided by a unit an offset would be usual, but so would be the range of its noise."""
    kinds = [finding.kind for finding in changed_columns(of_one_column(seed), WORK)]
    assert UNIT not in kinds
