# SPDX-License-Identifier: Apache-2.0
"""The labelled recordings of a folder, and all that is needed to read them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.datasets.conversion import ROBOT_FILE
from m2r2_ros.datasets.groups import GROUPS_FILE, Groups, recorded_groups
from m2r2_ros.datasets.labels_file import find_labels
from m2r2_ros.datasets.mstcn import check_name
from m2r2_ros.datasets.recording import Action
from m2r2_ros.datasets.recording_source import REASSEMBLE_SUFFIXES, gap_label
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.stated_vocabulary import agreed_vocabulary
from m2r2_ros.diagnosis.bag_survey import survey_bag
from m2r2_ros.diagnosis.found_layout import layout_of_topics
from m2r2_ros.diagnosis.topic_survey import TopicSurvey
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inspection.inspection import layout_of
from m2r2_ros.labels import NO_CLASS, label_from_text, vocabulary_of_labels
from m2r2_ros.learning.outcome import DataFacts
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.extraction import (
    find_recordings,
    overlooked_recordings,
    recording_name,
)
from m2r2_ros.offline.work_record import fingerprint
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.vocabulary import UNLABELLED, Vocabulary

LAYOUT_FILE = "layout.yaml"
# How much of a bag tells what its topics carry.
_SURVEYED_S = 5.0


@dataclass(frozen=True)
class Study:
    """What is learned from: the recordings with confirmed labels, by name.

    robot         the parameter file that says where the sensors are, None for the default topics.
    started_from  the encoder.onnx of --from, None without.
    absent        sensors that the parameter file names and no recording has, where no layout says
                  which are wanted.
    digest        changes with the recordings, their labels and whatever else decides the result.
    """

    recordings: dict[str, Path]
    groups: Groups
    layout: SensorLayout
    robot: Path | None
    vocabulary: Vocabulary
    facts: DataFacts
    started_from: Path | None
    absent: tuple[str, ...]
    digest: str

    @property
    def deployment(self) -> Deployment:
        """The parameter file, read."""
        return Deployment.load(self.robot)

    def paths(self, names: tuple[str, ...] | list[str]) -> list[Path]:
        """Where some recordings are."""
        return [self.recordings[name] for name in names]


class _Labelled(NamedTuple):
    """Of one recording; `why_not` says why nothing can be learned from it, "" where it can."""

    seconds: float
    actions: list[Action]
    gap: str
    why_not: str


def open_study(data: Path, config: Path | None, layout: Path | None, models: Path | None) -> Study:
    """Look at a folder of recordings. Raises M2R2Error where nothing can be learned from it."""
    found = {recording_name(path): path.absolute() for path in find_recordings([data])}
    for name in found:
        check_name(name)
    robot = config or _beside(data, ROBOT_FILE)
    deployment = Deployment.load(robot)
    read = {name: _labelled(path, deployment) for name, path in found.items()}
    used = {name: path for name, path in found.items() if not read[name].why_not}
    if not used:
        name, one = next(iter(read.items()))
        raise M2R2Error(
            f"{data}: none of {len(read)} recordings has labels to learn from ({name}: "
            f"{one.why_not}): label some with `m2r2 label`"
        )
    wanted = layout or _beside(data, LAYOUT_FILE)
    sensors = _layout(wanted, deployment, list(used.values()))
    named = deployment.topics.topics.items() if robot and not wanted else ()
    absent = tuple(name for name, topic in named if topic and name not in sensors.modalities)
    vocabulary = _vocabulary(used, read)
    groups = _groups(data, used)
    if models and models.is_file():
        raise M2R2Error(f"{models}: is a file: give the models folder that it lies in")
    started = models and (models / ENCODER_FILE).absolute()
    parts = [
        {name: fingerprint(path) for name, path in used.items()},
        sensors.to_dict(),
        robot.read_text("utf-8", "replace") if robot else "",
        vocabulary.to_dict(),
        dict(groups.of),
        read_model(started).sha256 if started else "",
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
    facts = _facts(read, groups, vocabulary, sensors)
    facts = replace(facts, left_out={**facts.left_out, **_overlooked(data)})
    place = robot and robot.absolute()
    return Study(used, groups, sensors, place, vocabulary, facts, started, absent, digest)


def _overlooked(data: Path) -> dict[str, str]:
    """Recordings in folders beside recordings, which `find_recordings` does not take."""
    why = "in a folder, and others are not: put all of them in folders, or none"
    return {str(path.relative_to(data)): why for path in overlooked_recordings(data)}


def _beside(data: Path, name: str) -> Path | None:
    return data / name if (data / name).is_file() else None


def _labelled(path: Path, deployment: Deployment) -> _Labelled:
    try:
        with open_source(path, deployment.topics) as source:
            seconds = (source.end_ns - source.start_ns) / 1e9
            actions, gap = source.actions, gap_label(source)
    except M2R2Error as error:
        return _Labelled(0.0, [], UNLABELLED, f"cannot be read: {error}")
    if any(action.start_s < seconds and action.end_s > 0 for action in actions or ()):
        return _Labelled(seconds, actions, gap, "")
    if actions:
        return _Labelled(seconds, [], gap, "its labels lie outside of what its sensors recorded")
    labels = find_labels(path)
    if labels is not None and labels.proposals:
        why = f"its {labels.proposals} labels are proposals that nobody has confirmed"
    else:
        why = "has no labels"
    return _Labelled(seconds, [], gap, why)


def _layout(path: Path | None, deployment: Deployment, recordings: list[Path]) -> SensorLayout:
    """As the file says; without one all that the robot file has topics for, in some recording."""
    if path is not None:
        return load_layout(path)
    bags = [each for each in recordings if each.suffix not in REASSEMBLE_SUFFIXES]
    if not bags:
        return layout_of(deployment.topics)
    topics = deployment.topics
    surveys = _surveys(bags, set(filter(None, topics.topics.values())))
    there = {name: topic for name, topic in topics.topics.items() if topic in surveys}
    if not there:
        raise M2R2Error(
            f"{bags[0].parent}: no recording has messages on {', '.join(topics.topics.values())}: "
            f"say by --config, or by a {ROBOT_FILE} there, where the sensors are"
        )
    reference = topics.reference_camera if topics.reference_camera in there else ""
    signals = {name: one for name, one in topics.signals.items() if name in there}
    found = replace(topics, topics=there, signals=signals, reference_camera=reference)
    return layout_of_topics(found, surveys)


def _surveys(bags: list[Path], wanted: set[str]) -> dict[str, TopicSurvey]:
    """What these topics carry, each in the first bag that has a message of it."""
    found: dict[str, TopicSurvey] = {}
    for path in bags:
        with open_bag(path) as bag:
            if wanted.isdisjoint(bag.topics):
                continue
            surveys = survey_bag(bag, _SURVEYED_S)
        found |= {name: one for name, one in surveys.items() if name in wanted and one.count}
        wanted = wanted - found.keys()
    return found


def _vocabulary(used: dict[str, Path], read: dict[str, _Labelled]) -> Vocabulary:
    """What files state; else what the labels show."""
    stated = agreed_vocabulary(used.values())
    labels = {label_from_text(action.text): name for name in used for action in read[name].actions}
    if stated is None:
        return vocabulary_of_labels(labels)
    for label in sorted(labels.keys() - {*stated.vocabulary.labels, *NO_CLASS}):
        near = nearest_name(label, stated.vocabulary.labels)
        raise M2R2Error(f"{used[labels[label]]}: label '{label}' is not in {stated.path}{near}")
    return stated.vocabulary


def _groups(data: Path, used: dict[str, Path]) -> Groups:
    stated = recorded_groups(used, [data])
    if stated:
        return Groups(stated).among(list(used), "recordings")
    said = f"{data} has no {GROUPS_FILE} and no folders: each recording is a group of its own"
    return Groups({name: name for name in used}, said)


def _facts(
    read: dict[str, _Labelled], groups: Groups, vocabulary: Vocabulary, layout: SensorLayout
) -> DataFacts:
    used = {name: one for name, one in read.items() if not one.why_not}
    counts = {label: (0, 0.0) for label in vocabulary.labels}
    unlabelled_s = 0.0
    for one in used.values():
        covered_s = 0.0
        for action in one.actions:
            inside_s = min(action.end_s, one.seconds) - max(action.start_s, 0.0)
            label, length_s = label_from_text(action.text), max(0.0, inside_s)
            covered_s += length_s
            if label not in NO_CLASS:
                count, seconds = counts.get(label, (0, 0.0))
                counts[label] = count + 1, seconds + length_s
        gap_s = max(0.0, one.seconds - covered_s)
        if one.gap == UNLABELLED:
            unlabelled_s += gap_s
        else:
            count, seconds = counts.get(one.gap, (0, 0.0))
            counts[one.gap] = count, seconds + gap_s
    return DataFacts(
        minutes={name: one.seconds / 60 for name, one in used.items()},
        groups=dict(groups.of),
        assumed=groups.assumed,
        labels={label: found for label, found in counts.items() if found[1]},
        idle=vocabulary.idle,
        unlabelled_s=unlabelled_s,
        left_out={name: one.why_not for name, one in read.items() if one.why_not},
        sensors=layout.modalities,
    )
