# SPDX-License-Identifier: Apache-2.0
"""Everything about a recording that its picture shows, gathered in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from m2r2_ros.datasets.annotations import label_digest
from m2r2_ros.datasets.recording import Action, LowLevelSkill
from m2r2_ros.datasets.recording_source import RecordingSource, vocabulary_of
from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.topics import TopicMap, likely_slip
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inspection.film_strip import FilmStrip
from m2r2_ros.inspection.recording_checks import (
    frozen_problems,
    label_problems,
    stream_problems,
    unlabelled_problems,
)
from m2r2_ros.inspection.recording_digest import GatheredAudio, GatheredCamera, GatheredSignal
from m2r2_ros.inspection.spectrogram import Spectrogram
from m2r2_ros.inspection.stream_summary import StreamSummary
from m2r2_ros.labels import label_from_text
from m2r2_ros.messages.signals import Stamped
from m2r2_ros.sensing.derived_signals import DerivedSignals
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.signal_presets import PRESETS, preset_of
from m2r2_ros.vocabulary import Vocabulary


@dataclass(frozen=True)
class Inspection:
    """Times are seconds from the first frame of the reference camera.

    layout    the modalities that were looked for.
    streams   what each of them delivered; one that is missing is not in it.
    films, sound, signals   their pictures, spectrogram, and times (N,) with values (N, D), NaN
              where they are not usable.
    actions   ground truth; None when there is none.
    vocabulary  of their labels.
    problems  a line each.
    """

    name: str
    layout: SensorLayout
    streams: dict[str, StreamSummary]
    films: dict[str, FilmStrip]
    sound: Spectrogram | None
    signals: dict[str, tuple[np.ndarray, np.ndarray]]
    actions: list[Action] | None
    vocabulary: Vocabulary
    problems: list[str]

    @property
    def span_s(self) -> tuple[float, float]:
        """From the first to the last thing in the recording, labels included; never empty."""
        spans = [(stream.first_s, stream.last_s) for stream in self.streams.values()]
        spans += [(action.start_s, action.end_s) for action in self.actions or ()]
        start_s, end_s = min(start for start, _ in spans), max(end for _, end in spans)
        return start_s, max(end_s, start_s + 1e-3)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, without the data."""
        start_s, end_s = self.span_s
        missing = {name: {"present": False} for name in self.layout.modalities}
        labelled = self.actions is not None
        return {
            "recording": self.name,
            "start_s": start_s,
            "end_s": end_s,
            "streams": missing | {name: each.to_dict() for name, each in self.streams.items()},
            "actions": self._actions() if labelled else None,
            "label_sha256": label_digest(self.actions) if labelled else None,
            "problems": self.problems,
        }

    def _actions(self) -> list[dict[str, Any]]:
        return [_action_entry(action, self.vocabulary) for action in self.actions or ()]


def inspect_source(
    source: RecordingSource,
    layout: SensorLayout,
    limits: SensingLimits,
    progress: Callable[[float], None] = lambda time_s: None,
) -> Inspection:
    """Read a whole recording. `progress` is told the time in the recording that was reached.

    Raises M2R2Error when none of the configured topics is in the recording, or all are empty.
    """
    cameras = {name: GatheredCamera() for name in layout.cameras}
    audio = GatheredAudio(limits.max_audio_gap_s)
    signals = {name: GatheredSignal(one, limits) for name, one in layout.signals.items()}
    derived = DerivedSignals(layout.derived, limits)
    for batch in source.batches(layout, limits):
        for name, stamp_ns, picture in batch.images:
            cameras[name].add((stamp_ns - source.start_ns) / 1e9, picture)
            progress((stamp_ns - source.start_ns) / 1e9)
        for stamp_ns, samples, rate_hz in batch.audio:
            audio.add((stamp_ns - source.start_ns) / 1e9, samples, rate_hz)
        for name, (stamps, values) in _with_derived(batch.signals, signals, derived):
            signals[name].add((stamps - source.start_ns) / 1e9, values)

    gathered = {**cameras, AUDIO: audio, **signals}
    summaries = {name: gathered[name].summary() for name in layout.modalities}
    streams = {name: summary for name, summary in summaries.items() if summary is not None}
    if not streams:
        why = "".join(f"; {problem}" for problem in source.problems)
        raise M2R2Error(f"{source.name}: none of the configured streams holds a sample{why}")
    arrays = {name: signal.arrays() for name, signal in signals.items() if name in streams}
    last_s = max(stream.last_s for stream in streams.values())
    return Inspection(
        name=source.name,
        layout=layout,
        streams=streams,
        films={name: camera.film for name, camera in cameras.items() if camera.film.thumbnails},
        sound=audio.spectrogram,
        signals=arrays,
        actions=source.actions,
        vocabulary=vocabulary_of(source),
        problems=[
            *source.problems,
            *(
                f"'{name}': {each.strays} samples of another clock or rate are left out"
                for name, each in gathered.items()
                if each.strays
            ),
            *stream_problems(streams, layout, limits),
            *frozen_problems(arrays, layout),
            *label_problems(source.actions, last_s),
            *unlabelled_problems(source.actions, source.complete, last_s),
        ],
    )


def _with_derived(
    brought: Mapping[str, Stamped], signals: Mapping[str, GatheredSignal], derived: DerivedSignals
) -> Iterator[tuple[str, Stamped]]:
    """The signals that a batch has brought, and what is derived from them."""
    for name, (stamps, values) in brought.items():
        yield name, (stamps, values)
        yield from derived.add(name, stamps, signals[name].usable(values)).items()


def layout_of(topics: TopicMap) -> SensorLayout:
    """All that a deployment has topics for: signals have fields, or are called like a preset.

    Raises M2R2Error for a name that was almost certainly meant to be one, and for a signal of which
    the file does not say how many numbers it is.
    """
    names = sorted(topics.topics, key=_place)
    signals = [name for name in names if preset_of(name) or topics.input(name).fields]
    cameras = tuple(name for name in names if name != AUDIO and name not in signals)
    for name in cameras:
        if near := likely_slip(name, (AUDIO, *PRESETS)):
            raise M2R2Error(f"unknown modality '{name}' in topics{near}")
    entries = {name: _entry(name, topics.input(name)) for name in signals}
    return SensorLayout(cameras, AUDIO in topics.topics, entries)


def _entry(name: str, said: SensorInput) -> dict[str, Any]:
    preset = preset_of(name)
    if preset and PRESETS[preset].width:
        return {}
    if said.width is None:
        raise M2R2Error(
            f"'{name}' may be any number of columns: name them in the robot file, as "
            f"`signals.{name}.fields: ['data[0:16]']`, or give a layout"
        )
    columns = [path.steps[-1].name for path in said.paths()]
    named = all(columns) and len({*columns}) == said.width
    return {"width": said.width} | ({"columns": columns} if named else {})


def _place(name: str) -> int:
    """Presets in their own order, as they stand in a layout that names none."""
    return list(PRESETS).index(preset_of(name)) if preset_of(name) else -1


def _action_entry(action: Action, vocabulary: Vocabulary) -> dict[str, Any]:
    label = label_from_text(action.text)
    activity, name = vocabulary.action_of(label), vocabulary.object_of(label)
    (entry,), skills = _spans([action]), _spans(action.low_level)
    return {**entry, "action": activity, "object": name, "low_level": skills}


def _spans(spans: Iterable[Action | LowLevelSkill]) -> list[dict[str, Any]]:
    return [
        {
            "label": label_from_text(span.text),
            "start": span.start_s,
            "end": span.end_s,
            "success": span.success,
        }
        for span in spans
    ]
