# SPDX-License-Identifier: Apache-2.0
"""Segments of many recordings: one job each, here, in processes, or on a cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from m2r2_ros import __version__
from m2r2_ros.datasets.recording_source import segments_epoch_ns
from m2r2_ros.datasets.source import open_source
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import HEAD_FILE, Models
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.extraction import recording_name
from m2r2_ros.offline.segmentation import segment_source, write_segments
from m2r2_ros.offline.work_record import WorkRecord, fingerprint
from m2r2_ros.parallel.spread import Done, Workers, spread

RECORD_FILE = "segmentation.json"


@dataclass(frozen=True)
class ModelsChoice:
    """A models folder as any process or machine opens it; there it must hold these very models."""

    folder: Path
    sha256: tuple[str, str]
    require_gpu: bool = False
    config: Path | None = None

    @classmethod
    def of(cls, folder: Path, require_gpu: bool, config: Path | None) -> ModelsChoice:
        """Raises M2R2Error when the models or the parameter file cannot be used."""
        folder, config = folder.absolute(), config and config.absolute()
        models, _ = _open(folder, require_gpu, config)
        return cls(folder, _digests(models, folder), require_gpu, config)

    def open(self) -> tuple[Models, Deployment]:
        """Open them, once a process. Raises M2R2Error when they are not those that were chosen."""
        models, deployment = _open(self.folder, self.require_gpu, self.config)
        if _digests(models, self.folder) != self.sha256:
            raise M2R2Error(f"{self.folder}: holds other models than the command was given")
        return models, deployment

    @property
    def made_with(self) -> dict[str, Any]:
        """What the segments depend on, beside the recording."""
        models, _ = self.open()
        return {
            "version": __version__,
            "models_sha256": list(self.sha256),
            "provider": models.encoder.providers[0],
            "config_sha256": _sha256(self.config),
        }


@dataclass(frozen=True)
class SegmentJob:
    """A recording whose segments go to the file `place`."""

    recording: Path
    place: Path
    models: ModelsChoice

    @property
    def name(self) -> str:
        return recording_name(self.recording)


@dataclass(frozen=True)
class Segmented:
    """How many segments there are, in how many seconds, and what is odd about the recording."""

    segments: int
    recorded_s: float
    problems: list[str]


class SegmentFolder(WorkRecord):
    """A folder with <recording>.json of each. Raises M2R2Error when others made what is there."""

    def __init__(self, folder: Path, models: ModelsChoice) -> None:
        super().__init__(folder / RECORD_FILE, models.made_with, {}, "choose another --json")

    def has(self, job: SegmentJob) -> bool:
        """Whether the segments of this very recording are there."""
        return job.place.is_file() and self.recordings.get(job.name) == fingerprint(job.recording)

    def add(self, job: SegmentJob) -> None:
        """Its segments are written."""
        self.note(job.name, fingerprint(job.recording))


def segment_all(
    jobs: list[SegmentJob], workers: Workers, already: int = 0
) -> Iterator[Done[SegmentJob, Segmented]]:
    """Results as they come; `already` recordings of the whole are there."""
    gpus = int(bool(jobs) and jobs[0].models.require_gpu)
    return spread(segment_recording, jobs, workers, "segmenting", already=already, gpus=gpus)


def segment_recording(job: SegmentJob) -> Segmented:
    """Write a recording's segments. Raises M2R2Error when it cannot be read or gives no window."""
    models, deployment = job.models.open()
    with open_source(job.recording, deployment.topics) as source:
        run = segment_source(source, models, deployment)
        write_segments(job.place, run.events, segments_epoch_ns(source))
        count = sum(event.status == SegmentStatus.ENDED for event in run.events)
        recorded_s = len(run.predictions) * models.encoder.layout.period_ns / 1e9
        return Segmented(count, recorded_s, list(source.problems))


@lru_cache(maxsize=1)
def _open(folder: Path, require_gpu: bool, config: Path | None) -> tuple[Models, Deployment]:
    deployment = Deployment.load(config)
    return Models.load(folder, require_gpu, deployment.actions), deployment


def _sha256(config: Path | None) -> str:
    return hashlib.sha256(config.read_bytes()).hexdigest() if config else ""


def _digests(models: Models, folder: Path) -> tuple[str, str]:
    """Of encoder and head; a head of named actions has no file."""
    head = folder / HEAD_FILE
    return models.encoder.sha256, read_model(head).sha256 if head.is_file() else ""
