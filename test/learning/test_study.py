# SPDX-License-Identifier: Apache-2.0
"""What is learned from: confirmed labels only, and all that is left out is said."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from lid_recordings import write_lid_bags

from m2r2_ros.datasets.labels_file import labels_path, write_labels
from m2r2_ros.datasets.recording_labels import HUMAN, MODEL, Label, RecordingLabels
from m2r2_ros.errors import M2R2Error
from m2r2_ros.learning.study import open_study
from m2r2_ros.vocabulary import Vocabulary

GROUPS = {"a": "anna", "b": "anna", "c": "bert"}
VOCABULARY = Vocabulary(("wait", "tighten cap", "wipe"), ("wait",))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_lid_bags(tmp_path_factory.mktemp("lid"), GROUPS)


@pytest.fixture
def bags(made, tmp_path):
    return shutil.copytree(made, tmp_path / "bags")


def labels_of(source: str, complete: bool = False) -> RecordingLabels:
    each = [Label(n * 10**9, (n + 1) * 10**9, "wipe", source=source) for n in range(1, 4)]
    return RecordingLabels(10**9, tuple(each), complete, VOCABULARY)


def test_files_beside_the_recordings_are_found(bags):
    study = open_study(bags, None, None, None)
    assert list(study.recordings) == ["a", "b", "c"] and dict(study.groups.of) == GROUPS
    assert study.layout.modalities == ("arm_joint_effort",)
    assert study.robot == bags / "robot.yaml"
    assert study.vocabulary.labels == ("wait", "tighten cap", "wipe")
    counts = {label: count for label, (count, _) in study.facts.labels.items()}
    assert counts == {"wait": 6, "tighten cap": 6, "wipe": 6}
    # Half a second of each is unlabelled.
    assert study.facts.unlabelled_s == pytest.approx(1.5, abs=0.1)


def test_proposals_of_a_model_are_not_learned_from(bags):
    write_labels(labels_path(bags / "a"), labels_of(MODEL))
    study = open_study(bags, None, None, None)
    assert list(study.recordings) == ["b", "c"]
    assert "3 labels are proposals that nobody has confirmed" in study.facts.left_out["a"]


def test_of_a_mixed_recording_only_what_is_confirmed_counts(bags):
    labels = labels_of(MODEL, complete=True)
    confirmed = replace(labels.labels[0], source=HUMAN)
    write_labels(labels_path(bags / "a"), replace(labels, labels=(confirmed, *labels.labels[1:])))
    study = open_study(bags, None, None, None)
    assert study.facts.labels["wipe"][0] == 1 + 4
    # Nobody has said what is done in the rest.
    assert study.facts.unlabelled_s > study.facts.minutes["a"] * 60 - 1.1


def test_labels_change_the_digest_and_nothing_else_does(bags):
    before = open_study(bags, None, None, None).digest
    assert open_study(bags, None, None, None).digest == before
    write_labels(labels_path(bags / "a"), labels_of(HUMAN))
    assert open_study(bags, None, None, None).digest != before


def test_a_recording_that_cannot_be_read_is_left_out_and_said(bags):
    (bag,) = (bags / "b").glob("*.mcap")
    bag.write_bytes(b"")
    study = open_study(bags, None, None, None)
    assert "cannot be read" in study.facts.left_out["b"]


def test_without_labels_nothing_can_be_learned(bags):
    for name in GROUPS:
        write_labels(labels_path(bags / name), labels_of(MODEL))
    with pytest.raises(M2R2Error, match="none of 3 recordings has labels"):
        open_study(bags, None, None, None)


def test_a_label_that_the_vocabulary_lacks_is_named(bags):
    labels = labels_of(HUMAN)
    write_labels(labels_path(bags / "a"), replace(labels, vocabulary=Vocabulary(("wipe",))))
    (bags / "vocabulary.yaml").write_text("format: 1\nlabels: [wait, tighten cap]\nidle: [wait]\n")
    with pytest.raises(M2R2Error, match="wipe"):
        open_study(bags, None, None, None)
