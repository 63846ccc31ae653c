# SPDX-License-Identifier: Apache-2.0
"""What to record next: what is missed and rare is named first, with numbers."""

import numpy as np
import pytest
from made_outcome import ORDER, held_out, outcome

from m2r2_ros.learning.next_recordings import MOST_SUGGESTIONS, what_to_record

NAMES = [f"take{number}" for number in range(6)]


def test_nothing_is_suggested_where_nothing_is_missed():
    assert what_to_record(outcome(*map(held_out, NAMES))) == []


@pytest.mark.parametrize("seed", range(20))
def test_a_class_with_half_of_the_examples_is_named_first(seed):
    """Errors go with the root of the examples: 0.3 of the rare class, 0.2 of the others."""
    rng = np.random.default_rng(seed)
    rare = str(rng.choice(sorted(set(ORDER))))
    orders = [[label for label in ORDER if label != rare] + [rare] * 2 for _ in NAMES]
    missed = [{} for _ in NAMES]
    for label in sorted(set(ORDER)):
        part = 0.3 if label == rare else 0.2
        first = int(rng.integers(len(NAMES)))
        for number in range(round(part * sum(order.count(label) for order in orders))):
            take = (first + number) % len(NAMES)
            own = [i for i, name in enumerate(orders[take]) if name == label]
            missed[take][int(rng.choice(own))] = "wait"
    takes = zip(NAMES, orders, missed, strict=True)
    first, *_ = what_to_record(outcome(*(held_out(*take) for take in takes)))
    assert first.text.startswith(f"Record '{rare}' more often: 4 of 12")


def test_a_class_that_is_missed_is_named_with_its_numbers():
    recordings = [held_out(NAMES[0], missed={0: "wait", 3: "wait"}), *map(held_out, NAMES[1:])]
    (first,) = what_to_record(outcome(*recordings))
    # 2 of 24; with 10 examples more, errors are sqrt(24 / 34) of what they are; 72 actions.
    assert "Record 'pick' more often: 2 of 24 such actions are missed" in first.text
    assert first.gain == pytest.approx(100 * 2 * (1 - np.sqrt(24 / 34)) / 72)


def test_two_classes_that_are_confused_are_to_be_recorded_in_turns():
    missed = {0: "place", 3: "place", 6: "place", 1: "pick"}
    recordings = [held_out(NAMES[0], missed=missed), *map(held_out, NAMES[1:])]
    texts = [one.text for one in what_to_record(outcome(*recordings))]
    (text,) = [text for text in texts if "in turns" in text]
    assert "3 of 'pick' were taken for 'place', and 1 the other way round" in text


def test_a_group_that_fails_when_it_is_held_out_is_named():
    missed = dict.fromkeys(range(0, 12, 2), "wait")
    recordings = [held_out(NAMES[0], missed=missed), *map(held_out, NAMES[1:])]
    groups = dict(zip(NAMES, ["evening", "a", "b", "c", "d", "e"], strict=True))
    texts = [one.text for one in what_to_record(outcome(*recordings, groups=groups))]
    (text,) = [text for text in texts if "conditions" in text]
    assert "'evening'" in text and "F1@50 of 50, the median of the other groups is 100" in text


def test_a_transition_that_one_group_alone_has_is_named():
    order = ("pick", "screw", "place") * 4
    direct = [held_out(name) for name in NAMES]
    direct = [without_waiting(one) for one in direct]
    other = without_waiting(held_out("other", order, {1: "wait", 4: "wait", 7: "wait"}))
    texts = [one.text for one in what_to_record(outcome(*direct, other))]
    (text,) = [text for text in texts if "after" in text]
    assert "Record 'screw' after 'pick'" in text
    assert "only 'other' has it, and 3 of 4" in text


def without_waiting(one):
    truth = tuple(segment for segment in one.truth if segment.label != "wait")
    return type(one)(one.recording, one.scores, truth, one.published)


def test_there_are_five_suggestions_at_most_the_greatest_gain_first():
    rng = np.random.default_rng(1)
    names = ("wait", "pick", "place", "screw")
    recordings = [
        held_out(name, missed={i: str(rng.choice(names)) for i in range(12)}) for name in NAMES
    ]
    found = what_to_record(outcome(*recordings))
    assert len(found) == MOST_SUGGESTIONS
    gains = [one.gain for one in found]
    assert gains == sorted(gains, reverse=True)
