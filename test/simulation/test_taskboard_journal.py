# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.labels import ACTIVITIES, FINE_LABELS, OBJECTS, label_from_text
from m2r2_ros.simulation.journal import Journal, actions_from_attempts


def test_what_was_done_becomes_labels_and_the_rest_is_no_action():
    journal = Journal()
    journal.begin(1.0, "Pick", "USB")
    journal.skill(1.0, "Approach")
    journal.skill(2.5, "Grasp")
    journal.end(3.0, True)
    journal.begin(3.0, "Insert", "USB")
    journal.skill(3.0, "Approach")
    journal.skill(4.0, "Push")
    journal.end(5.0, False)

    idle, pick, insert, rest = actions_from_attempts(journal.attempts, 6.0)

    assert (idle.start_s, idle.end_s, idle.text) == (0.0, 1.0, "No action.")
    assert (pick.start_s, pick.end_s, pick.text, pick.success) == (1.0, 3.0, "Pick USB.", True)
    assert [(s.text, s.start_s, s.end_s) for s in pick.low_level] == [
        ("Approach.", 1.0, 2.5),
        ("Grasp.", 2.5, 3.0),
    ]
    assert (insert.text, insert.success) == ("Insert USB.", False)
    assert [s.success for s in insert.low_level] == [True, False]
    assert (rest.start_s, rest.end_s, rest.text) == (5.0, 6.0, "No action.")


@st.composite
def journals(draw) -> tuple[Journal, float]:
    journal, now = Journal(), 0.0
    for _ in range(draw(st.integers(0, 8))):
        now += draw(st.sampled_from([0.0, 0.25, 1.5]))
        journal.begin(now, draw(st.sampled_from(ACTIVITIES)), draw(st.sampled_from(OBJECTS)))
        for skill in draw(st.lists(st.sampled_from(["Approach", "Push", "Release"]), max_size=4)):
            journal.skill(now, skill)
            now += 0.5
        now += 0.5
        journal.end(now, draw(st.booleans()))
    return journal, now + draw(st.sampled_from([0.0, 2.0]))


@given(journals())
def test_labels_cover_the_recording_without_gap_or_overlap(case):
    journal, duration_s = case
    actions = actions_from_attempts(journal.attempts, duration_s)
    edges = [0.0, *(action.end_s for action in actions)]
    assert [action.start_s for action in actions] == edges[:-1]
    assert edges[-1] == pytest.approx(duration_s)
    assert all(action.end_s > action.start_s for action in actions)
    assert all(label_from_text(action.text) in FINE_LABELS for action in actions)


@given(journals())
def test_skills_stay_inside_their_action_and_end_with_it(case):
    journal, duration_s = case
    for action in actions_from_attempts(journal.attempts, duration_s):
        if action.low_level:
            starts = [skill.start_s for skill in action.low_level]
            ends = [skill.end_s for skill in action.low_level]
            assert starts[1:] == ends[:-1] and ends[-1] == action.end_s
            assert starts[0] >= action.start_s
