# SPDX-License-Identifier: Apache-2.0
"""Vocabularies: what is written is read back, and what makes no sense is one line that names it."""

from __future__ import annotations

import json
import pickle

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from vocabularies import CAPS, WORDS, vocabularies

from m2r2_ros.datasets.vocabulary_file import (
    VOCABULARY_FILE,
    find_vocabulary,
    read_vocabulary,
    write_vocabulary,
)
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labels import (
    ACTIVITIES,
    COARSE_LABELS,
    FINE_LABELS,
    OBJECTS,
    REASSEMBLE,
    is_reassemble,
    legacy_vocabulary,
    shown_vocabulary,
    vocabulary_of_labels,
)
from m2r2_ros.vocabulary import MAX_LABELS, Parts, Vocabulary


@settings(max_examples=100, deadline=None)
@given(vocabularies())
def test_a_vocabulary_is_read_as_it_was_written(tmp_path_factory, vocabulary):
    folder = tmp_path_factory.mktemp("data")
    assert find_vocabulary(folder) is None
    write_vocabulary(folder, vocabulary)
    assert find_vocabulary(folder) == read_vocabulary(folder / VOCABULARY_FILE) == vocabulary
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary
    assert not vocabulary.difference(vocabulary)


@settings(max_examples=100, deadline=None)
@given(vocabularies())
def test_labels_are_of_one_coarse_label_exactly_when_they_are_of_one_action(vocabulary):
    actions = {label: vocabulary.action_of(label) for label in vocabulary.labels}
    for label, action in actions.items():
        coarse = vocabulary.coarse(label)
        assert vocabulary.coarse(coarse) == coarse
        assert vocabulary.action_of(coarse) == action
        assert (action == "") == vocabulary.is_idle(label)
        if vocabulary.is_idle(label):
            assert coarse == label and vocabulary.object_of(label) == ""
            continue
        for other, its in actions.items():
            assert (vocabulary.coarse(other) == coarse) == (its == action)


@settings(max_examples=100, deadline=None)
@given(vocabularies())
def test_the_coarse_level_has_the_same_actions_without_objects(vocabulary):
    if not vocabulary.has_objects:
        assert list(vocabulary.levels) == ["fine"]
        with pytest.raises(M2R2Error, match="there are no coarse labels"):
            vocabulary.at("coarse")
        return
    coarse = vocabulary.at("coarse")
    assert not coarse.has_objects and coarse.idle == vocabulary.idle
    for label in vocabulary.labels:
        name = vocabulary.levels["coarse"](label)
        assert name in coarse.labels and coarse.coarse(name) == name
        assert coarse.action_of(name) == vocabulary.action_of(label)
    assert not coarse.difference(Vocabulary.from_dict(coarse.to_dict()))


def test_what_a_vocabulary_says_of_its_labels():
    assert CAPS.coarse("tighten cap") == "tighten" and CAPS.coarse("wipe") == "wipe"
    assert [CAPS.action_of(x) for x in CAPS.labels] == ["", "tighten", "tighten", "wipe"]
    assert [CAPS.object_of(x) for x in CAPS.labels] == ["", "cap", "bolt", ""]
    assert CAPS.action_of("tighten") == "tighten" and CAPS.object_of("tighten") == ""
    assert CAPS.action_of("unknown") == CAPS.action_of("unlabelled") == ""
    assert CAPS.at("coarse").labels == ("wait", "tighten", "wipe")
    assert CAPS.world == {"tighten": {"takes": ["tool"]}}


def test_an_action_alone_is_called_by_the_label_that_it_has():
    parts = {"T1": Parts("tighten"), "T2": Parts("tighten", "cap")}
    vocabulary = Vocabulary(("T2", "T1"), (), parts)
    assert vocabulary.coarse("T2") == vocabulary.coarse("T1") == "T1"
    assert vocabulary.action_of("T1") == "tighten"


