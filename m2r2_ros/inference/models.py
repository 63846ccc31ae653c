# SPDX-License-Identifier: Apache-2.0
"""A models folder: an encoder and the head that was trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.pipeline import SegmentationPipeline
from m2r2_ros.inference.tracker import SegmentTracker, TrackerConfig

ENCODER_FILE = "encoder.onnx"
HEAD_FILE = "head.onnx"


@dataclass(frozen=True)
class Models:
    """Both graphs, opened, checked and known to belong together."""

    encoder: Encoder
    head: StreamingHead

    @classmethod
    def load(cls, folder: str | Path, require_gpu: bool = False) -> Models:
        """Open `encoder.onnx` and `head.onnx`. Raises M2R2Error that names what is wrong."""
        folder = Path(folder)
        if not folder.is_dir():
            raise M2R2Error(f"{folder}: no such models folder")
        for name in (ENCODER_FILE, HEAD_FILE):
            if not (folder / name).is_file():
                raise M2R2Error(f"{folder}: this models folder has no {name}")
        head = StreamingHead(folder / HEAD_FILE)
        models = cls(Encoder(folder / ENCODER_FILE, require_gpu), head)
        head.check_encoder(models.encoder)
        return models

    def pipeline(self, config: TrackerConfig | None = None) -> SegmentationPipeline:
        """The whole chain at the start of a sequence; the head's own tracker by default."""
        tracker = SegmentTracker(self.head.labels, config or self.head.metadata.tracker)
        return SegmentationPipeline(self.encoder, self.head, tracker)
