# SPDX-License-Identifier: Apache-2.0
"""Which way is taken, and what the final models are trained with: held-out scores never count."""

from __future__ import annotations

import pytest

from m2r2_ros.inference.metadata import EncoderMetadata
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.learning import plan
from m2r2_ros.learning.choice import choose_way, final_choices, final_epochs
from m2r2_ros.learning.outcome import FINE_TUNED, FROZEN, SCRATCH, Trial
from m2r2_ros.learning.stages import HeadChoices
from m2r2_ros.sensing.layout import SensorLayout


def trial(way, fold, inside, loss=0.1, held_out=50.0, epochs=(8, 30)):
    cost = 100 - inside + 1e-6 * loss
    return Trial(way, fold, inside, cost, epochs, {"f1@50": held_out}, (), 1.0)


def test_the_way_that_is_best_inside_the_training_groups_is_taken():
    trials = [
        trial(FROZEN, "a", 90, held_out=10),
        trial(SCRATCH, "a", 80, held_out=99),
        trial(FROZEN, "b", 70, held_out=10),
        trial(SCRATCH, "b", 85, held_out=99),
        trial(FROZEN, "c", 90, held_out=10),
        trial(SCRATCH, "c", 80, held_out=99),
    ]
    choice = choose_way(trials)
    assert choice.way == FROZEN
    assert choice.in_fold == {"a": FROZEN, "b": SCRATCH, "c": FROZEN}
    assert "frozen 83.3" in choice.reason and "scratch 81.7" in choice.reason


def test_where_scores_are_even_the_loss_decides_and_that_is_said():
    trials = [trial(FROZEN, "a", 100, loss=0.4), trial(FINE_TUNED, "a", 100, loss=0.2)]
    choice = choose_way(trials)
    assert choice.way == FINE_TUNED and "the lower loss decides" in choice.reason


def test_one_way_needs_no_reason():
    assert choose_way([trial(SCRATCH, "a", 5)]).reason == "the only way that was tried"


def test_all_recordings_are_learned_as_long_as_the_folds_say():
    trials = [trial(SCRATCH, fold, 1, epochs=epochs) for fold, epochs in
              {"a": (8, 10), "b": (10, 60), "c": (9, 20)}.items()]  # fmt: skip
    assert final_epochs(trials) == (9, 20)
    assert final_epochs(trials[:2]) == (9, 35)


def test_what_the_folds_have_tuned_is_the_median():
    found = final_choices(
        [
            HeadChoices(1.0, TrackerConfig(confirm_s=0.1), True),
            HeadChoices(2.0, TrackerConfig(confirm_s=0.5), False),
            HeadChoices(1.2, TrackerConfig(confirm_s=0.3), False),
        ]
    )
    assert (found.temperature, found.tracker.confirm_s, found.by_evidence) == (1.2, 0.3, False)


KNOWN = SensorLayout(("top", "hand"), False, ("wrench", "pose"))


@pytest.fixture
def started_from(tmp_path, monkeypatch):
    metadata = EncoderMetadata(KNOWN, 128, (128, 128), "made up")
    monkeypatch.setattr(plan, "read_encoder_metadata", lambda path: metadata)
    return tmp_path / "encoder.onnx"


@pytest.mark.parametrize(
    ("layout", "recordings", "ways"),
    [
        (KNOWN, 8, (FROZEN, FINE_TUNED, SCRATCH)),
        (KNOWN, 7, (FROZEN, FINE_TUNED)),
        (KNOWN, 3, (FROZEN,)),
        (SensorLayout(("top",), True, ("wrench",)), 20, (FROZEN, FINE_TUNED, SCRATCH)),
        (SensorLayout(("side",), True, ("wrench",)), 20, (FINE_TUNED, SCRATCH)),
        (SensorLayout(("side",), True, ("twist",)), 3, (SCRATCH,)),
        (SensorLayout((), False, {"wrench": {"width": 3, "preset": "none"}}), 3, (SCRATCH,)),
    ],
)
def test_sensors_and_amount_of_data_say_which_ways_are_tried(
    layout, recordings, ways, started_from
):
    tried, said = plan.tried_ways(layout, recordings, started_from)
    assert tried == ways
    assert {way for way, why in said.items() if why.startswith("tried")} == set(ways)
    assert set(said) == {SCRATCH, FROZEN, FINE_TUNED}


def test_sensors_that_are_not_there_are_named(started_from):
    layout = SensorLayout(("top",), True, ("wrench",))
    said = plan.tried_ways(layout, 20, started_from)[1]
    assert said[FROZEN] == "tried; masked: hand, pose; not seen by it: audio"
    assert said[FINE_TUNED] == "tried; begun anew: audio"


def test_epochs_follow_the_amount_of_data():
    def epochs(actions, way=SCRATCH):
        return plan.encoder_settings(KNOWN, {"a": (actions, 1.0)}, way).optimiser.epochs

    assert [epochs(n) for n in (0, 80, 160, 240, 5000)] == [30, 30, 15, 10, 8]
    assert epochs(240, FINE_TUNED) == 5
