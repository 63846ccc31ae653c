# SPDX-License-Identifier: Apache-2.0
"""Features of many recordings: one job each, here, in processes, or on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.bag_files import is_bag_folder
from m2r2_ros.datasets.frame_outcomes import frame_outcomes
from m2r2_ros.datasets.mstcn import check_name, frame_labels
from m2r2_ros.datasets.recording_source import RecordingSource, gap_label
from m2r2_ros.datasets.source import RECORDING_SUFFIXES, is_recording, open_source
from m2r2_ros.datasets.stated_vocabulary import StatedVocabulary
from m2r2_ros.errors import M2R2Error, brief, nearest_name, nearest_path
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.models import open_encoder
from m2r2_ros.inference.roboact_encoder import RoboActEncoder
from m2r2_ros.labels import NO_CLASS, label_from_text
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import watched_windows
from m2r2_ros.parallel.read_ahead import read_ahead
from m2r2_ros.parallel.spread import ALONE, Done, Workers, spread
from m2r2_ros.sensing.window import SensorWindow
from m2r2_ros.vocabulary import UNLABELLED

# A reader that is further ahead than this only takes memory.
_READ_AHEAD_WINDOWS = 32


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder as any process or machine opens it; there it must be this very one.

    sha256    of the file.
    provider  the execution provider that it must run on: another one rounds differently.
    batch     windows a pass. 1 gives the bits of the nodes; others agree up to rounding.
    """

    path: Path
    sha256: str
    provider: str
    require_gpu: bool = False
    batch: int = 1

    def open(self) -> Encoder | RoboActEncoder:
        """Open it, once a process. Raises M2R2Error when it is not the one that was chosen."""
        encoder = _open_encoder(self.path, self.require_gpu)
        if encoder.sha256 != self.sha256:
            raise M2R2Error(f"{self.path}: is not the encoder that the command was given")
        self.check_provider(encoder)
        return encoder

    def check_provider(self, encoder: Encoder | RoboActEncoder) -> None:
        """Raise M2R2Error when it runs on another provider, perhaps since a GPU failed."""
        if encoder.providers[0] != self.provider:
            raise M2R2Error(
                f"{self.path}: runs on {encoder.providers[0]} here, on {self.provider} elsewhere: "
                "the features would differ (--require-gpu asks for GPUs)"
            )


@dataclass(frozen=True)
class ExtractionJob:
    """One recording to extract. It goes to other processes and machines, so it holds paths."""

    recording: Path
    encoder: EncoderChoice
    config: Path | None = None
    # What the labels mean, where a file states it.
    stated: StatedVocabulary | None = None

    @property
    def name(self) -> str:
        return recording_name(self.recording)


@dataclass(frozen=True)
class ExtractionResult:
    """Features float32 (T, D), and T labels where the recording has any.

    `stamps_ns`, int64 (T,), are the frames' ends; None where the clock steps back. `outcomes` are
    what came of the actions, T of "success", "failure" and "unknown"; None where nobody said any.
    """

    job: ExtractionJob
    features: np.ndarray
    stamps_ns: np.ndarray | None = None
    labels: list[str] | None = None
    outcomes: list[str] | None = None
    problems: list[str] = field(default_factory=list)


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """Recordings as given; a folder that is no bag stands for the recordings in it.

    Where it holds none, for those in its folders, which are groups (`datasets/groups.py`).
    Raises M2R2Error when one is not there, a folder holds none, or two have the same name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise M2R2Error(f"{path}: no such file or folder{nearest_path(path)}")
        inside = _recordings_in(path) if is_plain_folder(path) else [path]
        if not inside:
            raise M2R2Error(f"{path}: holds no recording (.h5 or bag)")
        for recording in inside:
            name = recording_name(recording)
            if found.setdefault(name, recording) != recording:
                raise M2R2Error(f"{found[name]} and {recording} have the same name")
    return list(found.values())


def recording_name(path: Path) -> str:
    """A file's name without its ending, a bag folder's as it is."""
    return path.stem if path.suffix in RECORDING_SUFFIXES else path.name


def overlooked_recordings(folder: Path) -> list[Path]:
    """What `find_recordings` leaves: in folders of a folder that holds recordings itself."""
    if not is_plain_folder(folder) or not any(map(is_recording, folder.iterdir())):
        return []
    return _recordings_below(folder)


def _recordings_in(folder: Path) -> list[Path]:
    return sorted(filter(is_recording, folder.iterdir())) or _recordings_below(folder)


def _recordings_below(folder: Path) -> list[Path]:
    groups = filter(is_plain_folder, folder.iterdir())
    return sorted(each for group in groups for each in group.iterdir() if is_recording(each))


def is_plain_folder(path: Path) -> bool:
    """Whether it is a folder and no bag."""
    return path.is_dir() and not is_bag_folder(path)


def run_jobs(
    jobs: list[ExtractionJob], workers: Workers = ALONE, already: int = 0
) -> Iterator[Done[ExtractionJob, ExtractionResult]]:
    """Results as they come; `already` recordings of the whole are there."""
    gpus = int(bool(jobs) and jobs[0].encoder.require_gpu)
    return spread(extract, jobs, workers, "extracting", already=already, gpus=gpus)


def extract(job: ExtractionJob) -> ExtractionResult:
    """Features and labels of one recording, a frame for each window.

    A window's label is that of its middle. Raises M2R2Error when the recording cannot be read.
    """
    check_name(job.name)
    encoder, deployment = job.encoder.open(), Deployment.load(job.config)
    with open_source(job.recording, deployment.topics) as source:
        _check_labels(source, job.stated)
        features, bounds_ns = encode_recording(
            source, encoder, deployment, job.encoder.batch, show_progress=True
        )
        job.encoder.check_provider(encoder)
        labels, problem = _frame_labels(source, bounds_ns)
        outcomes = frame_outcomes(source.actions or (), _middles_s(source, bounds_ns))
        stamps_ns, problems = bounds_ns[:, 1], [*source.problems, *problem]
        if (np.diff(stamps_ns) <= 0).any():
            stamps_ns = None
            problems.append("the clock steps back: scores take its frames as evenly spaced")
        return ExtractionResult(job, features, stamps_ns, labels, outcomes, problems)


def _check_labels(source: RecordingSource, stated: StatedVocabulary | None) -> None:
    """Raise M2R2Error unless the recording's labels are all in what is stated, if anything is."""
    if stated is None:
        return
    vocabulary = source.vocabulary = stated.vocabulary
    labels = {label_from_text(action.text) for action in source.actions or ()}
    for label in sorted(labels.difference(vocabulary.labels, NO_CLASS)):
        near = nearest_name(label, vocabulary.labels)
        raise M2R2Error(f"label {brief(label)} is not in {stated.path}{near}")