def test_reassemble_is_split_as_its_labels_are_written():
    expected = {f"{verb} {name}": (verb, name) for verb in ACTIVITIES for name in OBJECTS}
    assert REASSEMBLE.labels == FINE_LABELS and REASSEMBLE.idle == ("No action",)
    for label, (verb, name) in expected.items():
        assert REASSEMBLE.coarse(label) == verb
        assert REASSEMBLE.action_of(label) == REASSEMBLE.action_of(verb) == verb.lower()
        assert REASSEMBLE.object_of(label) == name
    assert REASSEMBLE.coarse("No action") == "No action" and not REASSEMBLE.action_of("No action")
    assert REASSEMBLE.at("coarse").labels == COARSE_LABELS
    assert [REASSEMBLE.at("coarse").action_of(x) for x in COARSE_LABELS] == [
        "",
        *map(str.lower, ACTIVITIES),
    ]


def test_labels_without_a_vocabulary_mean_what_they_meant_before():
    vocabulary = legacy_vocabulary(["Insert USB", "Tighten cap", "No action"])
    assert vocabulary.idle == ("No action",)
    assert vocabulary.action_of("Tighten cap") == "tighten cap"
    assert vocabulary.coarse("Tighten cap") == "Tighten cap"
    assert vocabulary.coarse("Insert USB") == "Insert"
    assert legacy_vocabulary(["Cut", "cut"]).action_of("Cut") == "Cut"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["No action", "Insert USB"], True),
        (["No action"], True),
        (["Insert USB", "Tighten cap"], True),
        (["No action", "Tighten cap"], False),
        (["Insert"], False),
        ([], False),
    ],
)
def test_labels_of_reassemble_are_told_by_its_actions(labels, expected):
    assert is_reassemble(labels) is expected


def test_a_strange_label_does_not_hide_the_others():
    strange = ["", "unknown", "unlabelled", "x" * 2000, " b", "a\tb"]
    assert vocabulary_of_labels([*strange, "stir", "pour"]).labels == ("pour", "stir")
    shown = shown_vocabulary([*strange, "Insert USB", "Insert fuse"])
    assert shown.labels == (*FINE_LABELS, "Insert fuse")
    assert (shown.action_of("Insert fuse"), shown.object_of("Insert fuse")) == ("insert", "fuse")
    assert shown_vocabulary(strange) is None and vocabulary_of_labels(strange).labels == ()


HOSTILE = {
    "[a, b]": "expected entries",
    "format: 1": "'labels' must be a list",
    "labels: [a]": "'format' must be 1, got None",
    "format: 2\nlabels: [a]": "'format' must be 1, got 2",
    "format: 1\nlabels: []": "names no label",
    "format: 1\nlabels: [a]\nidles: [a]": "no entry 'idles' (did you mean 'idle'?)",
    "format: 1\nlabels: {a: 1}": "'labels' must be a list",
    "format: 1\nlabels: [a, a]": "label 'a' is there twice",
    "format: 1\nlabels: [yes]": "label True is no text: put it in quotes",
    "format: 1\nlabels: [1]": "label 1 is no text",
    "format: 1\nlabels: [null]": "label None is no text",
    "format: 1\nlabels: [2020-01-01]": "is no text",
    "format: 1\nlabels: [unknown]": "label 'unknown' is no class",
    "format: 1\nlabels: [unlabelled]": "label 'unlabelled' is no class",
    'format: 1\nlabels: [""]': "must have 1 to 1000 characters",
    'format: 1\nlabels: [" a"]': "no blank at either end",
    'format: 1\nlabels: ["a\\tb"]': "cannot be printed",
    'format: 1\nlabels: ["a\\nb"]': "cannot be printed",
    'format: 1\nlabels: ["a\\e[2Jb"]': "cannot be printed",
    f"format: 1\nlabels: [{'a' * 1001}]": "must have 1 to 1000 characters",
    f"format: 1\nlabels: [{', '.join(f'a{i}' for i in range(MAX_LABELS + 1))}]": "more than 5000",
    "format: 1\nlabels: [a, b]\nidle: a": "'idle' must be a list",
    "format: 1\nlabels: [stir, b]\nidle: [stirr]": "'stirr' is none of the labels (did you mean",
    "format: 1\nlabels: [a]\nidle: [a, a]": "idle: 'a' is there twice",
    "format: 1\nlabels: [a]\nidle: [[a]]": "['a'] is none of the labels",
    "format: 1\nlabels: [a]\nparts: [a]": "'parts' must be entries",
    "format: 1\nlabels: [a]\nparts: {b: {action: x}}": "'b' is none of the labels",
    "format: 1\nlabels: [a]\nparts: {a: x}": "parts of 'a' must be 'action' and 'object'",
    "format: 1\nlabels: [a]\nparts: {a: {verb: x}}": "parts of 'a' must be 'action' and 'object'",
    "format: 1\nlabels: [a]\nparts: {a: {action: 3}}": "'a': action 3 is no text",
    "format: 1\nlabels: [a]\nparts: {a: {action: [x]}}": "'a': action ['x'] is no text",
    'format: 1\nlabels: [a]\nparts: {a: {action: ""}}': "'a': action '' must have",
    "format: 1\nlabels: [a]\nparts: {a: {object: 3}}": "'a': object 3 is no text",
    "format: 1\nlabels: [a]\nparts: {a: {action: unknown}}": "action 'unknown' is no class",
    "format: 1\nlabels: [a]\nidle: [a]\nparts: {a: {action: x}}": "label 'a' is idle",
    "format: 1\nlabels: [a]\nparts: {a: {action: x}, a: {action: y}}": "'a' is there twice",
    "format: 1\nlabels: [a, b]\nparts: {a: {action: b}}": "'a' and 'b' have the same action",
    "format: 1\nlabels: [a, b]\nidle: [b]\nparts: {a: {action: b, object: c}}": "called like label",
    "format: 1\nlabels: [Do x, Do y]\n"
    "parts: {Do x: {action: do, object: x}, Do y: {action: Do, object: y}}": "in capitals only",
    "format: 1\nlabels: [a]\nworld: [a]": "'world' must be entries",
    "format: 1\nlabels: [a]\nworld: {a: 2020-01-01}": "'world' holds what JSON cannot",
    "format: 1\nlabels: [a]\nworld: {a: .nan}": "'world' holds what JSON cannot",
    "format: 1\nlabels: [a]\nworld: &w {a: *w}": "'world' holds what JSON cannot",
    "format: 1\nlabels: [a]\nworld: {a: !!python/object:os.system x}": "not YAML",
    "format: 1\nlabels: [a": "not YAML",
    "{[a]: 1}": "not YAML",
    f"{'[' * 5000}": "not YAML",
}


