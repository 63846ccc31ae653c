# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of a folder in MS-TCN's layout: stated in a file, or what its labels show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from m2r2_ros.datasets.mstcn import FeatureFolder, write_mapping
from m2r2_ros.datasets.vocabulary_file import VOCABULARY_FILE, find_vocabulary, write_vocabulary
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labels import FINE_LABELS, is_reassemble, legacy_vocabulary
from m2r2_ros.vocabulary import Vocabulary


class FolderVocabulary(NamedTuple):
    """Labels in the order of mapping.txt, and what is assumed because no file states it."""

    vocabulary: Vocabulary
    assumed: str


def folder_vocabulary(folder: FeatureFolder, idle: Sequence[str] = ()) -> FolderVocabulary:
    """What the folder's labels mean; `idle` are those of a folder whose files do not say it.

    Raises M2R2Error when its mapping.txt and vocabulary.yaml disagree, or `idle` adds to a file.
    """
    stated, path = find_vocabulary(folder.path), folder.path / VOCABULARY_FILE
    if stated is None:
        return _assumed(folder, idle)
    if idle:
        raise M2R2Error(f"{path}: says which labels are idle: no --idle beside it")
    both = set(stated.labels), set(folder.labels)
    for label in sorted(both[0] ^ both[1]):
        has, lacks = (path.name, "mapping.txt") if label in both[0] else ("mapping.txt", path.name)
        raise M2R2Error(f"{folder.path}: label '{label}' is in {has}, not in {lacks}")
    return FolderVocabulary(replace(stated, labels=tuple(folder.labels)), "")


def _assumed(folder: FeatureFolder, idle: Sequence[str]) -> FolderVocabulary:
    known = is_reassemble(folder.labels)
    try:
        labels = tuple(folder.labels)
        vocabulary = legacy_vocabulary(labels) if known else Vocabulary(labels)
    except M2R2Error as error:
        raise M2R2Error(f"{folder.path}/mapping.txt: {error}") from error
    if idle:
        vocabulary = _with_idle(vocabulary, idle)
    named = " and ".join(f"'{label}'" for label in vocabulary.idle) or "no label"
    verb = "are" if len(vocabulary.idle) > 1 else "is"
    rest = "" if vocabulary.has_objects else ", no label has an object"
    said = f"{folder.path} has no {VOCABULARY_FILE}: {named} {verb} idle{rest}"
    return FolderVocabulary(vocabulary, said)


def _with_idle(vocabulary: Vocabulary, idle: Sequence[str]) -> Vocabulary:
    try:
        return vocabulary.with_idle(idle)
    except M2R2Error as error:
        raise M2R2Error(f"--idle: {error}") from error


def write_classes(
    folder: Path, training: Iterable[str], others: Iterable[str], stated: Vocabulary | None
) -> str:
    """Write mapping.txt of what is stated or occurs, and vocabulary.yaml of what is known.

    `training`, `others`: the labels that occur in recordings to train on, and in all others.
    Returns what is assumed because it is not stated, "" for nothing.
    """
    known, more = set(training), set(others)
    if stated is None and is_reassemble(known | more):
        added = sorted((known | more).difference(FINE_LABELS))
        stated = legacy_vocabulary([*FINE_LABELS, *added])
    write_mapping(folder, stated.labels if stated else [*sorted(known), *sorted(more - known)])
    if stated is not None:
        write_vocabulary(folder, stated)
        return ""
    return folder_vocabulary(FeatureFolder(folder)).assumed
