# SPDX-License-Identifier: Apache-2.0
"""What is learned from: confirmed labels only, and all that is left out is said."""

from __future__ import annotations

import fcntl
import shutil
from dataclasses import replace

import pytest
import yaml
from lid_recordings import write_lid_bags

from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.bag_writer import BagContent, write_bag
from m2r2_ros.datasets.labels_file import labels_path, write_labels
from m2r2_ros.datasets.recording_labels import HUMAN, MODEL, Label, RecordingLabels
from m2r2_ros.errors import M2R2Error
from m2r2_ros.learning.one_run import LOCK_FILE, alone_in
from m2r2_ros.learning.study import open_study
from m2r2_ros.vocabulary import Vocabulary

GROUPS = {"a": "anna", "b": "anna", "c": "bert"}
# The recordings begin there, and last for 9 s.
BEGIN_NS, SECOND = 10**18, 10**9
VOCABULARY = Vocabulary(("wait", "tighten cap", "wipe"), ("wait",))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_lid_bags(tmp_path_factory.mktemp("lid"), GROUPS)


@pytest.fixture
def bags(made, tmp_path):
    return shutil.copytree(made, tmp_path / "bags")


def labels_of(source: str, complete: bool = False, late_s: int = 0) -> RecordingLabels:
    starts = [BEGIN_NS + (late_s + n) * SECOND for n in range(1, 4)]
    each = [Label(start, start + SECOND, "wipe", source=source) for start in starts]
    return RecordingLabels(BEGIN_NS, tuple(each), complete, VOCABULARY)


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


def with_topics(bag_folder, names: dict[str, str]) -> None:
    """Write a bag anew: topics are called as `names` says, and are not there where that is ""."""
    with open_bag(bag_folder) as bag:
        called = {name: names.get(name, name) for name in bag.topics}
        types = {called[name]: topic.type_name for name, topic in bag.topics.items()}
        messages = [(m.log_ns, called[m.topic], m.data) for m in bag.messages()]
        start_ns = bag.start_ns
    types.pop("", None)
    kept = iter([message for message in messages if message[1]])
    write_bag(BagContent(types, [kept], start_ns), bag_folder)


EFFORT = "/arm_joint_effort"


def name_topics(bags, **topics: str) -> None:
    text = {"/**": {"ros__parameters": {"topics": topics, "reference_camera": ""}}}
    (bags / "robot.yaml").write_text(yaml.safe_dump(text))
    (bags / "layout.yaml").unlink()


@pytest.mark.parametrize("first", GROUPS)
def test_what_is_learned_from_does_not_depend_on_which_recording_is_read_first(bags, first):
    with_topics(bags / first, {EFFORT: "/spare"})
    name_topics(bags, arm_joint_effort=EFFORT, spare_joint_effort="/spare", hand="/hand")
    study = open_study(bags, None, None, None)
    widths = {name: signal.width for name, signal in study.layout.signals.items()}
    assert widths == {"arm_joint_effort": 6, "spare_joint_effort": 6}
    assert study.absent == ("hand",)


def test_topics_that_no_recording_has_are_named(bags):
    name_topics(bags, wrench="/nowhere")
    with pytest.raises(M2R2Error, match="no recording has messages on /nowhere"):
        open_study(bags, None, None, None)


def test_labels_that_lie_outside_of_a_recording_are_no_labels_of_it(bags):
    write_labels(labels_path(bags / "a"), labels_of(HUMAN, late_s=9))
    study = open_study(bags, None, None, None)
    assert "its labels lie outside of what" in study.facts.left_out["a"]


def test_what_of_a_label_lies_outside_of_its_recording_is_not_counted(bags):
    before = open_study(bags, None, None, None).facts.labels["wipe"]
    labels = labels_of(HUMAN)
    last = replace(labels.labels[-1], end_ns=BEGIN_NS + 500 * SECOND)
    write_labels(labels_path(bags / "a"), replace(labels, labels=(*labels.labels[:-1], last)))
    count, seconds = open_study(bags, None, None, None).facts.labels["wipe"]
    assert count == before[0] + 1 and seconds < before[1] + 9


def test_a_file_is_no_models_folder_to_learn_from(bags):
    with pytest.raises(M2R2Error, match="give the models folder that it lies in"):
        open_study(bags, None, None, bags / "groups.csv")


def test_recordings_in_a_folder_beside_recordings_are_said(bags):
    (bags / "groups.csv").unlink()
    (bags / "day 2").mkdir()
    (bags / "c").rename(bags / "day 2" / "c")
    study = open_study(bags, None, None, None)
    assert list(study.recordings) == ["a", "b"]
    assert "put all of them in folders" in study.facts.left_out["day 2/c"]


@pytest.mark.parametrize("name", ["two\nlines", " before", "after "])
def test_names_that_no_list_of_recordings_can_hold_are_refused_before_anything_is_trained(
    bags, name
):
    (bags / "groups.csv").unlink()
    (bags / "c").rename(bags / name)
    with pytest.raises(M2R2Error, match="rename it"):
        open_study(bags, None, None, None)


def test_two_runs_in_one_models_folder_do_not_meet(tmp_path):
    work = tmp_path / "models" / "work"
    with alone_in(work), pytest.raises(M2R2Error, match="another `m2r2 learn`"), alone_in(work):
        pass
    with alone_in(work):
        assert (work / LOCK_FILE).exists()


def test_a_file_system_without_locks_is_no_hindrance(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone_in(tmp_path / "work"):
        pass
