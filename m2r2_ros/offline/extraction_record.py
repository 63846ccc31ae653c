# SPDX-License-Identifier: Apache-2.0
"""`extraction.json`: what the features of a folder were made with, and from."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m2r2_ros import __version__
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.frame_rate import same_rate
from m2r2_ros.datasets.labels_file import labels_digest
from m2r2_ros.datasets.mstcn import FeatureFolder, write_recording_features
from m2r2_ros.errors import M2R2Error, differences
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.extraction import ExtractionJob, ExtractionResult
from m2r2_ros.small_files import open_file
from m2r2_ros.vocabulary import Vocabulary

RECORD_FILE = "extraction.json"
# Between two writings of the record, in times of what the last one took.
_PAUSE = 20.0


class ExtractionRecord:
    """A folder of features with its record, which is whole when the block ends.

    Raises M2R2Error when the folder's features were made in another way.
    """

    def __init__(
        self,
        folder: Path,
        encoder: Encoder,
        provider: str,
        batch: int,
        deployment: Deployment,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self._folder = folder
        self._path = folder / RECORD_FILE
        self._made_with = _made_with(encoder, provider, batch, deployment, vocabulary)
        self._recordings: dict[str, Any] = {}
        self._written_at, self._writing_s, self._is_written = float("-inf"), 0.0, True
        if self._path.exists():
            self._recordings = self._read()

    def __enter__(self) -> ExtractionRecord:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_written:
            self._write()

    def _read(self) -> dict[str, Any]:
        try:
            with open_file(self._path) as file:
                stored = json.load(file)
            # Records from before there was a choice do not name these.
            made_with = {"batch": 1, "signals": {}} | stored["made_with"]
            recordings = stored["recordings"]
            known = {key: made_with.get(key) for key in self._made_with}
            differing = differences(known, self._made_with)
            complete = all(isinstance(entry, dict) for entry in recordings.values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise M2R2Error(f"{self._path}: cannot be read: choose another --out") from error
        if differing or not complete:
            raise M2R2Error(
                f"{self._path}: these features were made with other settings "
                f"({differing or 'some are missing'}): choose another --out"
            )
        return recordings

    def has(self, job: ExtractionJob) -> bool:
        """Whether this very recording was extracted, and its files are still there."""
        entry = self._recordings.get(job.name)
        files = [self._folder / "features" / f"{job.name}.npy"]
        if self.is_labelled(job.name):
            files.append(self._folder / "groundTruth" / f"{job.name}.txt")
        if entry is not None and entry.get("judged"):
            files.append(self._folder / "outcomes" / f"{job.name}.txt")
        same = entry is not None and entry.get("source") == fingerprint(job.recording)
        return same and all(file.is_file() for file in files)

    def is_labelled(self, name: str) -> bool:
        """Whether the recording is there, with ground truth."""
        return bool(self._recordings.get(name, {}).get("labelled"))

    def add(self, result: ExtractionResult) -> None:
        """Write a finished recording and note it; every file is complete at any time.

        The record is written anew for at most a part of the time: it grows with the data set. A
        kill loses the notes of the last recordings, which are then made again.
        """
        write_recording_features(
            self._folder,
            result.job.name,
            result.features,
            result.labels,
            result.stamps_ns,
            result.outcomes,
        )
        self._recordings[result.job.name] = {
            "source": fingerprint(result.job.recording),
            "frames": len(result.features),
            "labelled": result.labels is not None,
            "judged": result.outcomes is not None,
            "problems": result.problems,
        }
        self._is_written = False
        if time.monotonic() - self._written_at >= _PAUSE * self._writing_s:
            self._write()

    def _write(self) -> None:
        began = time.monotonic()
        content = {"made_with": self._made_with, "recordings": self._recordings}
        with partial_file(self._path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        self._written_at = time.monotonic()
        self._writing_s, self._is_written = self._written_at - began, True


def encoder_sha256(folder: Path) -> str:
    """The encoder that a folder's features are of; "" where no record says it."""
    made_with = _recorded(folder)
    if made_with is None:
        return ""
    if "encoder_sha256" not in made_with:
        raise M2R2Error(f"{folder / RECORD_FILE}: cannot be read")
    return str(made_with["encoder_sha256"])


def stated_rate(folder: FeatureFolder) -> float | None:
    """Frames a second of a folder's features; None where neither record nor stamps say it.

    A camera may be slower than the encoder's windows: where they differ, the stamps are right.
    """
    layout, stamps_hz = (_recorded(folder.path) or {}).get("layout"), folder.stamped_rate()
    windows_hz = layout.get("window_rate_hz") if isinstance(layout, dict) else None
    if not isinstance(windows_hz, float) or not windows_hz > 0:
        return stamps_hz
    return windows_hz if stamps_hz is None or same_rate(stamps_hz, windows_hz) else stamps_hz


def _recorded(folder: Path) -> dict[str, Any] | None:
    """What the folder's record says that its features were made with; None without a record."""
    record = folder / RECORD_FILE
    if not record.exists():
        return None
    try:
        return dict(json.loads(record.read_text("utf-8"))["made_with"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise M2R2Error(f"{record}: cannot be read") from error


def _made_with(
    encoder: Encoder,
    provider: str,
    batch: int,
    deployment: Deployment,
    vocabulary: Vocabulary | None,
) -> dict[str, Any]:
    topics = deployment.topics
    made_with = {
        "version": __version__,
        "encoder_sha256": encoder.sha256,
        "provider": provider,
        "batch": batch,
        "layout": encoder.layout.to_dict(),
        "topics": dict(topics.topics),
        "gripper_joints": topics.gripper_joints,
        "reference_camera": topics.reference_camera,
        "signals": {name: each.to_dict() for name, each in topics.signals.items()},
        "limits": asdict(deployment.limits),
        "vocabulary": vocabulary and vocabulary.to_dict(),
    }
    # As it will be read back, so that it can be compared with it.
    return json.loads(json.dumps(made_with))


def fingerprint(recording: Path) -> dict[str, Any]:
    """Changes when the recording does, or its labels; cheaper than a hash of gigabytes."""
    files = [recording] if recording.is_file() else filter(Path.is_file, recording.glob("*"))
    states = [file.stat() for file in files]
    fingerprint = {
        "bytes": sum(state.st_size for state in states),
        "modified_ns": max((state.st_mtime_ns for state in states), default=0),
    }
    digest = labels_digest(recording)
    return fingerprint | ({"labels": digest} if digest else {})
