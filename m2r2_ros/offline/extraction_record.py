# SPDX-License-Identifier: Apache-2.0
"""`extraction.json`: what the features of a folder were made with, and from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m2r2_ros import __version__
from m2r2_ros.datasets.frame_rate import same_rate
from m2r2_ros.datasets.mstcn import FeatureFolder, write_recording_features
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.extraction import ExtractionJob, ExtractionResult
from m2r2_ros.offline.work_record import WorkRecord, fingerprint
from m2r2_ros.vocabulary import Vocabulary

RECORD_FILE = "extraction.json"
# Records from before there was a choice do not name these.
_BEFORE = {"batch": 1, "signals": {}}


class ExtractionRecord(WorkRecord):
    """A folder of features with its record.

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
        made_with = _made_with(encoder, provider, batch, deployment, vocabulary)
        super().__init__(folder / RECORD_FILE, made_with, _BEFORE, "choose another --out")

    def has(self, job: ExtractionJob) -> bool:
        """Whether this very recording was extracted, and its files are still there."""
        entry = self.recordings.get(job.name)
        files = [self._folder / "features" / f"{job.name}.npy"]
        if self.is_labelled(job.name):
            files.append(self._folder / "groundTruth" / f"{job.name}.txt")
        if entry is not None and entry.get("judged"):
            files.append(self._folder / "outcomes" / f"{job.name}.txt")
        same = entry is not None and entry.get("source") == fingerprint(job.recording)
        return same and all(file.is_file() for file in files)

    def is_labelled(self, name: str) -> bool:
        """Whether the recording is there, with ground truth."""
        return bool(self.recordings.get(name, {}).get("labelled"))

    def add(self, result: ExtractionResult) -> None:
        """Write a finished recording and note it; every file is complete at any time."""
        write_recording_features(
            self._folder,
            result.job.name,
            result.features,
            result.labels,
            result.stamps_ns,
            result.outcomes,
        )
        entry = {
            "source": fingerprint(result.job.recording),
            "frames": len(result.features),
            "labelled": result.labels is not None,
            "judged": result.outcomes is not None,
            "problems": result.problems,
        }
        self.note(result.job.name, entry)


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
    return {
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
