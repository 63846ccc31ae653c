# SPDX-License-Identifier: Apache-2.0
"""Labels of bags that were cut, damaged or written by others: a label, or none, never a guess."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from bag_files import Message, write_mcap

from m2r2_ros.datasets.annotations import MAX_ACTIONS, actions_from_json, segment_messages
from m2r2_ros.datasets.bag_labels import read_bag_labels
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.mstcn import frame_labels
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.topics import ANNOTATIONS_TOPIC, GROUND_TRUTH_TOPIC
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labels import label_from_text
from m2r2_ros.messages.encode import encode_segment, encode_text
from m2r2_ros.vocabulary import UNLABELLED, labelled_runs

EPOCH_NS = 1_700_000_000 * 10**9


def labels_of(folder: Path, messages, until_s=None):
    """Labels of a bag whose last message is at `until_s`."""
    if until_s is not None:
        messages = [*messages, Message("/other", EPOCH_NS + round(until_s * 1e9), b"\0\1\0\0")]
    with open_bag(write_mcap(folder / "a.mcap", messages)) as bag:
        return read_bag_labels(bag, EPOCH_NS)


def segments(actions, epoch_ns=EPOCH_NS):
    """STARTED and ENDED of each action, published at their stamps."""
    timed = sorted(segment_messages(actions, epoch_ns), key=lambda pair: pair[0])
    return [Message(GROUND_TRUTH_TOPIC, stamp_ns, data) for stamp_ns, data in timed]


def drawn_actions(choose: random.Random) -> list[Action]:
    """Ten actions with and without pauses between them."""
    actions, now_s = [], 0.0
    for number in range(10):
        now_s += choose.choice([0.0, 0.0, choose.uniform(0.1, 2)])
        end_s = now_s + choose.uniform(0.3, 4)
        actions.append(Action(round(now_s, 3), round(end_s, 3), f"Insert part {number}."))
        now_s = end_s
    return actions


@pytest.mark.parametrize("seed", range(80))
def test_a_bag_that_was_cut_anywhere(tmp_path, seed):
    """Inside the cut a frame has its true label where a message tells it, or none."""
    choose = random.Random(seed)
    actions = drawn_actions(choose)
    first_s, last_s = sorted(choose.uniform(0, actions[-1].end_s) for _ in range(2))
    low, high = EPOCH_NS + round(first_s * 1e9), EPOCH_NS + round(last_s * 1e9)
    inside = [m for m in segments(actions) if low <= m.log_ns <= high]
    found = labels_of(tmp_path, inside, last_s)
    times = np.arange(first_s, last_s, 0.02)
    told = [a for a in actions if first_s <= a.start_s <= last_s or first_s <= a.end_s <= last_s]
    expected = frame_labels(told, times)
    if found.actions is None:
        assert not told
        return
    labels = frame_labels(found.actions, times)
    assert labels == expected
    cut = any(a.start_s <= last_s < a.end_s and a.start_s >= first_s for a in actions)
    assert any("has no end: it lasts to the bag's end" in line for line in found.problems) == cut


def test_an_action_without_an_end_ends_where_the_next_begins(tmp_path):
    actions = [Action(1.0, 2.0, "Pick USB."), Action(3.0, 4.0, "Insert USB.")]
    messages = segments(actions)
    del messages[1]
    found = labels_of(tmp_path, messages, 5.0)
    assert [(a.start_s, a.end_s) for a in found.actions] == [(1.0, 3.0), (3.0, 4.0)]


def test_log_times_of_another_clock_do_not_move_the_end(tmp_path):
    """Stamps of the simulation, log times of the machine: the bag ends 5 s after its start."""
    shift_ns = 3 * 10**17
    (started, _) = segments([Action(1.0, 99.0, "Pick USB.")])
    messages = [started._replace(log_ns=started.log_ns + shift_ns)]
    messages.append(Message("/other", EPOCH_NS + shift_ns + 5 * 10**9, b"\0\1\0\0"))
    (action,) = labels_of(tmp_path, messages).actions
    assert (action.start_s, round(action.end_s, 6)) == (1.0, 5.0)


def test_a_message_that_cannot_be_read_is_said_and_the_rest_is_read(tmp_path):
    messages = segments([Action(1.0, 2.0, "Pick USB."), Action(2.0, 3.0, "Insert USB.")])
    messages[1] = messages[1]._replace(data=messages[1].data[:20])
    found = labels_of(tmp_path, messages, 5.0)
    assert [a.text for a in found.actions] == ["Pick USB.", "Insert USB."]
    assert found.problems[0].startswith(
        f"{GROUND_TRUTH_TOPIC}: 1 messages cannot be read: 20 bytes"
    )


def annotations(**changes) -> str:
    action = {"start_s": 1.0, "end_s": 2.0, "text": "Pick USB.", "success": True, "low_level": []}
    return json.dumps({"epoch_ns": EPOCH_NS, "actions": [action | changes]})


HOSTILE = {
    "huge": annotations(end_s=1e300),
    "far": annotations(start_s=1e12, end_s=1e12),
    "endless": annotations().replace("2.0", "1e999"),
    "nan": annotations().replace("2.0", "NaN"),
    "negative": annotations(end_s=0.5),
    "digits": annotations().replace(str(EPOCH_NS), "9" * 4000),
    "text epoch": annotations().replace(str(EPOCH_NS), '"now"'),
    "null": "null",
    "number": "7",
    "list": "[1]",
    "no actions": '{"epoch_ns": 5}',
    "actions of text": '{"epoch_ns": 5, "actions": "abc"}',
    "nested": "[" * 100_000,
    "cut off": annotations()[:-9],
    "many": json.dumps({"epoch_ns": 5, "actions": [0] * (MAX_ACTIONS + 1)}),
    "skills": annotations(low_level=[{"start_s": 1e300}]),
    "long text": annotations(text="x" * 100_000),
    "text of numbers": annotations(text=[1, 2]),
    "escape": annotations() + "\x1b[31m",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_bad_annotations_are_one_line(tmp_path, text):
    message = Message(ANNOTATIONS_TOPIC, EPOCH_NS, encode_text(text))
    with pytest.raises(M2R2Error) as caught:
        labels_of(tmp_path, [message])
    assert f"a.mcap: {ANNOTATIONS_TOPIC}: bad annotations: " in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


def test_annotations_may_say_that_they_are_not_complete():
    assert actions_from_json(annotations())[2] is True
    content = json.loads(annotations()) | {"complete": False}
    assert actions_from_json(json.dumps(content))[2] is False


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Insert USB.", "Insert USB"),
        ("Insert USB.\n", "Insert USB"),
        ("Insert USB.\0\0\0", "Insert USB"),
        ("Pick\nUSB", r"Pick\nUSB"),
        ("Pick\0USB", r"Pick\x00USB"),
        ("\x1b[31mPick", r"\x1b[31mPick"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_a_label_is_one_line(tmp_path, text, label):
    assert label_from_text(text) == label
    assert len(label.splitlines()) == 1
    stamp = dict(stamp_ns=EPOCH_NS + 10**9, start_ns=EPOCH_NS, end_ns=EPOCH_NS + 10**9)
    data = encode_segment(
        **stamp, segment_id=0, status=2, label=text, action="", object="", class_id=0,
        confidence=1.0, boundary_confidence=1.0,
    )  # fmt: skip
    found = labels_of(tmp_path, [Message(GROUND_TRUTH_TOPIC, EPOCH_NS + 10**9, data)])
    labels = frame_labels(found.actions, np.arange(30) / 30)
    # CDR's own end of a text is no part of it.
    assert labels == [label_from_text(text)] * 30


def test_no_name_and_unknown_are_no_label():
    actions = [Action(0.0, 1.0, ""), Action(1.0, 2.0, "unknown."), Action(2.0, 3.0, "Pick.")]
    assert frame_labels(actions, [0.5, 1.5, 2.5, 3.5], "rest") == [
        UNLABELLED, UNLABELLED, "Pick", "rest",
    ]  # fmt: skip


def test_labelled_runs():
    assert labelled_runs(["a", UNLABELLED, "a", "b", UNLABELLED]) == [slice(0, 1), slice(2, 4)]
    assert labelled_runs(["a", "b"]) == [slice(0, 2)]
    assert labelled_runs([UNLABELLED]) == labelled_runs([]) == []
