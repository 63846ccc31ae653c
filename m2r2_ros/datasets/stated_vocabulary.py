# SPDX-License-Identifier: Apache-2.0
"""What files say that a recording's labels mean: the vocabulary beside it, and its labels file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from m2r2_ros.datasets.bag_files import is_bag_folder
from m2r2_ros.datasets.labels_file import find_labels, labels_path
from m2r2_ros.datasets.recording_labels import RecordingLabels
from m2r2_ros.datasets.vocabulary_file import VOCABULARY_FILE, find_vocabulary
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.vocabulary import Vocabulary


class StatedVocabulary(NamedTuple):
    """A vocabulary and the file that states it."""

    vocabulary: Vocabulary
    path: Path


def stated_vocabulary(recording: Path) -> StatedVocabulary | None:
    """The vocabulary.yaml beside a recording, else that of its labels file, None without either.

    Raises M2R2Error when the two disagree.
    """
    path, labels = labels_path(recording), find_labels(recording)
    beside = vocabulary_beside(recording)
    if beside is not None:
        if labels is not None:
            check_labels(labels, path, beside)
        return beside
    if labels is None or labels.vocabulary is None:
        return None
    return StatedVocabulary(labels.vocabulary, path)


def agreed_vocabulary(recordings: Iterable[Path]) -> StatedVocabulary | None:
    """What the files of several recordings state, None where none does.

    Raises M2R2Error, which names two of them, when they disagree.
    """
    found: dict[Path, StatedVocabulary] = {}
    for recording in recordings:
        stated = stated_vocabulary(recording)
        if stated is not None:
            found.setdefault(recording, stated)
    first = next(iter(found), None)
    for recording, stated in found.items():
        if stated.vocabulary != found[first].vocabulary:
            what = stated.vocabulary.difference(found[first].vocabulary) or "which labels there are"
            raise M2R2Error(
                f"the {found[first].path.name} beside {first} and the {stated.path.name} beside "
                f"{recording} disagree on {what}"
            )
    return first and found[first]


def vocabulary_beside(recording: Path) -> StatedVocabulary | None:
    """The vocabulary.yaml beside a recording; that of a bag's file may lie beside the bag.

    Raises M2R2Error.
    """
    folders = [recording.parent]
    if recording.is_file() and is_bag_folder(recording.parent):
        folders.append(recording.parent.parent)
    found = ((find_vocabulary(folder), folder / VOCABULARY_FILE) for folder in folders)
    return next((StatedVocabulary(stated, path) for stated, path in found if stated), None)


def check_labels(labels: RecordingLabels, path: Path, beside: StatedVocabulary) -> None:
    """Raise M2R2Error where the labels of the file `path` and a vocabulary beside it disagree.

    The file may know fewer labels than the vocabulary, which has grown.
    """
    for name in labels.names:
        if name not in beside.vocabulary.labels:
            near = nearest_name(name, beside.vocabulary.labels)
            raise M2R2Error(f"label '{name}' of {path} is not in {beside.path}{near}")
    if labels.vocabulary and (what := labels.vocabulary.difference(beside.vocabulary)):
        raise M2R2Error(f"{path} and {beside.path} disagree on {what}: change one of them")
