# SPDX-License-Identifier: Apache-2.0
"""Folds hold whole groups out, each once; what is chosen is chosen inside the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.datasets.groups import Groups
from m2r2_ros.errors import M2R2Error
from m2r2_ros.learning.folds import MOST_FOLDS, deal_folds

DATA = st.lists(st.tuples(st.integers(0, 11), st.floats(0.1, 10)), min_size=3, max_size=40)


@given(DATA)
def test_every_recording_is_held_out_once_with_its_group(data):
    minutes = {f"take {number}": length for number, (_, length) in enumerate(data)}
    groups = Groups({f"take {n}": f"person {group}" for n, (group, _) in enumerate(data)})
    dealt = deal_folds(groups.among(list(minutes), "recordings"), minutes)
    held_out = [name for fold in dealt.folds for name in fold.recordings]
    assert sorted(held_out) == sorted(minutes)
    assert 2 <= len(dealt.folds) <= MOST_FOLDS
    assert len({fold.name for fold in dealt.folds}) == len(dealt.folds)
    for fold in dealt.folds:
        assert len(minutes) - len(fold.recordings) >= 2
        training = [name for name in minutes if name not in fold.recordings]
        dealt.groups.check_apart(training=training, held_out=fold.recordings)
    assert set(dealt.groups.of.values()) == {each for fold in dealt.folds for each in fold.groups}


def test_a_fold_is_called_like_its_group():
    groups = Groups({"a": "anna", "b": "anna", "c": "bert", "d": "bert"})
    dealt = deal_folds(groups, dict.fromkeys("abcd", 1.0))
    assert [(fold.name, fold.recordings) for fold in dealt.folds] == [
        ("anna", ("a", "b")),
        ("bert", ("c", "d")),
    ]
    assert dealt.rule == "each of 2 groups is held out once"


def test_folds_of_many_groups_are_about_as_long_and_that_is_said():
    minutes = {f"take {number:02}": 1.0 + number for number in range(20)}
    dealt = deal_folds(Groups({name: name for name in minutes}, "no groups.csv"), minutes)
    lengths = [sum(minutes[name] for name in fold.recordings) for fold in dealt.folds]
    assert max(lengths) - min(lengths) <= max(minutes.values()) / 4
    assert "20 recordings" in dealt.rule and "in 4 folds" in dealt.rule
    assert "no groups.csv" in dealt.rule


def test_a_group_without_which_nothing_is_left_is_split_and_that_is_said():
    groups = Groups({"a": "anna", "b": "anna", "c": "bert"})
    dealt = deal_folds(groups, dict.fromkeys("abc", 1.0))
    assert [fold.name for fold in dealt.folds] == ["a", "b", "c"]
    assert "'anna'" in dealt.rule


def test_two_recordings_are_too_few():
    with pytest.raises(M2R2Error, match="2 labelled recordings: learning takes 3"):
        deal_folds(Groups({"a": "a", "b": "b"}, "each"), {"a": 1.0, "b": 1.0})
