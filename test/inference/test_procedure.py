# SPDX-License-Identifier: Apache-2.0
"""What a head's file says of durations and order: read back as written, or refused in a line."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from procedures import cycle, procedures

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.metadata import HeadMetadata
from m2r2_ros.inference.procedure import Duration, Procedure
from m2r2_ros.vocabulary import Vocabulary

LABELS = ("a", "b", "c")


@given(procedures(len(LABELS)))
@settings(deadline=None, max_examples=50)
def test_it_survives_the_metadata(procedure) -> None:
    head = HeadMetadata(LABELS, 3, {}, "", "", procedure=procedure)
    found = HeadMetadata.from_json(head.to_json(), "file").procedure
    assert found == procedure


def test_a_head_without_one_has_none() -> None:
    text = HeadMetadata(LABELS, 3, {}, "", "").to_json()
    assert "procedure" not in json.loads(text)
    assert HeadMetadata.from_json(text, "file").procedure is None


@given(st.floats(0.01, 1000), st.floats(0.01, 3))
def test_a_duration_is_its_logarithm(median_s, spread) -> None:
    duration = Duration.of_logarithm(math.log(median_s), spread)
    assert duration.median_s == pytest.approx(median_s)
    assert duration.spread == pytest.approx(spread)


GOOD = cycle(1.0, 2.0, 3.0).to_dict()
BAD = {
    "too few durations": {"durations_s": GOOD["durations_s"][:2]},
    "a duration of nothing": {"durations_s": [[0, 1], [1, 1], [1, 1]]},
    "a duration that does not vary": {"durations_s": [[1, 0], [1, 1], [1, 1]]},
    "a duration that is no number": {"durations_s": [["1", 1], [1, 1], [1, 1]]},
    "a duration of NaN": {"durations_s": [[float("nan"), 1], [1, 1], [1, 1]]},
    "no durations": {"durations_s": 7},
    "a label that is none": {"first": [[3, 1]]},
    "a label twice": {"first": [[1, 1], [1, 2]]},
    "no count": {"first": [[1]]},
    "a count of nothing": {"first": [[1, 0]]},
    "half a count": {"first": [[1, 0.5]]},
    "a label that follows itself": {"followed": [[1, 1, 4]]},
    "a follower twice": {"followed": [[0, 1, 4], [0, 1, 4]]},
    "a follower that is none": {"followed": [[0, -1, 4]]},
    "followers that are no list": {"followed": {"a": 1}},
    "a world that is a list": {"world": []},
    "a world without choices": {"world": {"after": []}},
    "a deed that is none": {"world": {"after": [[0, 3, 0, 1]], "chosen": []}},
    "an object that is neither": {"world": {"after": [[0, 1, 2, 1]], "chosen": []}},
    "a deed after a deed twice": {"world": {"after": [[0, 1, 1, 1]] * 2, "chosen": []}},
    "a state that is none": {"world": {"after": [], "chosen": [[0, -2, 1, 1]]}},
    "choices without offers": {"world": {"after": [], "chosen": [[0, 0, 1, 0]]}},
    "half a choice": {"world": {"after": [], "chosen": [[0, 0, 0.5, 1]]}},
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_refused_in_a_line(name) -> None:
    values = json.loads(HeadMetadata(LABELS, 3, {}, "", "").to_json())
    values["procedure"] = GOOD | BAD[name]
    with pytest.raises(M2R2Error, match=r"^file: .*procedure: [^\n]*$"):
        HeadMetadata.from_json(json.dumps(values), "file")
    Procedure.from_dict(GOOD, Vocabulary(LABELS))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.sampled_from([*GOOD, "other"]), JSON)
@settings(deadline=None)
def test_any_procedure_is_read_or_refused(key, value) -> None:
    values = json.loads(HeadMetadata(LABELS, 3, {}, "", "").to_json())
    values["procedure"] = GOOD | {key: value}
    try:
        HeadMetadata.from_json(json.dumps(values), "file")
    except M2R2Error as error:
        assert str(error).startswith("file: ")
