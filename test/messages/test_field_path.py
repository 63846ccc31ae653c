# SPDX-License-Identifier: Apache-2.0
"""Field paths: what is read is what was written, and all else is one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.field_path import FieldPath, Step, parse_path

FIELDS = st.from_regex(r"\A[a-z][a-z0-9_]{0,8}\Z")
SPANS = st.tuples(st.integers(0, 999), st.integers(1, 99)).map(lambda s: (s[0], s[0] + s[1]))
INDEX = set("0123456789:")
# Whatever people call their joints, but for what is meant as an index.
NAMES = st.text(st.characters(blacklist_characters="[]"), min_size=1, max_size=9).filter(
    lambda name: not set(name) & INDEX or not set(name) <= INDEX | set("+-., \t\n\r\f\v")
)
STEPS = st.one_of(
    FIELDS.map(Step),
    st.tuples(FIELDS, SPANS).map(lambda each: Step(each[0], *each[1])),
    st.tuples(FIELDS, NAMES).map(lambda each: Step(each[0], name=each[1])),
)


@given(st.lists(STEPS, min_size=1, max_size=4).map(tuple), st.booleans())
def test_a_path_is_read_as_it_was_written(steps, is_rpy):
    path = FieldPath(steps, is_rpy)
    assert parse_path(str(path)) == path


@given(st.text(max_size=30))
def test_any_other_text_is_one_line(text):
    try:
        path = parse_path(text)
    except M2R2Error as error:
        assert "\n" not in str(error)
    else:
        assert parse_path(str(path)) == path


@pytest.mark.parametrize(
    "text", ["", ".x", "x.", "x..y", "x[]", "x[3", "x]", "3", "x[5:5]", "rpy()", "x y", "a" * 300]
)
def test_no_path(text):
    with pytest.raises(M2R2Error, match=r"no field path|is empty"):
        parse_path(text)


@pytest.mark.parametrize("key", ["-1", "-3:", ":5", "1:", "0:16:2", "1.5", "0, 1", "-5:-2", "+1"])
def test_an_index_that_counts_otherwise_is_no_joint(key):
    with pytest.raises(M2R2Error, match=r"is no index, they count from 0"):
        parse_path(f"position[{key}]")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("position[elbow_joint]", 1),
        ("data[3]", 1),
        ("data[0:16]", 16),
        ("interface_values[finger].values[2:5]", 3),
        ("pads[0:2].cells[0:8]", 16),
        ("state.cells[0:8]", 8),
        ("rpy(pose[3:6])", 4),
        ("wrench.force", None),
        ("data", None),
    ],
)
def test_a_path_says_how_many_numbers_it_is(text, count):
    assert parse_path(text).count == count
