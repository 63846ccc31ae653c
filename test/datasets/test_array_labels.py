# SPDX-License-Identifier: Apache-2.0
"""Labels of arrays, against what each frame and segment says by itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2r2_ros.datasets.array_labels import frame_labels, segment_labels
from m2r2_ros.datasets.array_mapping import LabelArrays
from m2r2_ros.errors import M2R2Error

NAMES = {"0": "wait", "1": "stir", "2": "pour", "-1": None}
TAGS = st.lists(st.sampled_from([0, 1, 2, -1]), min_size=1, max_size=40)


@given(TAGS, st.data())
def test_each_frame_has_the_label_that_it_says(tags, data):
    steps = data.draw(st.lists(st.integers(0, 5), min_size=len(tags), max_size=len(tags)))
    stamps = np.cumsum(steps)
    kind = data.draw(st.sampled_from(["int64", "float32", "S2", "U2"]))
    stored = np.array(tags).astype(kind)
    found = frame_labels(LabelArrays(frames="tag", names=NAMES), stored, stamps)
    for row, stamp in enumerate(stamps.tolist()):
        # Of frames with one stamp the last has the time that follows.
        if row + 1 < len(stamps) and stamps[row + 1] == stamp:
            continue
        there = [each.label for each in found if each.start_ns <= stamp < each.end_ns]
        label = NAMES[str(tags[row])]
        assert there == ([label] if label else [])
    for one, other in pairwise(found):
        assert one.start_ns < one.end_ns <= other.start_ns < other.end_ns


@given(st.text(min_size=1).filter(lambda text: not text.isascii() and "\0" not in text))
def test_texts_of_another_encoding_are_refused(text):
    """Two of them would become one label of question marks."""
    stored = np.array([text.encode("utf-16-be", "surrogatepass") + b"\xff"])
    with pytest.raises(M2R2Error, match="is no UTF-8: store it so"):
        frame_labels(LabelArrays(frames="tag"), stored, np.arange(1))
    utf8 = np.array([("a" + text.strip() + "b").encode("utf-8", "ignore")])
    (found,) = frame_labels(LabelArrays(frames="tag", names={utf8[0].decode(): "a"}), utf8, [0])
    assert found.label == "a"


@given(TAGS, st.data())
def test_segments_are_sorted_and_keep_their_times(tags, data):
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=len(tags), max_size=len(tags)))
    ends = np.cumsum(lengths)
    rows = np.column_stack([tags, ends - lengths, ends])
    order = data.draw(st.permutations(range(len(tags))))
    labels = LabelArrays(segments="segments", names=NAMES)
    found = segment_labels(labels, rows[order].astype(float), unit_ns=1000, epoch_ns=7)
    expected = [
        (7 + 1000 * (end - length), 7 + 1000 * end, NAMES[str(tag)])
        for tag, length, end in zip(tags, lengths, ends.tolist(), strict=True)
        if NAMES[str(tag)]
    ]
    assert [tuple(each) for each in found] == expected
