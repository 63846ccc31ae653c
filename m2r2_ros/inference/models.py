# SPDX-License-Identifier: Apache-2.0
"""A models folder: an encoder and the head for its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from m2r2_ros.errors import M2R2Error, nearest_path
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.metadata import RoboActMetadata
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.inference.pipeline import SegmentationPipeline
from m2r2_ros.inference.roboact_encoder import RoboActEncoder
from m2r2_ros.inference.session import TensorRt
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.inference.zero_shot import ZeroShotHead

ENCODER_FILE = "encoder.onnx"
HEAD_FILE = "head.onnx"
CARD_FILE = "model_card.md"


def open_encoder(
    path: str | Path,
    require_gpu: bool = False,
    tensorrt: TensorRt | None = None,
    graphs: bool = False,
) -> Encoder | RoboActEncoder:
    """Open an `encoder.onnx` of either kind, as its metadata says. Raises M2R2Error.

    `tensorrt` and `graphs` are for M2R2's encoder; a RoboAct one runs on CUDA or the CPU.
    """
    if isinstance(read_encoder_metadata(path), RoboActMetadata):
        return RoboActEncoder(path, require_gpu)
    return Encoder(path, require_gpu, tensorrt, graphs)


def open_head(folder: Path, actions: Sequence[str] = ()) -> StreamingHead | ZeroShotHead:
    """The folder's trained head, or with `actions` their recognition by their texts.

    Raises M2R2Error when there is no head and no action is named, or actions are named and the
    folder's encoder cannot compare videos with texts.
    """
    if not actions:
        return StreamingHead(folder / HEAD_FILE)
    metadata = read_encoder_metadata(folder / ENCODER_FILE)
    if not isinstance(metadata, RoboActMetadata) or metadata.image_token:
        raise M2R2Error(f"{folder}: actions can be named for a RoboAct encoder only")
    sha256 = read_model(folder / ENCODER_FILE).sha256
    return ZeroShotHead(metadata, sha256, folder, actions)


@dataclass(frozen=True)
class Models:
    """Both graphs, opened, checked and known to belong together."""

    encoder: Encoder | RoboActEncoder
    head: StreamingHead | ZeroShotHead

    @classmethod
    def load(
        cls, folder: str | Path, require_gpu: bool = False, actions: Sequence[str] = ()
    ) -> Models:
        """Open `encoder.onnx` and `head.onnx`; with `actions` there need be no head.

        Raises M2R2Error that names the fault.
        """
        folder = Path(folder)
        if folder.is_file():
            raise M2R2Error(f"{folder}: is a file: give the models folder that it lies in")
        if not folder.is_dir():
            raise M2R2Error(f"{folder}: no such models folder{nearest_path(folder)}")
        for name in (ENCODER_FILE,) if actions else (ENCODER_FILE, HEAD_FILE):
            if not (folder / name).is_file():
                raise M2R2Error(f"{folder}: this models folder has no {name}")
        head = open_head(folder, actions)
        models = cls(open_encoder(folder / ENCODER_FILE, require_gpu), head)
        head.check_encoder(models.encoder)
        return models

    def pipeline(self, config: TrackerConfig | None = None) -> SegmentationPipeline:
        """The whole chain at the start of a sequence; the head's own tracker by default."""
        if isinstance(self.encoder, RoboActEncoder):
            self.encoder.reset()
        tracker = self.head.metadata.new_tracker(config)
        return SegmentationPipeline(self.encoder, self.head, tracker)
