# SPDX-License-Identifier: Apache-2.0
"""A data set in figures: classes, durations, success and balance of its labelled actions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from m2r2_ros.datasets.annotations import label_digest
from m2r2_ros.datasets.clocks import MAX_TIME_S
from m2r2_ros.datasets.recording import Action, LowLevelSkill
from m2r2_ros.datasets.source import open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labels import FINE_LABELS, is_reassemble, label_from_text, vocabulary_of_labels
from m2r2_ros.vocabulary import Vocabulary

# A class with fewer examples than this can hardly be learnt, or its metric trusted.
FEW_EXAMPLES = 10


@dataclass(frozen=True)
class LabelledRecording:
    """What a data-set card needs of a recording. `actions` is None when it has no labels."""

    name: str
    duration_s: float
    actions: list[Action] | None
    problems: list[str] = field(default_factory=list)
    stated: Vocabulary | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """What its labels mean: as is stated, else as they show. Raises M2R2Error."""
        labels = (label_from_text(action.text) for action in self.actions or ())
        return self.stated or vocabulary_of_labels(labels)

    @property
    def attempts(self) -> list[Action]:
        """Its actions without idle ones."""
        idle = self.vocabulary.idle
        return [a for a in self.actions or () if label_from_text(a.text) not in idle]


def read_labels(path: Path, topics: TopicMap) -> LabelledRecording:
    """Read a recording's labels and length, not its data. Raises M2R2Error."""
    with open_source(path, topics) as source:
        duration_s = (source.end_ns - source.start_ns) / 1e9
        if not 0 <= duration_s <= MAX_TIME_S:
            raise M2R2Error(f"{path}: its clocks disagree, it would last {duration_s:.0f} s")
        said, stated = list(source.problems), source.vocabulary
        return LabelledRecording(source.name, duration_s, source.actions, said, stated)


def dataset_statistics(recordings: Sequence[LabelledRecording]) -> dict[str, Any]:
    """Figures of a data set, JSON-ready. Actions are counted without idle ones."""
    attempts = [action for recording in recordings for action in recording.attempts]
    per_recording = [len(r.attempts) for r in recordings if r.actions is not None]
    everything = [action for recording in recordings for action in recording.actions or ()]
    skills = [skill for action in everything for skill in action.low_level]
    vocabulary = common_vocabulary(recordings)
    fine = _by_label(everything, label_from_text, vocabulary.labels)
    coarse: dict[str, list[Action]] = {}
    for label, found in fine.items():
        coarse.setdefault(vocabulary.coarse(label), []).extend(found)
    return {
        "vocabulary": vocabulary.to_dict(),
        "recordings": len(recordings),
        "labelled_recordings": len(per_recording),
        "minutes": sum(recording.duration_s for recording in recordings) / 60,
        **_counts(attempts),
        "actions_per_recording": _quartiles(per_recording),
        "coarse": {
            label: {
                **_counts(found),
                "duration_s": _quartiles([a.end_s - a.start_s for a in found]),
            }
            for label, found in coarse.items()
        },
        "fine": {label: _counts(found) for label, found in fine.items()},
        "balance": _balance(
            {label: len(found) for label, found in fine.items()}, len(attempts), vocabulary
        ),
        "low_level": {
            label: {
                **_counts(found),
                "duration_s": _quartiles([s.end_s - s.start_s for s in found]),
            }
            for label, found in sorted(_by_label(skills, label_from_text).items())
        },
        "each_recording": [_entry(recording) for recording in recordings],
    }


def common_vocabulary(recordings: Iterable[LabelledRecording]) -> Vocabulary:
    """The classes of all recordings, in the order in which they are named first.

    Where two mean different things by a label, the first counts. Raises M2R2Error.
    """
    meant: dict[str, Vocabulary] = {}
    for recording in recordings:
        meant |= {n: recording.vocabulary for n in recording.vocabulary.labels if n not in meant}
    idle = tuple(label for label, said in meant.items() if said.is_idle(label))
    parts = {n: said.parts[n] for n, said in meant.items() if n in said.parts}
    return Vocabulary(tuple(meant), idle, parts)


def _entry(recording: LabelledRecording) -> dict[str, Any]:
    labelled = recording.actions is not None
    return {
        "name": recording.name,
        "duration_s": recording.duration_s,
        **(_counts(recording.attempts) if labelled else {"actions": None, "successful": None}),
        "label_sha256": label_digest(recording.actions) if labelled else None,
        "problems": recording.problems,
    }


def _by_label(spans: Iterable[Any], label_of: Any, labels: Iterable[str] = ()) -> dict[str, list]:
    found: dict[str, list] = {label: [] for label in labels}
    for span in spans:
        found.setdefault(label_of(span.text), []).append(span)
    return found


def _counts(spans: Sequence[Action | LowLevelSkill]) -> dict[str, int]:
    return {"actions": len(spans), "successful": sum(span.success for span in spans)}


def _quartiles(values: Sequence[float]) -> dict[str, float] | None:
    if not len(values):
        return None
    lower, median, upper = np.percentile(values, (25, 50, 75))
    return {"lower_quartile": float(lower), "median": float(median), "upper_quartile": float(upper)}


def _balance(counts: dict[str, int], attempts: int, vocabulary: Vocabulary) -> dict[str, Any]:
    known = {n: counts[n] for n in vocabulary.labels if not vocabulary.is_idle(n)}
    activities: dict[str, int] = {}
    for label, count in known.items():
        name = vocabulary.coarse(label)
        activities[name] = activities.get(name, 0) + count
    others = sorted(set(counts).difference(FINE_LABELS))
    return {
        "activity_share": {n: c / attempts if attempts else 0.0 for n, c in activities.items()},
        "fewest": min(known.values(), default=0),
        "absent": [label for label, count in known.items() if not count],
        "few": [label for label, count in known.items() if 0 < count < FEW_EXAMPLES],
        "not_of_vocabulary": sorted(set(counts).difference(vocabulary.labels)),
        "not_of_reassemble": others if is_reassemble(counts) else [],
    }
