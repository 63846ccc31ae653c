# SPDX-License-Identifier: Apache-2.0
"""Labels of recordings become files of other tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from m2r2_ros.datasets.bag_files import is_bag_folder
from m2r2_ros.datasets.labels_file import LABELS_SUFFIX, find_labels, read_labels
from m2r2_ros.datasets.recording_labels import RecordingLabels
from m2r2_ros.datasets.source import is_recording, open_source
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error, nearest_path
from m2r2_ros.label_formats.label_format import SOURCE, FormatOptions, LabelFormat
from m2r2_ros.label_formats.label_track import LabelTrack, track_of
from m2r2_ros.label_formats.recording_times import labels_inside, recording_name, recording_times
from m2r2_ros.label_formats.texts import naming


@dataclass(frozen=True)
class LabelExport:
    """Labels of recordings on their way to a form; `problems` is what there is to say, a line each.

    originals  the recordings by name, as far as they are there.
    """

    tracks: list[LabelTrack]
    originals: dict[str, Path]
    problems: list[str]

    @classmethod
    def read(cls, files: Sequence[Path], form: LabelFormat, topics: TopicMap) -> LabelExport:
        """Of labels files and recordings. Raises M2R2Error."""
        export = cls([], {}, [])
        for file in files:
            export._add(file, form, topics)
        return export

    def write(self, out: Path, form: LabelFormat, options: FormatOptions) -> list[Path]:
        """Write one file or folder for all, or one each; returns what was written.

        What the form has no place for is added to `problems`. Raises M2R2Error.
        """
        if is_bag_folder(out):
            raise M2R2Error(f"{out}: is a bag, which is not written to: name another --out")
        if out.name.endswith(LABELS_SUFFIX):
            raise M2R2Error(f"{out}: a recording's own labels are called so: name another --out")
        options = replace(options, originals=self.originals)
        targets = [(out, self.tracks)]
        if not form.shared and (out.suffix != form.suffix or len(self.tracks) > 1):
            targets = [(out / f"{track.name}{form.suffix}", [track]) for track in self.tracks]
        for path, _ in targets:
            if form.suffix and path.exists() and not options.overwrite:
                raise M2R2Error(f"{path} is there already: give --overwrite")
        for path, tracks in targets:
            self._write(path, tracks, form, options)
        return [path for path, _ in targets]

    def _write(
        self, path: Path, tracks: list[LabelTrack], form: LabelFormat, options: FormatOptions
    ) -> None:
        kept = tracks if SOURCE in form.holds else [track.confirmed() for track in tracks]
        with naming(path):
            lines = form.write(path, kept, options)
        self.problems.extend(f"{path}: {line}" for line in lines)
        for track in tracks:
            if lost := form.losses(track, options):
                self.problems.append(f"{track.name}: has no place for {', '.join(lost)}")

    def _add(self, file: Path, form: LabelFormat, topics: TopicMap) -> None:
        recording = file.with_name(file.name.removesuffix(LABELS_SUFFIX))
        is_there = is_recording(recording)
        if not file.exists():
            raise M2R2Error(f"{file}: no such file or folder{nearest_path(file)}")
        if recording == file and not is_there:
            raise M2R2Error(f"{file}: neither a recording nor a {LABELS_SUFFIX} file")
        labels = _labels(file, recording, topics)
        name = recording_name(recording)
        if any(track.name == name for track in self.tracks):
            raise M2R2Error(f"{file}: labels of another '{name}' are given, too")
        track = track_of(name, labels)
        if is_there:
            self.originals[name] = recording
            times = recording_times(recording, topics)
            track = track_of(name, labels, times.end_ns)
            track = _from(times.first_ns, track) if form.from_first_message else track
        elif form.from_first_message:
            self.problems.append(
                f"{name}: {recording} is not there: counted from its labels' epoch"
            )
        self.tracks.append(track)


def _labels(file: Path, recording: Path, topics: TopicMap) -> RecordingLabels:
    if file != recording:
        return read_labels(file)
    beside = find_labels(recording)
    if beside is not None:
        return beside
    with open_source(recording, topics) as source:
        return labels_inside(source, recording)


def _from(zero_ns: int, track: LabelTrack) -> LabelTrack:
    """The same counted from another stamp."""
    shift_ns = (track.epoch_ns or 0) - zero_ns
    spans = tuple(span.moved(shift_ns) for span in track.spans)
    return replace(track, spans=spans, epoch_ns=zero_ns, end_ns=track.end_ns + shift_ns)
