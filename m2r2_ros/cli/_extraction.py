# SPDX-License-Identifier: Apache-2.0
"""Features of many recordings: one job each, and a record of what they were made with."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from m2r2_ros import __version__
from m2r2_ros.cli._deployment import Deployment
from m2r2_ros.cli._offline import watched_windows
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.mstcn import frame_labels, write_recording_features
from m2r2_ros.datasets.source import BAG_SUFFIXES, open_source
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder

RECORD_FILE = "extraction.json"
_FILE_SUFFIXES = (".h5", ".hdf5", *BAG_SUFFIXES)


@dataclass(frozen=True)
class Job:
    """One recording to extract. A process can be handed it, so it holds paths only."""

    recording: Path
    encoder: Path
    out: Path
    config: Path | None
    require_gpu: bool

    @property
    def name(self) -> str:
        return recording_name(self.recording)


@dataclass(frozen=True)
class Result:
    """`labelled`: whether ground truth was written. `error`: why nothing was, else ""."""

    job: Job
    frames: int = 0
    labelled: bool = False
    problems: list[str] = field(default_factory=list)
    error: str = ""


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """Recordings as given; a folder that is no bag stands for the recordings in it.

    Raises M2R2Error when a folder holds none, or two recordings have the same name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        inside = sorted(filter(_is_recording, path.iterdir())) if _is_plain_folder(path) else [path]
        if not inside:
            raise M2R2Error(f"{path}: holds no recording (.h5 or bag)")
        for recording in inside:
            name = recording_name(recording)
            if found.setdefault(name, recording) != recording:
                raise M2R2Error(f"{found[name]} and {recording} have the same name")
    return list(found.values())


def recording_name(path: Path) -> str:
    """A file's name without its ending, a bag folder's as it is."""
    return path.stem if path.suffix in _FILE_SUFFIXES else path.name


def _is_recording(path: Path) -> bool:
    is_bag = path.is_dir() and not _is_plain_folder(path)
    return is_bag or (path.is_file() and path.suffix in _FILE_SUFFIXES)


def _is_plain_folder(path: Path) -> bool:
    names = {"metadata.yaml", *(f"*{suffix}" for suffix in BAG_SUFFIXES)}
    return path.is_dir() and not any(next(path.glob(name), None) for name in names)


def run_jobs(jobs: list[Job], workers: int) -> Iterator[Result]:
    """Results as they come. One worker shows each recording's progress, several all recordings'."""
    if workers == 1:
        yield from map(extract, jobs)
        return
    context = multiprocessing.get_context("spawn")
    # Ctrl-C reaches the workers too; they are to die of it without a traceback each.
    reset = (signal.SIGINT, signal.SIG_DFL)
    with ProcessPoolExecutor(workers, context, signal.signal, reset) as pool:
        futures = [pool.submit(extract, job, False) for job in jobs]
        try:
            for future in tqdm(as_completed(futures), "extracting", len(jobs), disable=None):
                yield future.result()
        except BrokenProcessPool as error:
            raise M2R2Error("a worker was killed (out of memory?): try fewer --workers") from error
        finally:
            pool.shutdown(cancel_futures=True)


def extract(job: Job, show_progress: bool = True) -> Result:
    """Features and labels of one recording, a frame for each window, written in the layout.

    A window's label is that of its middle. A recording that cannot be read is an `error`.
    """
    encoder, deployment = _open_encoder(job.encoder, job.require_gpu), Deployment.load(job.config)
    try:
        with open_source(job.recording, deployment.topics) as source:
            features, middles_ns = [], []
            for window in watched_windows(source, encoder.layout, deployment, show_progress):
                features.append(encoder(window))
                middles_ns.append((window.start_ns + window.end_ns) // 2)
            if not features:
                raise M2R2Error(f"{job.recording}: too short, it gives no window")
            labels = None
            if source.actions is not None:
                times_s = (np.array(middles_ns) - source.start_ns) / 1e9
                labels = frame_labels(source.actions, times_s)
            write_recording_features(job.out, job.name, np.stack(features), labels)
            return Result(job, len(features), labels is not None, list(source.problems))
    except M2R2Error as error:
        return Result(job, error=str(error))


@lru_cache(maxsize=1)
def _open_encoder(path: Path, require_gpu: bool) -> Encoder:
    return Encoder(path, require_gpu)


class ExtractionRecord:
    """`extraction.json`: what the features of a folder were made with, and from.

    Raises M2R2Error when the folder's features were made in another way.
    """

    def __init__(self, folder: Path, encoder: Encoder, deployment: Deployment) -> None:
        self._path = folder / RECORD_FILE
        self._made_with = _made_with(encoder, deployment)
        self._recordings: dict[str, Any] = {}
        if self._path.exists():
            self._recordings = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            stored = json.loads(self._path.read_text("utf-8"))
            made_with, recordings = stored["made_with"], stored["recordings"]
            differing = [k for k, v in self._made_with.items() if made_with.get(k) != v]
            complete = all(isinstance(entry, dict) for entry in recordings.values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise M2R2Error(f"{self._path}: cannot be read: choose another --out") from error
        if differing or not complete:
            raise M2R2Error(
                f"{self._path}: these features were made with another {', '.join(differing)}: "
                "choose another --out"
            )
        return recordings

    def has(self, job: Job) -> bool:
        """Whether this very recording was extracted, and its files are still there."""
        entry = self._recordings.get(job.name)
        files = [job.out / "features" / f"{job.name}.npy"]
        if self.is_labelled(job.name):
            files.append(job.out / "groundTruth" / f"{job.name}.txt")
        same = entry is not None and entry.get("source") == _fingerprint(job.recording)
        return same and all(file.is_file() for file in files)

    def is_labelled(self, name: str) -> bool:
        """Whether the recording is there, with ground truth."""
        return bool(self._recordings.get(name, {}).get("labelled"))

    def add(self, result: Result) -> None:
        """Note a finished recording; the file is complete at any time."""
        self._recordings[result.job.name] = {
            "source": _fingerprint(result.job.recording),
            "frames": result.frames,
            "labelled": result.labelled,
            "problems": result.problems,
        }
        content = {"made_with": self._made_with, "recordings": self._recordings}
        with partial_file(self._path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _made_with(encoder: Encoder, deployment: Deployment) -> dict[str, Any]:
    topics = deployment.topics
    made_with = {
        "version": __version__,
        "encoder_sha256": encoder.sha256,
        "provider": encoder.providers[0],
        "layout": encoder.layout.to_dict(),
        "topics": dict(topics.topics),
        "gripper_joints": topics.gripper_joints,
        "reference_camera": topics.reference_camera,
        "limits": asdict(deployment.limits),
    }
    # As it will be read back, so that it can be compared with it.
    return json.loads(json.dumps(made_with))


def _fingerprint(recording: Path) -> dict[str, Any]:
    """Changes when the recording does; cheaper than a hash of gigabytes."""
    files = [recording] if recording.is_file() else filter(Path.is_file, recording.glob("*"))
    states = [file.stat() for file in files]
    return {
        "bytes": sum(state.st_size for state in states),
        "modified_ns": max((state.st_mtime_ns for state in states), default=0),
    }
