# SPDX-License-Identifier: Apache-2.0
"""The best epoch of a pretraining run, ready to be evaluated or exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.roboact.disentanglement import FACTORS
from m2r2_ros.networks.roboact.frames import FrameEncoder, frame_encoder
from m2r2_ros.networks.roboact.model import VideoBranches
from m2r2_ros.training.roboact.roboact_pretraining import KIND, RoboActPretraining, build
from m2r2_ros.training.roboact.roboact_settings import RoboActSettings
from m2r2_ros.training.roboact.sampling import FactorClasses
from m2r2_ros.training.roboact.text_encoder import text_encoder
from m2r2_ros.training.run import best_weights, read_settings
from m2r2_ros.training.sentence_encoder import SentenceEncoder
from m2r2_ros.training.settings import settings_from_dict


@dataclass(frozen=True)
class TrainedRoboAct:
    """`frames` and `texts` are the frozen encoders, `module` is the part trained on them."""

    module: RoboActPretraining
    frames: FrameEncoder
    texts: SentenceEncoder
    training_data: str

    @property
    def settings(self) -> RoboActSettings:
        """The settings that the run was started with."""
        return self.module.settings


def load_trained(run: Path) -> TrainedRoboAct:
    """Raises M2R2Error when the folder is no such run, has finished no epoch, or the frozen
    encoder that can be had now has other weights than the one of the training."""
    stored, settings = read_run(run)
    try:
        classes = {name: tuple(stored["vocabulary"][name]) for name in FACTORS}
    except (KeyError, TypeError) as error:
        raise M2R2Error(f"{run}: its settings name no vocabulary") from error
    frames = frame_encoder(settings.clip)
    if frames.fingerprint() != stored.get("frame_encoder"):
        raise M2R2Error(
            f"{run}: was trained on another '{settings.clip}' than the one there is now"
        )
    texts = text_encoder(settings.clip)
    module = build(settings, frames.dimension, texts, FactorClasses(classes))
    module.load_state_dict(best_weights(run))
    return TrainedRoboAct(module.eval(), frames, texts, str(stored.get("data", "")))


def read_run(run: Path) -> tuple[dict[str, Any], RoboActSettings]:
    """All that the run was started with, and the settings in it.

    Raises M2R2Error when the folder is no such run.
    """
    stored = read_settings(run)
    if stored.get("kind") != KIND:
        raise M2R2Error(
            f"{run}: no run of `m2r2 pretrain --encoder {KIND}`, but of kind '{stored.get('kind')}'"
        )
    return stored, settings_from_dict(RoboActSettings, stored.get("settings"), str(run))


def load_video_branches(run: Path) -> VideoBranches:
    """The part of a run that makes F_video of frame embeddings; no frozen encoder is opened.

    Raises M2R2Error when the folder is no such run, or has finished no epoch.
    """
    stored, settings = read_run(run)
    branches = VideoBranches(settings.model, int(stored["embedding_dimension"]))
    branches.load_state_dict(best_weights(run, "video."))
    return branches.eval()