def _frame_labels(
    source: RecordingSource, bounds_ns: np.ndarray
) -> tuple[list[str] | None, list[str]]:
    """A label for the middle of each window, None without any, and what is odd about them."""
    if source.actions is None:
        return None, []
    times_s = _middles_s(source, bounds_ns)
    covered = frame_labels(source.actions, times_s)
    unknown = covered.count(UNLABELLED)
    if unknown == len(covered):
        return None, [f"its {len(source.actions)} labels cover none of the {unknown} frames"]
    if (gap := gap_label(source)) != UNLABELLED:
        covered = frame_labels(source.actions, times_s, gap)
        unknown = covered.count(UNLABELLED)
    said = f"{unknown} of {len(covered)} frames are unlabelled: neither trained on nor scored"
    return covered, [said] if unknown else []


def _middles_s(source: RecordingSource, bounds_ns: np.ndarray) -> np.ndarray:
    """Of each window, from the recording's start."""
    return (bounds_ns.sum(axis=1) // 2 - source.start_ns) / 1e9


def encode_recording(
    source: RecordingSource,
    encoder: Encoder | RoboActEncoder,
    deployment: Deployment,
    batch: int = 1,
    show_progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (T, D) of a recording's windows, and their bounds int64 (T, 2) [ns].

    Windows are decoded in a thread of their own while the encoder runs. Only what the encoder's
    layout names is read and decoded. An encoder that carries a state begins anew. Raises M2R2Error
    when there is no window.
    """
    if isinstance(encoder, RoboActEncoder):
        encoder.reset()
    windows = watched_windows(source, encoder.metadata, deployment, show_progress)
    features, bounds_ns = [], []
    with read_ahead(windows, max(_READ_AHEAD_WINDOWS, 2 * batch)) as ahead:
        while some := list(islice(ahead, batch)):
            features.extend(_encode(some, encoder))
            bounds_ns.extend((window.start_ns, window.end_ns) for window in some)
    if not features:
        raise M2R2Error(f"{source.name}: too short, it gives no window")
    return np.stack(features), np.array(bounds_ns, np.int64)


def _encode(windows: list[SensorWindow], encoder: Encoder | RoboActEncoder) -> Iterator[np.ndarray]:
    """Features in as few passes as the sizes of the frames allow."""
    while windows:
        sizes = _sizes(windows[0])
        count = next((i for i, w in enumerate(windows) if not _fit(sizes, _sizes(w))), len(windows))
        some, windows = windows[:count], windows[count:]
        yield from [encoder(some[0])] if count == 1 else encoder.encode_batch(some)


def _sizes(window: SensorWindow) -> dict[str, tuple[int, ...]]:
    return {name: image.shape for name, image in window.images.items()}


def _fit(known: dict[str, tuple[int, ...]], sizes: dict[str, tuple[int, ...]]) -> bool:
    """Whether a window's frames have the sizes of those before; its own are then known too."""
    fits = all(known.get(name, size) == size for name, size in sizes.items())
    known.update(sizes if fits else {})
    return fits


@lru_cache(maxsize=1)
def _open_encoder(path: Path, require_gpu: bool) -> Encoder | RoboActEncoder:
    return open_encoder(path, require_gpu)
