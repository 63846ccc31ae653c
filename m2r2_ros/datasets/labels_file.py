# SPDX-License-Identifier: Apache-2.0
"""`<recording>.labels.json`: the labels beside a recording, which is never written to.

    {"format": 1, "epoch_ns": 1736508480000000000, "complete": false, "vocabulary": {...} or null,
     "labels": [{"start": 0.5, "end": 2.0, "label": "tighten cap", "action": "tighten",
                 "object": "cap", "outcome": "success", "source": "human", "confidence": 1.0}]}

Times are seconds from `epoch_ns`, a header stamp, exact to the nanosecond for 100 days.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from m2r2_ros.datasets.annotations import MAX_JSON_BYTES
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.bag_metadata import METADATA_FILE
from m2r2_ros.datasets.clocks import MAX_TIME_S
from m2r2_ros.datasets.recording_labels import Label, RecordingLabels
from m2r2_ros.datasets.recording_source import BAG_SUFFIXES
from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.small_files import read_small, read_small_text
from m2r2_ros.vocabulary import Vocabulary

FORMAT = 1
LABELS_SUFFIX = ".labels.json"
_ENTRIES = ("format", "epoch_ns", "complete", "vocabulary", "labels")
# Of a label; the first four have to be there.
_KEYS = ("start", "end", "label", "source", "action", "object", "outcome", "confidence")
_REQUIRED = 4


def labels_path(recording: Path) -> Path:
    """Where the labels of a recording are: beside it, of a bag's file beside the bag."""
    if recording.suffix in BAG_SUFFIXES and (recording.parent / METADATA_FILE).exists():
        recording = recording.parent
    if recording.name in ("", ".."):
        recording = recording.resolve()
    return recording.with_name(recording.name + LABELS_SUFFIX)


def find_labels(recording: Path) -> RecordingLabels | None:
    """The labels beside a recording, None without a file of them. Raises M2R2Error."""
    path = labels_path(recording)
    return read_labels(path) if path.exists() else None


def labels_digest(recording: Path) -> str:
    """SHA-256 (hexadecimal) of the labels beside a recording, "" without. Raises M2R2Error."""
    path = labels_path(recording)
    if not path.exists():
        return ""
    return hashlib.sha256(read_small(path, MAX_JSON_BYTES)).hexdigest()


def read_labels(path: Path) -> RecordingLabels:
    """Raises M2R2Error that names the file."""
    text = read_small_text(path, MAX_JSON_BYTES)
    try:
        return labels_from_json(text)
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error


def write_labels(path: Path, labels: RecordingLabels) -> None:
    """Write a labels file, to appear when it is complete. Raises M2R2Error."""
    with partial_file(path) as temporary:
        temporary.write_text(labels_to_json(labels), "utf-8")


def labels_to_json(labels: RecordingLabels) -> str:
    """The file's text, a line a label."""
    meaning = labels.meaning
    entries = [
        {
            "start": (label.start_ns - labels.epoch_ns) / 1e9,
            "end": (label.end_ns - labels.epoch_ns) / 1e9,
            "label": label.label,
            "action": meaning.action_of(label.label),
            "object": meaning.object_of(label.label),
            "outcome": label.outcome,
            "source": label.source,
            "confidence": label.confidence,
        }
        for label in labels.labels
    ]
    head = {
        "format": FORMAT,
        "epoch_ns": labels.epoch_ns,
        "complete": labels.complete,
        "vocabulary": labels.vocabulary and labels.vocabulary.to_dict(),
    }
    # In ASCII: a vocabulary's `world` may hold what UTF-8 has not.
    lines = [f'"{name}": {json.dumps(value)}' for name, value in head.items()]
    rows = ",\n  ".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    return "{" + ",\n ".join([*lines, f'"labels": [\n  {rows}\n ]']) + "}\n"


def labels_from_json(text: str) -> RecordingLabels:
    """Read what `labels_to_json` wrote, or what may come from anywhere. Raises M2R2Error."""
    content = read_json(text)
    if not isinstance(content, dict):
        raise M2R2Error("no labels: expected entries such as 'labels'")
    if type(content.get("format")) is not int or content["format"] != FORMAT:
        raise M2R2Error(f"'format' must be {FORMAT}, got {brief(content.get('format'))}")
    _check_keys(content, _ENTRIES, _ENTRIES)
    epoch_ns, complete, entries = content["epoch_ns"], content["complete"], content["labels"]
    if type(epoch_ns) is not int:
        raise M2R2Error(f"epoch_ns is no header stamp: {brief(epoch_ns)}")
    if not isinstance(complete, bool):
        raise M2R2Error(f"'complete' must be true or false, got {brief(complete)}")
    if not isinstance(entries, list):
        raise M2R2Error(f"'labels' must be a list, got {brief(entries)}")
    read = tuple(_label(number, entry, epoch_ns) for number, entry in enumerate(entries))
    labels = RecordingLabels(epoch_ns, read, complete, _vocabulary(content["vocabulary"]))
    _check_parts(labels.meaning, entries)
    return labels


def read_json(text: str) -> Any:
    """Read JSON as the standard has it: no NaN, no name twice. Raises M2R2Error."""
    try:
        return json.loads(text, object_pairs_hook=_entries, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise M2R2Error(f"not JSON: {' '.join(str(error).split())}") from error


def seconds_to_ns(seconds: Any, what: str) -> int:
    """Seconds of a file [ns]. Raises M2R2Error on what is no time of a recording."""
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not abs(seconds) <= MAX_TIME_S:
        raise M2R2Error(f"{what} must be seconds within the recording, got {brief(seconds)}")
    return round(seconds * 1e9)


def _label(number: int, entry: Any, epoch_ns: int) -> Label:
    try:
        if not isinstance(entry, dict):
            raise M2R2Error(f"expected entries such as 'start', got {brief(entry)}")
        _check_keys(entry, _KEYS, _KEYS[:_REQUIRED])
        start_ns, end_ns = (epoch_ns + seconds_to_ns(entry[key], key) for key in ("start", "end"))
        confidence = entry.get("confidence", 1.0)
        if type(confidence) not in (int, float):
            raise M2R2Error(f"confidence must be 0 to 1, not {brief(confidence)}")
        given = entry["label"], entry.get("outcome"), entry["source"], confidence
        return Label(start_ns, end_ns, *given)
    except M2R2Error as error:
        raise M2R2Error(f"label {number}: {error}") from error


def _vocabulary(values: Any) -> Vocabulary | None:
    try:
        return None if values is None else Vocabulary.from_dict(values)
    except M2R2Error as error:
        raise M2R2Error(f"vocabulary: {error}") from error


def _check_parts(meaning: Vocabulary, entries: list[dict[str, Any]]) -> None:
    """What an entry says of action and object is what the vocabulary says."""
    for number, entry in enumerate(entries):
        label = entry["label"]
        means = {"action": meaning.action_of(label), "object": meaning.object_of(label)}
        for key, value in means.items():
            if entry.get(key, value) != value:
                raise M2R2Error(
                    f"label {number}: the {key} of '{label}' is '{value}' in its vocabulary, not "
                    f"{brief(entry[key])}"
                )


def _check_keys(entry: dict[str, Any], known: tuple[str, ...], required: tuple[str, ...]) -> None:
    for key in entry:
        if key not in known:
            raise M2R2Error(f"no entry {brief(key)}{nearest_name(key, known)}")
    for key in required:
        if key not in entry:
            raise M2R2Error(f"has no '{key}'")


def _entries(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        twice = next(k for k, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"{brief(twice)} is there twice")
    return entries


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
