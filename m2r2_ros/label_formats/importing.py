# SPDX-License-Identifier: Apache-2.0
"""Labels of other tools become labels beside recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from m2r2_ros.datasets.labels_file import labels_path, write_labels
from m2r2_ros.datasets.recording_labels import RecordingLabels
from m2r2_ros.datasets.source import is_recording
from m2r2_ros.datasets.stated_vocabulary import check_labels, vocabulary_beside
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.label_formats.label_format import FormatOptions, LabelFormat
from m2r2_ros.label_formats.label_track import NS, LabelTrack, labels_of
from m2r2_ros.label_formats.recording_times import (
    RecordingTimes,
    recording_name,
    recording_times,
)
from m2r2_ros.label_formats.texts import naming

# The last frame lasts, and so may its label.
_LEEWAY_NS = NS


@dataclass(frozen=True)
class Imported:
    """Labels that are to be written to `path`; `problems` is what there is to say of them."""

    path: Path
    labels: RecordingLabels
    problems: list[str]

    def write(self) -> None:
        write_labels(self.path, self.labels)


@dataclass(frozen=True)
class LabelImport:
    """How files are imported.

    recording  the one that they are of, or a folder in which recordings have their names; None
               for those beside each file.
    out        folder for the labels files; None for beside the recordings.
    """

    form: LabelFormat
    options: FormatOptions
    topics: TopicMap
    recording: Path | None = None
    out: Path | None = None
    overwrite: bool = False

    def read(self, files: Sequence[Path]) -> list[Imported]:
        """All of them, checked, before anything is written. Raises M2R2Error."""
        found: dict[Path, Path] = {}
        imported = []
        for file in files:
            for one in self._of_file(file):
                if one.path in found:
                    raise M2R2Error(f"{found[one.path]} and {file} are both of {one.path}")
                found[one.path] = file
                imported.append(one)
        return imported

    def _of_file(self, file: Path) -> Iterator[Imported]:
        with naming(file):
            tracks = self.form.read(file, self.options)
        if not tracks:
            raise M2R2Error(f"{file}: names no recording: there is nothing to import")
        if len(tracks) > 1 and self.recording is not None and is_recording(self.recording):
            raise M2R2Error(f"{file}: is of {len(tracks)} recordings: --recording takes a folder")
        for track in tracks:
            recording = self._recording(file, track)
            with naming(file):
                yield self._place(recording, track)

    def _recording(self, file: Path, track: LabelTrack) -> Path:
        if self.recording is not None and is_recording(self.recording):
            return self.recording
        if is_recording(file):
            return file
        name, folder = track.name or file.stem, self.recording or file.parent
        if not folder.is_dir():
            raise M2R2Error(f"{folder}: neither a recording nor a folder of recordings")
        if Path(name).name != name or not name.isprintable():
            raise M2R2Error(f"{file}: {brief(name)} is no name of a recording")
        found = sorted(
            path for path in folder.iterdir() if recording_name(path) == name and is_recording(path)
        )
        if len(found) != 1:
            what = " and ".join(map(str, found)) or "no recording"
            raise M2R2Error(f"{file}: {what} in {folder} is called '{name}': give --recording")
        return found[0]

    def _place(self, recording: Path, track: LabelTrack) -> Imported:
        times = recording_times(recording, self.topics)
        zero_ns = times.first_ns if self.form.from_first_message else times.zero_ns
        if track.epoch_ns is not None:
            zero_ns = track.epoch_ns
        labels, problems = labels_of(track, zero_ns)
        problems += self._doubts(track, recording, times)
        _check_times(labels, times, recording)
        # The stamps stay what they are.
        labels = replace(labels, epoch_ns=times.zero_ns)
        beside = vocabulary_beside(recording)
        path = labels_path(recording)
        if beside is not None:
            check_labels(labels, path, beside)
            labels = replace(labels, vocabulary=beside.vocabulary)
        if self.out is not None:
            path = self.out / path.name
        if path.exists() and not self.overwrite:
            raise M2R2Error(f"{path} is there already: give --overwrite")
        return Imported(path, labels, problems)

    def _doubts(self, track: LabelTrack, recording: Path, times: RecordingTimes) -> list[str]:
        """What was taken for granted."""
        doubts = []
        if track.name and track.name != recording_name(recording):
            doubts.append(f"the file calls it {brief(track.name)}, taken for {recording}")
        is_counted = track.epoch_ns is None and not self.form.from_first_message
        if is_counted and times.is_guessed:
            doubts.append(
                "no topic of --config is in the recording: times count from its first message"
            )
        return doubts


def _check_times(labels: RecordingLabels, times: RecordingTimes, recording: Path) -> None:
    first_ns, last_ns = times.start_ns - _LEEWAY_NS, times.end_ns + _LEEWAY_NS
    outside = [
        label for label in labels.labels if label.start_ns < first_ns or label.end_ns > last_ns
    ]
    if outside:
        first = outside[0]
        start_s, end_s = ((t - times.zero_ns) / NS for t in (first.start_ns, first.end_ns))
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        length_s = (times.end_ns - times.start_ns) / NS
        raise M2R2Error(
            f"'{first.label}' from {start_s:.3f} s to {end_s:.3f} s{more} lie outside "
            f"{recording}, which lasts {length_s:.1f} s: is it of another recording?"
        )