@pytest.mark.parametrize(("text", "problem"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_what_cannot_be_is_one_line_that_names_it(tmp_path, text, problem):
    path = tmp_path / VOCABULARY_FILE
    path.write_text(text, "utf-8")
    with pytest.raises(M2R2Error) as caught:
        read_vocabulary(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and problem in line and "\n" not in line
    assert len(line) < 2000


def test_a_text_that_grows_without_end_is_refused(tmp_path):
    path = tmp_path / VOCABULARY_FILE
    bomb = ["w0: &w0 [x, x, x, x, x, x, x, x, x, x]"]
    bomb += [f"w{i}: &w{i} [{', '.join([f'*w{i - 1}'] * 10)}]" for i in range(1, 12)]
    path.write_text("format: 1\nlabels: [a]\nworld:\n" + "\n".join(f"  {x}" for x in bomb))
    with pytest.raises(M2R2Error, match="longer than 400000 characters"):
        read_vocabulary(path)
    path.write_bytes(b"#" * (1 << 20) + b"#")
    with pytest.raises(M2R2Error, match="more than 1000000 bytes"):
        read_vocabulary(path)
    path.write_bytes(b"labels: [\xff]")
    with pytest.raises(M2R2Error, match="cannot read"):
        read_vocabulary(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(M2R2Error, match="cannot read"):
        read_vocabulary(path)


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {"format": st.just(1), "labels": st.lists(st.sampled_from(["a", "b", "A", "b a"]))},
        optional={
            "idle": YAML_VALUES | st.lists(st.sampled_from(["a", "b"])),
            "parts": YAML_VALUES
            | st.dictionaries(
                st.sampled_from(["a", "b", "A", "b a"]),
                YAML_VALUES
                | st.fixed_dictionaries(
                    {"action": st.sampled_from(["a", "b", "A"]), "object": st.just("a") | WORDS}
                ),
            ),
            "world": YAML_VALUES,
        },
    )
)
def test_any_file_is_a_vocabulary_or_one_line(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("data") / VOCABULARY_FILE
    path.write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
    try:
        vocabulary = read_vocabulary(path)
    except M2R2Error as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return
    assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary
