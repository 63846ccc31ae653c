# SPDX-License-Identifier: Apache-2.0
"""Label Studio's JSON: a task a recording, with regions of sound, time series or video timelines.

Written are regions as of sound, in seconds; what a model proposes stands under `predictions`.
Read are all three kinds; a video's timeline counts frames from 1, so that it needs a rate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from m2r2_ros.datasets.labels_file import seconds_to_ns
from m2r2_ros.datasets.recording_labels import IMPORT, MODEL
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.label_formats.label_format import ALL, FormatOptions, LabelFormat
from m2r2_ros.label_formats.label_track import NS, LabelSpan, LabelTrack
from m2r2_ros.label_formats.texts import entry, from_zero, read_entries, write_text
from m2r2_ros.vocabulary import Vocabulary

# A region's type -> the entry of its value that holds the labels.
REGIONS = ("labels", "timeserieslabels", "timelinelabels")
# Under this name stand in a task and in a region what Label Studio has no place for.
OWN = "m2r2"


def read(path: Path, options: FormatOptions) -> list[LabelTrack]:
    tasks = read_entries(path)
    tasks = [tasks] if isinstance(tasks, dict) else tasks
    if not isinstance(tasks, list):
        raise M2R2Error("no export of Label Studio: expected a list of tasks")
    return [_track(f"task {number}", task, options) for number, task in enumerate(tasks, 1)]


def write(path: Path, tracks: Sequence[LabelTrack], options: FormatOptions) -> list[str]:
    cut = [from_zero(track) for track in tracks]
    tasks = [_task(track) for track, _ in cut]
    write_text(path, json.dumps(tasks, indent=1, ensure_ascii=False) + "\n")
    return [line for _, lines in cut for line in lines]


class _Region(NamedTuple):
    """A region and what is given where it does not say so itself."""

    what: str
    values: dict[str, Any]
    source: str


def _track(what: str, task: Any, options: FormatOptions) -> LabelTrack:
    data = entry(task, "data", dict, what)
    own = data.get(OWN, {})
    problems: list[str] = []
    spans = [span for each in _regions(what, task, problems) for span in _spans(each, options)]
    try:
        # As text: a browser's numbers have 53 bits.
        epoch_ns = int(own["epoch_ns"]) if "epoch_ns" in own else None
        complete, stated = bool(own.get("complete", False)), own.get("vocabulary")
    except (TypeError, ValueError, AttributeError) as error:
        raise M2R2Error(f"{what}: '{OWN}' of its data is damaged: remove it") from error
    vocabulary = None if stated is None else Vocabulary.from_dict(stated)
    spans.sort(key=lambda span: (span.start_ns, span.end_ns))
    about = {"complete": complete, "vocabulary": vocabulary, "problems": tuple(problems)}
    return LabelTrack(_name(data), tuple(spans), epoch_ns, **about)


def _name(data: dict[str, Any]) -> str:
    """The recording's: as it was exported, else of the task's only file."""
    if isinstance(data.get("recording"), str):
        return data["recording"]
    texts = [value for key, value in data.items() if key != OWN and isinstance(value, str)]
    if len(texts) != 1:
        return ""
    file = unquote(urlsplit(texts[0]).path).rpartition("/")[2]
    # An upload is called after a number of its own: "1a2b3c4d-name.mp4".
    head, dash, rest = file.partition("-")
    is_upload = dash and len(head) == 8 and all(c in "0123456789abcdef" for c in head)
    return Path(rest if is_upload else file).stem


def _regions(what: str, task: dict[str, Any], problems: list[str]) -> Iterator[_Region]:
    """Of the last annotation that was not cancelled, and of the last prediction."""
    for key, source in (("annotations", IMPORT), ("predictions", MODEL)):
        given = task.get(key, [])
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise M2R2Error(f"{what}: '{key}' must be a list of entries")
        kept = [one for one in given if not one.get("was_cancelled")]
        if len(kept) > 1:
            problems.append(f"{what}: the last of its {len(kept)} {key} is taken")
        for one in kept[-1:]:
            for region in entry(one, "result", list, f"{what}: {key}"):
                yield _Region(what, region, source)


def _spans(region: _Region, options: FormatOptions) -> Iterator[LabelSpan]:
    what, values, source = region
    value = entry(values, "value", dict, f"{what}: a region")
    kind = values.get("type")
    if kind not in REGIONS:
        raise M2R2Error(f"{what}: a region is {brief(kind)}, not one of {', '.join(REGIONS)}")
    labels = entry(value, kind, list, f"{what}: a region")
    if len(labels) != 1 or not isinstance(labels[0], str):
        raise M2R2Error(f"{what}: a region needs one label, got {brief(labels)}")
    own = values.get("meta", {}).get(OWN, {}) if isinstance(values.get("meta", {}), dict) else {}
    own = own if isinstance(own, dict) else {}
    confidence = own.get("confidence", 1.0)
    if type(confidence) not in (int, float):
        raise M2R2Error(f"{what}: confidence must be 0 to 1, not {brief(confidence)}")
    said = own.get("outcome"), own.get("source", source), confidence
    for start_ns, end_ns in _times(what, kind, value, options):
        yield LabelSpan(start_ns, end_ns, labels[0], *said)


def _times(
    what: str, kind: str, value: dict[str, Any], options: FormatOptions
) -> Iterator[tuple[int, int]]:
    if kind != "timelinelabels":
        start, end = (seconds_to_ns(value.get(key), f"{what}: {key}") for key in ("start", "end"))
        yield start, end
        return
    if not options.rate_hz:
        raise M2R2Error(f"{what}: counts the frames of a video: --rate says how many a second")
    for each in entry(value, "ranges", list, f"{what}: a region"):
        frames = [each.get(key) if isinstance(each, dict) else None for key in ("start", "end")]
        if not all(type(frame) is int and frame >= 1 for frame in frames):
            raise M2R2Error(f"{what}: a range must have frames from 1 on, got {brief(each)}")
        # The last frame belongs to it.
        first, last = frames
        yield (
            seconds_to_ns((first - 1) / options.rate_hz, f"{what}: start"),
            seconds_to_ns(last / options.rate_hz, f"{what}: end"),
        )


def _task(track: LabelTrack) -> dict[str, Any]:
    own: dict[str, Any] = {"complete": track.complete}
    own |= {} if track.epoch_ns is None else {"epoch_ns": str(track.epoch_ns)}
    own["vocabulary"] = track.vocabulary and track.vocabulary.to_dict()
    task: dict[str, Any] = {"data": {"recording": track.name, OWN: own}}
    results = {"annotations": [], "predictions": []}
    for number, span in enumerate(track.spans):
        key = "predictions" if span.source == MODEL else "annotations"
        results[key].append(_region(f"r{number}", span))
    return task | {key: [{"result": regions}] for key, regions in results.items() if regions}


def _region(number: str, span: LabelSpan) -> dict[str, Any]:
    own = {"outcome": span.outcome, "source": span.source, "confidence": span.confidence}
    times = {"start": span.start_ns / NS, "end": span.end_ns / NS, "channel": 0}
    region = {"id": number, "from_name": "label", "to_name": "audio", "type": "labels"}
    return {**region, "value": {**times, "labels": [span.label]}, "meta": {OWN: own}}


FORMAT = LabelFormat(".json", True, ALL, read, write)
