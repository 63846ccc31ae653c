# SPDX-License-Identifier: Apache-2.0
"""The labels of a recording while they are edited: on the disk after each change, never lost.

A change says which revision it is based on; one that is based on another than the newest is
refused. A revision is a digest of what is there, so it also tells what other programs have written.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.clocks import MAX_TIME_S
from m2r2_ros.datasets.labels_file import (
    find_labels,
    labels_digest,
    labels_from_json,
    labels_path,
    labels_to_json,
    read_json,
    write_labels,
)
from m2r2_ros.datasets.recording_labels import Label, RecordingLabels
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.labelling.free_time import fitted
from m2r2_ros.small_files import read_small_text
from m2r2_ros.vocabulary import Vocabulary

MAX_CUTS = 10_000


@dataclass(frozen=True)
class Document:
    """Labels, and where unlabelled time is cut [seconds from their epoch], in order."""

    labels: RecordingLabels
    cuts: tuple[float, ...] = ()

    @property
    def revision(self) -> str:
        """Changes with anything that it says."""
        text = labels_to_json(self.labels) + json.dumps(self.cuts)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, as the page reads and writes it."""
        content = json.loads(labels_to_json(self.labels))
        entries = {"complete": self.labels.complete, "labels": content["labels"]}
        return {"revision": self.revision, **entries, "cuts": list(self.cuts)}


class LabelStore:
    """The labels beside one recording. Its methods may be called from any thread.

    key  of the recording; a change that states another one is refused.
    """

    def __init__(
        self, recording: Path, start: RecordingLabels, stated: Vocabulary | None, cuts: Path
    ) -> None:
        """`start`: what there is without a labels file; `stated`: the only labels there may be.

        `cuts`: the file that keeps where unlabelled time is cut. Raises M2R2Error.
        """
        self._recording, self._start, self._stated = recording, start, stated
        self.key = recording_key(recording)
        self._cuts_path, self._lock = cuts, threading.Lock()
        self._digest = labels_digest(recording)
        self._document = Document(find_labels(recording) or start, _read_cuts(cuts))
        self._check(self._document.labels)

    def read(self) -> Document:
        """What is there now. Raises M2R2Error where another program has left what is no labels."""
        with self._lock:
            return self._newest()

    def save(self, base: str, content: Any) -> tuple[bool, Document]:
        """Write what the page says; returns whether it was taken, and what is there now.

        It is refused when it is based on another revision. Raises M2R2Error on what cannot be.
        """
        with self._lock, _only_one(self._cuts_path.with_suffix(".lock")):
            self._check_place(content)
            now = self._newest()
            if base != now.revision:
                return False, now
            new = self._parsed(content, now.labels)
            if new.cuts != now.cuts:
                with partial_file(self._cuts_path) as temporary:
                    temporary.write_text(json.dumps(new.cuts), "utf-8")
            # Without a label there is nothing to say, and labels inside the recording are kept.
            if new.labels.labels or self._digest:
                write_labels(labels_path(self._recording), new.labels)
                self._digest = labels_digest(self._recording)
            self._document = new
            return True, new

    def propose(self, labels: list[Label]) -> list[str]:
        """Put proposals where nothing is labelled; returns what there is to say of it.

        They are written with the next change.
        """
        with self._lock:
            now = self._newest()
            known = [one for one in labels if not self._stated or one.label in self._stated.labels]
            together = fitted(known, now.labels.labels)
            vocabulary = extended(now.labels.vocabulary, [one.label for one in together])
            self._document = Document(
                replace(now.labels, labels=together, vocabulary=vocabulary), now.cuts
            )
            placed = len(together) - len(now.labels.labels)
            said = [
                f"the model proposes {len(labels)} segments, {placed} where nothing is labelled"
            ]
            if foreign := len(labels) - len(known):
                said.append(f"{foreign} of its segments are left out: not in the vocabulary")
            return said

    def _check_place(self, content: Any) -> None:
        """A page may have been opened when the server showed other recordings."""
        given = content.get("recording", self.key) if isinstance(content, dict) else self.key
        if given != self.key:
            raise M2R2Error(
                "this address shows another recording now: open the page anew; what is not saved "
                "is kept until its recording is shown again"
            )
        if not self._recording.exists():
            raise M2R2Error(f"{self._recording}: is not there any more: put it back")

    def _newest(self) -> Document:
        digest = labels_digest(self._recording)
        if digest != self._digest:
            labels = find_labels(self._recording) or self._start
            self._check(labels)
            self._document, self._digest = Document(labels, self._document.cuts), digest
        return self._document

    def _parsed(self, content: Any, before: RecordingLabels) -> Document:
        if not isinstance(content, dict) or not isinstance(content.get("labels"), list):
            raise M2R2Error(f"no labels: {brief(content)}")
        entries = {
            "format": 1,
            "epoch_ns": before.epoch_ns,
            "complete": content.get("complete", before.complete),
            "vocabulary": None,
            "labels": content["labels"],
        }
        labels = labels_from_json(json.dumps(entries))
        names = [label.label for label in labels.labels]
        vocabulary = self._stated or extended(before.vocabulary, names)
        labels = replace(labels, vocabulary=vocabulary)
        return Document(labels, _cuts(content.get("cuts", [])))

    def _check(self, labels: RecordingLabels) -> None:
        for label in labels.labels:
            if self._stated is not None and label.label not in self._stated.labels:
                raise M2R2Error(
                    f"{labels_path(self._recording)}: '{label.label}' is not in the vocabulary"
                )


def extended(vocabulary: Vocabulary | None, names: list[str]) -> Vocabulary | None:
    """A labels file's own vocabulary takes in what is named anew."""
    if vocabulary is None:
        return None
    return vocabulary.on(tuple(dict.fromkeys([*vocabulary.labels, *names])))


def _read_cuts(path: Path) -> tuple[float, ...]:
    return _cuts(read_json(read_small_text(path))) if path.exists() else ()


def _cuts(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) > MAX_CUTS:
        raise M2R2Error(f"cuts must be a list of up to {MAX_CUTS} times, got {brief(values)}")
    for value in values:
        if type(value) not in (int, float) or not abs(value) <= MAX_TIME_S:
            raise M2R2Error(f"a cut must be seconds within the recording, got {brief(value)}")
    return tuple(sorted({float(value) for value in values}))


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold a lock file: two programs may have the page of one recording open."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def recording_key(recording: Path) -> str:
    """Tells apart recordings of one name in two folders."""
    return hashlib.sha256(os.fsencode(recording.resolve())).hexdigest()[:24]


def cuts_file(root: Path, recording: Path) -> Path:
    """Where the cuts of a recording are kept."""
    return root / f"{recording_key(recording)}.cuts.json"
