# SPDX-License-Identifier: Apache-2.0
"""Segments that are believed by evidence: when, since when, and how sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from procedures import cycle

from m2r2_ros.inference.procedure import Duration, Procedure
from m2r2_ros.inference.segment_events import FramePrediction, SegmentEvent, SegmentStatus
from m2r2_ros.inference.tracker import SegmentTracker
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.labels import legacy_vocabulary
from m2r2_ros.vocabulary import Vocabulary

STARTED, ONGOING, ENDED = SegmentStatus
LABELS = ("rest", "stir", "pour", "wipe")
PLAIN = Vocabulary(LABELS, ("rest",))
# One of two seconds, and one of any length.
CYCLE = cycle(2.0, 2.0, 2.0, 2.0)
LOOSE = replace(CYCLE, durations=(Duration(3.0, 3.0),) * 4)
CONFIG = TrackerConfig(heartbeat_s=3600, min_duration_s=0, evidence_per_s=4, commit_level=0.6)


def posterior(label: int, sure: float, classes: int = len(LABELS)) -> np.ndarray:
    """Favours `label`; the rest is shared equally."""
    values = np.full(classes, (1 - sure) / (classes - 1), np.float32)
    values[label] = sure
    return values


def runs(*parts: tuple[int, int, float]) -> list[np.ndarray]:
    """Of (label, frames, confidence)."""
    return [posterior(label, sure) for label, frames, sure in parts for _ in range(frames)]


def play(
    tracker: SegmentTracker, posteriors: list[np.ndarray], rate_hz: float = 10
) -> list[SegmentEvent]:
    """The frames end at 0, 1 / rate, ... seconds."""
    events = []
    for index, values in enumerate(posteriors):
        frame = FramePrediction(index, round(index / rate_hz * 1e9), values, 0.0)
        events += tracker.step(frame)
    return events


def told(events: list[SegmentEvent], status: SegmentStatus = STARTED) -> list[tuple]:
    """(label, when it was said, since when it is true) in seconds."""
    return [
        (event.label, event.stamp_ns / 1e9, event.start_ns / 1e9)
        for event in events
        if event.status is status
    ]


def segments(posteriors: list[np.ndarray], config=CONFIG, procedure=CYCLE, rate_hz=10) -> list:
    tracker = SegmentTracker(PLAIN, config, procedure=procedure)
    return told(play(tracker, posteriors, rate_hz))


def test_a_clear_change_is_told_sooner_than_a_doubtful_one() -> None:
    delays = []
    for sure in (0.99, 0.6, 0.45):
        stream = runs((0, 20, sure), (1, 25, sure))
        first, (label, said_s, start_s) = segments(stream, procedure=LOOSE)
        assert (first[0], first[2], label) == ("rest", 0, "stir")
        assert start_s == pytest.approx(1.9, abs=0.21)
        delays.append(said_s - 1.9)
    assert delays == sorted(set(delays))
    assert delays[0] < 0.35 and delays[2] < 1.5


def test_a_flicker_belongs_to_the_open_segment() -> None:
    found = segments(runs((0, 15, 0.9), (2, 1, 0.9), (0, 5, 0.9), (3, 1, 0.9), (0, 3, 0.9)))
    assert [label for label, *_ in found] == ["rest"]


@pytest.mark.parametrize("prior", [0.0, 0.3, 0.6, 1.0])
def test_what_is_seen_clearly_is_told_whatever_the_order_of_training(prior) -> None:
    """Skipped, repeated and swapped, each for two seconds."""
    order = [0, 2, 1, 2, 0, 3, 0]
    config = replace(CONFIG, procedure_prior=prior)
    found = segments(runs(*[(label, 20, 0.9) for label in order]), config)
    assert [label for label, *_ in found] == [LABELS[label] for label in order]
    starts = [max(20 * i - 1, 0) / 10 for i in range(len(order))]
    assert [start_s for *_, start_s in found] == pytest.approx(starts, abs=0.25)


def test_the_order_of_training_decides_what_looks_alike() -> None:
    """Pouring and wiping cannot be told apart; after stirring training has only seen pouring."""
    alike = [np.array([0.02, 0.02, 0.48 - x, 0.48 + x], np.float32) for x in (0.02, -0.01)]
    stream = [*runs((0, 20, 0.95), (1, 20, 0.95)), *alike * 8]
    trusting = segments(stream, replace(CONFIG, procedure_prior=1.0))
    assert [label for label, *_ in trusting] == ["rest", "stir", "pour"]
    blind = segments(stream, replace(CONFIG, procedure_prior=0.0))
    assert [label for label, *_ in blind] == ["rest", "stir", "unknown"]


def test_what_the_head_does_not_see_is_not_told() -> None:
    """After stirring comes pouring, says training; the head sees nothing of it, then wiping."""
    stream = runs((0, 20, 0.95), (1, 20, 0.95), (3, 20, 0.7))
    found = segments(stream, replace(CONFIG, procedure_prior=1.0))
    assert [label for label, *_ in found] == ["rest", "stir", "wipe"]


def test_what_ends_when_it_usually_does_is_believed_sooner() -> None:
    delays = []
    for frames in (5, 20):
        (*_, (label, said_s, _)) = segments(runs((0, frames, 0.8), (1, 12, 0.7)))
        assert label == "stir"
        delays.append(said_s - (frames - 1) / 10)
    assert delays[1] < delays[0]


def test_a_boundary_makes_a_change_believed_sooner() -> None:
    said_s = {}
    for boundary in (0.0, 0.9):
        tracker = SegmentTracker(PLAIN, CONFIG, procedure=LOOSE)
        stream = runs((0, 20, 0.8), (1, 20, 0.8))
        events = []
        for index, values in enumerate(stream):
            seen = boundary * (index == 20)
            events += tracker.step(FramePrediction(index, index * 10**8, values, seen))
        started = next(event for event in events if event.label == "stir")
        assert started.start_ns == pytest.approx(1.9e9, abs=0.21e9)
        assert started.boundary_confidence == boundary
        said_s[boundary] = started.stamp_ns / 1e9
    assert said_s[0.9] < said_s[0.0]


@pytest.mark.parametrize("rate_hz", [5, 10, 30])
def test_the_rate_of_frames_hardly_matters(rate_hz) -> None:
    found = segments(
        runs((0, 2 * rate_hz, 0.8), (1, 2 * rate_hz, 0.8), (2, rate_hz, 0.8)), rate_hz=rate_hz
    )
    assert [label for label, *_ in found] == ["rest", "stir", "pour"]
    assert [start_s for *_, start_s in found] == pytest.approx([0, 2, 4], abs=0.31)
    assert [said_s for _, said_s, _ in found[1:]] == pytest.approx([2.1, 4.1], abs=0.3)


def test_a_stretch_that_shows_nothing_ends_nothing_at_once() -> None:
    """NaN is no evidence: time goes on, and what was open stays until something else is seen."""
    nothing = np.full(len(LABELS), np.nan, np.float32)
    found = segments([*runs((0, 10, 0.9)), *[nothing] * 10, *runs((1, 10, 0.9))])
    assert [label for label, *_ in found] == ["rest", "stir"]
    assert 0.9 <= found[1][2] <= 2.0


def test_nothing_is_told_before_anything_is_probable_or_patience_ends() -> None:
    tracker = SegmentTracker(PLAIN, CONFIG, procedure=Procedure(CYCLE.durations))
    events = play(tracker, [np.full(4, 0.25, np.float32)] * 12)
    assert told(events) == [("unknown", 1.0, 0.0)]


def test_what_nobody_can_name_is_unknown_when_patience_ends() -> None:
    """Rest has ended; whether they stir, pour or wipe does not show for two seconds."""
    any_of_three = np.array([0.01, 0.33, 0.33, 0.33], np.float32)
    stream = [*runs((0, 20, 0.95)), *[any_of_three] * 20, *runs((2, 20, 0.95))]
    config = replace(CONFIG, procedure_prior=0.0, patience_s=0.8)
    found = segments(stream, config)
    assert [label for label, *_ in found] == ["rest", "unknown", "pour"]
    _, (_, said_s, start_s), (*_, pour_s) = found
    assert said_s - start_s == pytest.approx(0.8, abs=0.01)
    assert start_s == pytest.approx(2.1, abs=0.31)
    assert pour_s == pytest.approx(3.9, abs=0.31)


def test_confidence_is_the_mean_probability_of_the_label() -> None:
    tracker = SegmentTracker(PLAIN, replace(CONFIG, procedure_prior=1.0), procedure=CYCLE)
    (started,) = play(tracker, runs((0, 1, 0.9)))
    assert CONFIG.commit_level <= started.confidence <= 1
    sure = SegmentTracker(PLAIN, CONFIG, procedure=CYCLE)
    play(sure, runs((0, 15, 0.9)))
    doubtful = SegmentTracker(PLAIN, CONFIG, procedure=CYCLE)
    play(doubtful, runs((0, 10, 0.9), (1, 3, 0.5), (0, 2, 0.5)))
    assert sure.current.label == doubtful.current.label == "rest"
    assert doubtful.current.confidence < sure.current.confidence


def test_a_parameter_can_change_while_a_segment_is_open() -> None:
    tracker = SegmentTracker(PLAIN, CONFIG, procedure=CYCLE)
    play(tracker, runs((0, 10, 0.9)))
    tracker.config = replace(CONFIG, procedure_prior=0.0, commit_level=0.9)
    assert tracker.step(FramePrediction(10, 10**9, posterior(0, 0.9), 0.0)) == []


OBJECTS = ("No action", "Insert USB", "Insert BNC", "Pick USB")
WITH_OBJECTS = legacy_vocabulary(OBJECTS)
INSERTS = Procedure(
    tuple(Duration(3.0, 1.0) for _ in OBJECTS), ((0, 9),), ((0, 1, 9), (0, 2, 9), (1, 0, 9))
)


def test_the_activity_is_told_before_its_object_which_is_named_once() -> None:
    """Which of the plugs it is shows a second after the arm has set out."""
    either, usb = [0.04, 0.46, 0.46, 0.04], [0.02, 0.9, 0.06, 0.02]
    stream = [*runs((0, 15, 0.9)), *[np.array(either, np.float32)] * 10]
    stream += [np.array(usb, np.float32)] * 10
    config = replace(CONFIG, object_unknown_below=0.7)
    tracker = SegmentTracker(WITH_OBJECTS, config, procedure=INSERTS)
    events = play(tracker, stream)
    assert [label for label, *_ in told(events)] == ["No action", "Insert"]
    insert = told(events)[1]
    assert insert[1] < 2.2 and insert[2] == pytest.approx(1.4, abs=0.2)
    ((named, said_s, start_s),) = told(events, ONGOING)
    assert (named, start_s) == ("Insert USB", insert[2])
    assert 2.4 <= said_s <= 3.2


def test_another_object_is_another_segment() -> None:
    usb, bnc = np.array([0.02, 0.9, 0.06, 0.02]), np.array([0.02, 0.06, 0.9, 0.02])
    stream = [*runs((0, 15, 0.9)), *[usb.astype(np.float32)] * 20, *[bnc.astype(np.float32)] * 20]
    tracker = SegmentTracker(WITH_OBJECTS, CONFIG, procedure=INSERTS)
    found = told(play(tracker, stream))
    assert [label for label, *_ in found] == ["No action", "Insert USB", "Insert BNC"]
    assert found[2][2] == pytest.approx(3.4, abs=0.3)
