# SPDX-License-Identifier: Apache-2.0
"""What the nodes publish, read without ROS: what another implementation has written."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_messages import TYPES, header, made, time

from m2r2_ros.datasets.result_messages import read_diagnostics, read_event, read_prediction
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentStatus
from m2r2_ros.messages.cdr import MessageError

SHARES = st.floats(0, 1, width=32)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
STAMPS = st.integers(0, 2**31 * 10**9 - 1)


@settings(max_examples=60)
@given(STAMPS, TEXTS, SHARES, st.sampled_from(SegmentStatus), st.sampled_from(ActionOutcome),
       st.none() | SHARES)  # fmt: skip
def test_an_event_is_read_as_it_was_published(stamp, label, share, status, outcome, progress):
    data = made(
        "m2r2_msgs/msg/ActionSegment",
        header(stamp), 2**40, int(status), label, "act", "thing", -1, share, time(stamp // 2),
        time(stamp), share, int(outcome), share, math.nan if progress is None else progress,
    )  # fmt: skip
    event = read_event(data)
    assert (event.stamp_ns, event.segment_id, event.label) == (stamp, 2**40, label)
    assert (event.status, event.outcome, event.progress) == (status, outcome, progress)
    assert (event.start_ns, event.end_ns, event.class_id) == (stamp // 2, stamp, -1)
    assert (event.confidence, event.boundary_confidence) == (share, share)
    # Before there were outcomes, messages ended with the boundary.
    old = read_event(data[:-12])
    assert (old.label, old.end_ns, old.outcome) == (label, stamp, ActionOutcome.UNKNOWN)


@settings(max_examples=60)
@given(STAMPS, TEXTS, SHARES, st.lists(SHARES, max_size=5), st.integers(-1, 40))
def test_a_prediction_is_read_as_it_was_published(stamp, label, share, shares, number):
    data = made(
        "m2r2_msgs/msg/FramePrediction",
        header(stamp), 3, np.array(shares, np.float32), share, number, label, share,
    )  # fmt: skip
    assert read_prediction(data) == (stamp, number, label, share, share)


@settings(max_examples=60)
@given(STAMPS, st.lists(st.tuples(st.integers(0, 3), TEXTS, st.dictionaries(TEXTS, TEXTS)),
                        max_size=3))  # fmt: skip
def test_diagnostics_are_read_as_they_were_published(stamp, statuses):
    pair = TYPES["diagnostic_msgs/msg/KeyValue"]
    data = made(
        "diagnostic_msgs/msg/DiagnosticArray",
        header(stamp),
        [
            TYPES["diagnostic_msgs/msg/DiagnosticStatus"](
                level, text, "fine", "arm", [pair(*each) for each in values.items()]
            )
            for level, text, values in statuses
        ],
    )
    read_ns, read = read_diagnostics(data)
    assert read_ns == stamp
    assert [(one.level, one.name, one.values) for one in read] == statuses
    assert {(one.message, one.hardware_id) for one in read} <= {("fine", "arm")}


@given(st.binary(max_size=200), st.sampled_from([read_event, read_prediction, read_diagnostics]))
def test_garbage_is_refused(garbage, read):
    with pytest.raises(MessageError):
        read(b"\0\1\0\0" + garbage[:11])
    with suppress(MessageError):
        read(b"\0\1\0\0" + garbage)
