# SPDX-License-Identifier: Apache-2.0
"""Heads of any vocabulary: what they publish says what the vocabulary says, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import FEATURE_DIMENSION, LABELS, head_metadata, write_head
from vocabularies import vocabularies

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.metadata import HeadMetadata
from m2r2_ros.inference.pipeline import SegmentSequence
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig
from m2r2_ros.inference.zero_shot import _named
from m2r2_ros.labels import FINE_LABELS, REASSEMBLE
from m2r2_ros.offline.segmentation import write_segments
from m2r2_ros.vocabulary import UNKNOWN, Vocabulary

# Unsure of most: every kind of event comes.
CONFIG = TrackerConfig(
    unknown_below=0.3, confirm_s=0.1, min_duration_s=0.0, object_unknown_below=0.6, heartbeat_s=0.3
)


def head_of(folder, vocabulary: Vocabulary | None, labels=None, gain=3.0) -> StreamingHead:
    labels = vocabulary.labels if labels is None else labels
    metadata = head_metadata("0" * 64, labels)
    if vocabulary is not None:
        metadata["vocabulary"] = vocabulary.to_dict()
    path = folder / "head.onnx"
    return StreamingHead(write_head(path, "", labels, metadata=metadata, gain=gain))


def play(head: StreamingHead, seed: int, frames: int = 80) -> list[SegmentEvent]:
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(0, 0.6, (frames, FEATURE_DIMENSION)), axis=0, dtype=np.float32)
    sequence = SegmentSequence(head, SegmentTracker(head.vocabulary, CONFIG))
    events = []
    for index, feature in enumerate(walk):
        events += sequence.process(index, index * 10**8, feature)[1]
    return [*events, *sequence.close()]


@settings(max_examples=60, deadline=None)
@given(vocabularies(), st.integers(0, 2**31))
def test_events_say_what_the_vocabulary_says(tmp_path_factory, vocabulary, seed):
    head = head_of(tmp_path_factory.mktemp("head"), vocabulary)
    assert head.vocabulary == vocabulary and head.labels == vocabulary.labels
    coarse = {vocabulary.coarse(label) for label in vocabulary.labels}
    before: dict[int, SegmentEvent] = {}
    for event in play(head, seed):
        if event.class_id >= 0:
            assert event.label == vocabulary.labels[event.class_id]
        elif event.label != UNKNOWN:
            # The activity first: only where labels have objects.
            assert vocabulary.has_objects and event.label in coarse
        part = vocabulary.parts.get(event.label)
        if part is not None:
            assert (event.action, event.object) == part
        elif event.label in vocabulary.labels and event.class_id >= 0:
            idle = event.label in vocabulary.idle
            assert (event.action, event.object) == ("" if idle else event.label, "")
        else:
            assert event.object == "" and (event.action == "") == (event.label == UNKNOWN)
        last = before.get(event.segment_id)
        if last is not None and last.label != event.label:
            assert last.class_id == -1 and vocabulary.coarse(event.label) == last.label
            assert event.action == last.action and event.object
        before[event.segment_id] = event


@settings(max_examples=20, deadline=None)
@given(vocabularies(), st.integers(0, 2**31))
def test_segments_files_hold_labels_of_any_script(tmp_path_factory, vocabulary, seed):
    folder = tmp_path_factory.mktemp("head")
    events = play(head_of(folder, vocabulary), seed)
    write_segments(folder / "segments.json", events, 0)
    stored = json.loads((folder / "segments.json").read_text("utf-8"))
    ended = [event for event in events if event.status == SegmentStatus.ENDED]
    assert [(s["label"], s["action"], s["object"]) for s in stored] == [
        (event.label, event.action, event.object) for event in ended
    ]


@pytest.mark.parametrize("seed", range(6))
def test_a_head_without_a_vocabulary_publishes_what_it_always_did(tmp_path, seed):
    random = np.random.default_rng(seed)
    labels = tuple(random.choice(FINE_LABELS, 12, replace=False).tolist())
    old = head_of(tmp_path, None, labels)
    assert old.metadata.vocabulary is None
    events = play(old, seed)
    for event in events:
        verb, _, name = event.label.partition(" ")
        if event.label in ("No action", UNKNOWN):
            assert (event.action, event.object) == ("", "")
        else:
            assert (event.action, event.object) == (verb.lower(), name)
    assert events == play(head_of(tmp_path, REASSEMBLE.on(labels)), seed)


def test_named_actions_are_a_verb_and_its_object_or_a_sentence():
    texts = ("Tighten cap", "Tighten", "Insert round peg 2", "Robot wipes the table.", "No action")
    vocabulary = _named(texts)
    assert vocabulary.labels == texts and vocabulary.idle == ("No action",)
    assert [vocabulary.action_of(text) for text in texts] == [
        "tighten",
        "tighten",
        "insert",
        "robot wipes the table.",
        "",
    ]
    assert [vocabulary.object_of(x) for x in texts] == ["cap", "", "round peg 2", "", ""]
    assert [vocabulary.coarse(x) for x in texts[:3]] == ["Tighten", "Tighten", "Insert"]
    for wrong in ((" Tighten", "wipe"), ("unknown", "wipe"), ("Tighten cap", "tighten cap")):
        with pytest.raises(M2R2Error, match=r"^actions: label"):
            _named(wrong)


def test_several_idle_classes_are_segments_of_their_own(tmp_path):
    labels = ("SIL", "pour", "background")
    tracker = SegmentTracker(Vocabulary(labels, ("SIL", "background")), CONFIG)
    head = head_of(tmp_path, tracker.vocabulary, gain=20.0)
    said = {(e.label, e.action) for seed in range(8) for e in play(head, seed)}
    assert said >= {("SIL", ""), ("background", ""), ("pour", "pour")}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"format": 1, "labels": ["a", "b"]}, "'vocabulary' has other labels than 'labels'"),
        ({"format": 2, "labels": list(LABELS)}, "'format' must be 1, got 2"),
        ({"format": 1, "labels": list(LABELS), "idle": ["x"]}, "'x' is none of the labels"),
        ("none", "'vocabulary' must be dict, got str"),
    ],
)
def test_a_vocabulary_that_cannot_be_is_one_line_that_names_the_head(entry, problem):
    text = json.dumps(head_metadata("0" * 64) | {"vocabulary": entry})
    with pytest.raises(M2R2Error) as caught:
        HeadMetadata.from_json(text, "my/head.onnx")
    line = str(caught.value)
    assert line.startswith("my/head.onnx: ") and problem in line and "\n" not in line


@pytest.mark.parametrize("word", [UNKNOWN, "unlabelled"])
def test_a_head_with_a_class_called_unknown_is_refused(word):
    text = json.dumps(head_metadata("0" * 64, ("stir", word)))
    with pytest.raises(M2R2Error, match=f"label '{word}' is no class"):
        HeadMetadata.from_json(text, "head.onnx")


@settings(max_examples=60, deadline=None)
@given(vocabularies())
def test_metadata_carry_the_vocabulary(vocabulary):
    head = HeadMetadata(vocabulary.labels, 3, {}, "", "", vocabulary=vocabulary)
    assert HeadMetadata.from_json(head.to_json(), "head.onnx") == head
