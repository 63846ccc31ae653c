# SPDX-License-Identifier: Apache-2.0
"""`<recording>.labels.json`: what is written is read, and what cannot be is one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from label_tracks import EPOCH_NS, label_tracks
from vocabularies import CAPS

from m2r2_ros.datasets.annotations import MAX_ACTIONS, MAX_JSON_BYTES
from m2r2_ros.datasets.labels_file import (
    find_labels,
    labels_from_json,
    labels_path,
    labels_to_json,
    read_labels,
    write_labels,
)
from m2r2_ros.datasets.recording_labels import Label, RecordingLabels
from m2r2_ros.errors import M2R2Error


@settings(max_examples=60, deadline=None)
@given(label_tracks())
def test_what_is_written_is_read(labels):
    assert labels_from_json(labels_to_json(labels)) == labels


def test_the_form_is_that_of_the_contract(tmp_path):
    labels = (
        Label(EPOCH_NS + 5 * 10**8, EPOCH_NS + 2 * 10**9, "tighten cap", "success", "mark", 0.5),
        Label(EPOCH_NS + 2 * 10**9, EPOCH_NS + 3 * 10**9, "wait"),
    )
    write_labels(tmp_path / "a.labels.json", RecordingLabels(EPOCH_NS, labels, True, CAPS))
    assert json.loads((tmp_path / "a.labels.json").read_text()) == {
        "format": 1,
        "epoch_ns": EPOCH_NS,
        "complete": True,
        "vocabulary": CAPS.to_dict(),
        "labels": [
            {"start": 0.5, "end": 2.0, "label": "tighten cap", "action": "tighten",
             "object": "cap", "outcome": "success", "source": "mark", "confidence": 0.5},
            {"start": 2.0, "end": 3.0, "label": "wait", "action": "", "object": "",
             "outcome": None, "source": "human", "confidence": 1.0},
        ],
    }  # fmt: skip


def test_written_by_hand_a_label_needs_little():
    text = json.dumps(content([{"start": 0, "end": 1, "label": "wipe", "source": "human"}]))
    assert labels_from_json(text).labels == (Label(EPOCH_NS, EPOCH_NS + 10**9, "wipe"),)


@pytest.mark.parametrize(
    ("recording", "file"),
    [
        ("a.h5", "a.h5.labels.json"),
        ("x/bag", "x/bag.labels.json"),
        ("x/bag/bag_0.mcap", "x/bag.labels.json"),
        ("x/bag/bag_1.db3", "x/bag.labels.json"),
        ("x/lone.mcap", "x/lone.mcap.labels.json"),
        ("x/bag/../bag", "x/bag/../bag.labels.json"),
        ("e.npz", "e.npz.labels.json"),
    ],
)
def test_where_the_labels_of_a_recording_are(tmp_path, recording, file):
    (tmp_path / "x/bag").mkdir(parents=True)
    (tmp_path / "x/bag/metadata.yaml").touch()
    assert labels_path(tmp_path / recording) == tmp_path / file


def test_a_folder_that_is_given_as_a_dot_has_a_name(tmp_path, monkeypatch):
    (tmp_path / "bag").mkdir()
    monkeypatch.chdir(tmp_path / "bag")
    assert labels_path(Path(".")) == Path("../bag.labels.json").resolve()


def content(labels, **changes):
    head = {"format": 1, "epoch_ns": EPOCH_NS, "complete": False, "vocabulary": None}
    return head | {"labels": labels} | changes


def label(**changes):
    given = {"start": 0.5, "end": 1.5, "label": "wipe", "source": "human"} | changes
    return json.dumps(content([{k: v for k, v in given.items() if v is not ...}]))


CAPS_DICT = CAPS.to_dict()
HOSTILE = {
    "empty": ("", "not JSON: Expecting value"),
    "cut off": (label()[:-5], "not JSON"),
    "nested": ("[" * 100_000, "not JSON: maximum recursion"),
    "nested entries": ('{"labels":' * 100_000, "not JSON: maximum recursion"),
    "list": ("[1]", "no labels: expected entries"),
    "later format": (json.dumps(content([], format=2)), "'format' must be 1, got 2"),
    "no format": ("{}", "'format' must be 1, got None"),
    "format of another type": (json.dumps(content([], format=True)), "'format' must be 1"),
    "no labels": ('{"format": 1}', "has no 'epoch_ns'"),
    "unknown entry": (json.dumps(content([], lables=[])), "no entry 'lables' (did you mean"),
    "twice": (label().replace('"end"', '"start"'), "'start' is there twice"),
    "epoch of text": (json.dumps(content([], epoch_ns="now")), "epoch_ns is no header stamp"),
    "epoch of seconds": (json.dumps(content([], epoch_ns=1.7e18)), "epoch_ns is no header stamp"),
    "far epoch": (json.dumps(content([], epoch_ns=10**30)), "epoch_ns is no header stamp"),
    "digits": (label().replace(str(EPOCH_NS), "9" * 5000), "not JSON: Exceeds the limit"),
    "complete": (json.dumps(content([], complete="yes")), "'complete' must be true or false"),
    "labels of text": (json.dumps(content("abc")), "'labels' must be a list"),
    "no entries": (json.dumps(content([7])), "label 0: expected entries"),
    "nan": (label(start=float("nan")), "not JSON: NaN is no number"),
    "infinite": (label().replace("1.5", "1e999"), "label 0: end must be seconds"),
    "huge": (label(end=1e308), "label 0: end must be seconds"),
    "true": (label(start=True), "label 0: start must be seconds"),
    "text": (label(start="0.5"), "label 0: start must be seconds"),
    "negative": (label(end=0.5), "label 0: it must start at a stamp and end after it"),
    "before all stamps": (
        json.dumps(content([{"start": -9, "end": 1, "label": "a", "source": "mark"}], epoch_ns=5)),
        "label 0: it must start at a stamp",
    ),
    "no source": (label(source=...), "label 0: has no 'source'"),
    "source": (label(source="modle"), "source must be human, mark, model, import"),
    "outcome": (label(outcome="ok"), "outcome must be success, failure or null, not 'ok'"),
    "confidence": (label(confidence=1.5), "confidence must be 0 to 1, not 1.5"),
    "confidence of text": (label(confidence="high"), "confidence must be 0 to 1, not 'high'"),
    "unknown": (label(label="unknown"), "'unknown' is no label"),
    "long": (label(label="x" * 100_000), "is no label: up to 1000 printable characters"),
    "escape": (label(label="\x1b[31m"), "is no label"),
    "list for a label": (label(label=[1]), "[1] is no label"),
    "full stop": (label(label="Insert USB."), "'Insert USB.' is no label"),
    "surrogate": (label(label="\udc80"), "is no label"),
    "many": (json.dumps(content([json.loads(label())["labels"][0]] * (MAX_ACTIONS + 1))), "limit"),
    "order": (
        json.dumps(content([json.loads(label(start=s))["labels"][0] for s in (1, 0.5)])),
        "'wipe' and 'wipe' overlap or are not in order at 0.500 s",
    ),
    "vocabulary": (json.dumps(content([], vocabulary={"format": 9})), "vocabulary: 'format' must"),
    "not in it": (
        json.dumps(json.loads(label(label="wip")) | {"vocabulary": CAPS_DICT}),
        "'wip' is not in its vocabulary (did you mean 'wipe'?)",
    ),
    "parts": (
        json.dumps(
            json.loads(label(label="tighten cap", object="bolt")) | {"vocabulary": CAPS_DICT}
        ),
        "label 0: the object of 'tighten cap' is 'cap' in its vocabulary, not 'bolt'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_labels_file_is_one_line(tmp_path, text, line):
    path = tmp_path / "a.labels.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(M2R2Error) as caught:
        read_labels(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and line in said
    assert said.isprintable() and len(said) < 1000


def test_a_huge_file_and_a_pipe_are_refused(tmp_path):
    path = tmp_path / "a.labels.json"
    with path.open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(M2R2Error, match=f"more than {MAX_JSON_BYTES} bytes"):
        read_labels(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(M2R2Error, match="not a file"):
        read_labels(path)


def test_a_file_appears_when_it_is_complete_and_is_absent_without(tmp_path, monkeypatch):
    recording, labels = tmp_path / "a.h5", RecordingLabels(EPOCH_NS, ())
    assert find_labels(recording) is None
    write_labels(labels_path(recording), labels)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    other = RecordingLabels(EPOCH_NS, (Label(EPOCH_NS, EPOCH_NS + 1, "wipe"),))
    with pytest.raises(KeyboardInterrupt):
        write_labels(labels_path(recording), other)
    assert find_labels(recording) == labels
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5.labels.json"]
