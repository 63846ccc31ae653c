# SPDX-License-Identifier: Apache-2.0
"""What is done after what, on which object: counted by hand, computed from the definition, used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from procedures import cycle, procedures, worlds

from m2r2_ros.inference.deeds import Deeds
from m2r2_ros.inference.metadata import HeadMetadata
from m2r2_ros.inference.procedure import Duration, Procedure
from m2r2_ros.inference.segment_events import FramePrediction, SegmentStatus
from m2r2_ros.inference.succession import WorldSuccession
from m2r2_ros.inference.tracker import SegmentTracker
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.inference.world_order import UNTOUCHED, WorldOrder, count_world
from m2r2_ros.inference.world_state import WorldState
from m2r2_ros.vocabulary import Parts, Vocabulary

ACTIONS, OBJECTS = ("take", "screw", "drop"), ("nut", "bolt", "pin")
PARTS = {
    f"{action} {thing}": Parts(action, thing)
    for action in ACTIONS
    for thing in OBJECTS
    if (action, thing) != ("screw", "pin")
}
VOCABULARY = Vocabulary(("wait", *PARTS), ("wait",), PARTS)
IDS = {label: number for number, label in enumerate(VOCABULARY.labels)}
DEEDS = Deeds(VOCABULARY)
TAKE, SCREW, DROP = range(3)


def order(*labels: str) -> list[int]:
    return [IDS[label] for label in labels]


def test_it_counts_through_idle_times_and_by_what_each_object_saw() -> None:
    told = order("wait", "take nut", "wait", "screw nut", "take bolt", "drop bolt", "wait")
    counted = count_world([told, order("take pin")], DEEDS)
    assert counted.after == (
        (TAKE, SCREW, 1, 1),
        (TAKE, DROP, 1, 1),
        (SCREW, TAKE, 0, 1),
    )
    # The nut of three, the bolt of two that had seen nothing, the pin of three.
    assert counted.chosen == ((TAKE, UNTOUCHED, 3, 8),)


def expected(counted: WorldOrder, done: list[int], last: int, waited: bool) -> np.ndarray:
    """Probability of each label to come next, (C,), from the definition."""
    count = len(ACTIONS)
    after = np.zeros((count, count, 2))
    for a, b, same, n in counted.after:
        after[a, b, same] = n
    rates = {}
    for activity in range(count):
        rows = [row for row in counted.chosen if row[0] == activity]
        mean = (sum(r[2] for r in rows) + 1) / (sum(r[3] for r in rows) + 2)
        for state in range(-1, count):
            chosen, offered = next((r[2:] for r in rows if r[1] == state), (0, 0))
            rates[activity, state] = max((chosen + mean) / (offered + 1), 1e-3)
    saw = dict.fromkeys(OBJECTS, UNTOUCHED)
    for label in done:
        parts = VOCABULARY.parts[VOCABULARY.labels[label]]
        saw[parts.object] = ACTIONS.index(parts.action)
    before = VOCABULARY.parts[VOCABULARY.labels[last]]
    known = after[ACTIONS.index(before.action)]
    pooled = (after.sum(0) + 1) / (after.sum() + 2 * count)
    known = (known + pooled) / (known.sum() + 1)
    if not waited:
        known[ACTIONS.index(before.action), 1] = 0
        known = known / known.sum()
    found = np.zeros(len(VOCABULARY.labels))
    for label, parts in VOCABULARY.parts.items():
        activity = ACTIONS.index(parts.action)
        if parts.object == before.object:
            found[IDS[label]] = known[activity, 1]
            continue
        drawn = {
            other: rates[activity, saw[other]]
            for other in OBJECTS
            if other != before.object and f"{parts.action} {other}" in PARTS
        }
        found[IDS[label]] = known[activity, 0] * drawn[parts.object] / sum(drawn.values())
    return found


DEED = st.sampled_from([IDS[label] for label in PARTS])


@given(
    counted=worlds(len(ACTIONS)), done=st.lists(DEED, min_size=1, max_size=6), waited=st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_what_comes_next_is_as_defined(counted, done, waited) -> None:
    world = WorldState(counted, DEEDS)
    for label in done:
        world.note(label)
        world.note(IDS["wait"])
    ended = np.zeros(len(VOCABULARY.labels))
    ended[IDS["wait"] if waited else done[-1]] = 1
    found = world.next(ended)
    np.testing.assert_allclose(found, expected(counted, done, done[-1], waited), atol=1e-12)
    assert found.sum() <= 1 + 1e-9


@given(data=st.data(), counted=worlds(len(ACTIONS)), prior=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_what_has_ended_is_followed_by_as_much_and_never_by_itself(data, counted, prior) -> None:
    procedure = data.draw(procedures(len(VOCABULARY.labels)))
    world = WorldState(counted, DEEDS)
    for label in data.draw(st.lists(st.none() | DEED, max_size=3)):
        world.note(label)
    succession = WorldSuccession(procedure, prior, world, DEEDS.idle)
    for label in range(len(VOCABULARY.labels)):
        ended = np.zeros(len(VOCABULARY.labels))
        ended[label] = 0.7
        found = succession.next(ended)
        assert found.sum() == pytest.approx(0.7)
        assert (found >= 0).all()
        # Up to what is alike for all where nothing else is left to do.
        assert found[label] <= 0.7 / len(PARTS)


@given(worlds(len(ACTIONS)))
@settings(max_examples=30, deadline=None)
def test_it_survives_the_metadata(counted) -> None:
    procedure = replace(cycle(*[1.0] * len(VOCABULARY.labels)), world=counted)
    head = HeadMetadata(
        VOCABULARY.labels, 3, {}, "", "", vocabulary=VOCABULARY, procedure=procedure
    )
    assert HeadMetadata.from_json(head.to_json(), "file").procedure == procedure


def test_one_screws_what_one_has_taken() -> None:
    """The evidence tells that something is screwed, not what: the bolt that was taken before."""
    assert screwed(prior=1.0) == "bolt"
    assert screwed(prior=0.0) != "bolt"


def screwed(prior: float) -> str:
    told = ["take", "screw"]
    orders = [
        order(*[f"{action} {thing}" for thing in two for action in told])
        for two in (("nut", "bolt"), ("bolt", "nut"))
    ]
    classes = len(VOCABULARY.labels)
    procedure = Procedure(
        tuple(Duration(2.0, 0.5) for _ in range(classes)), world=count_world(orders * 20, DEEDS)
    )
    config = TrackerConfig(procedure_prior=prior, evidence_per_s=10, commit_level=0.6)
    tracker = SegmentTracker(VOCABULARY, config, procedure=procedure)
    seen = [("take bolt",)] * 20 + [("wait",)] * 10 + [("screw nut", "screw bolt")] * 20
    events = []
    for number, labels in enumerate(seen):
        posterior = np.full(classes, 1e-3, np.float32)
        posterior[order(*labels)] = 1 / len(labels)
        stamp_ns = (number + 1) * 100_000_000
        events += tracker.step(FramePrediction(number, stamp_ns, posterior, 0.0))
    events += tracker.close(stamp_ns)
    [last] = [e for e in events if e.action == "screw" and e.status == SegmentStatus.ENDED]
    return last.object
