# SPDX-License-Identifier: Apache-2.0
"""A RoboAct-CLIP of random weights on a tiny CLIP, and its models folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tiny_clip import write_clip

from m2r2_ros.networks.roboact.config import RoboActConfig
from m2r2_ros.networks.roboact.frames import frame_encoder
from m2r2_ros.training.roboact import roboact_pretraining
from m2r2_ros.training.roboact.roboact_export import export_roboact
from m2r2_ros.training.roboact.roboact_settings import RoboActSettings
from m2r2_ros.training.roboact.sampling import FactorClasses
from m2r2_ros.training.roboact.text_encoder import text_encoder
from m2r2_ros.training.roboact.trained import TrainedRoboAct

# Frames in a window, and how far apart.
FRAMES, STRIDES = 4, (1, 2)
CAMERAS = ("hama1", "hama2")
VOCABULARY = {"subject": ("Robot",), "object": ("bnc", "usb"), "action": ("insert", "pick")}


@dataclass(frozen=True)
class TinyRoboAct:
    """`difference` of the folder's graphs from `trained` in torch."""

    trained: TrainedRoboAct
    folder: Path
    difference: float


def write_roboact(place: Path) -> TinyRoboAct:
    """Write a CLIP, and the models folder of what would be trained on it."""
    clip = write_clip(place / "clip")
    model = RoboActConfig(frames=FRAMES, width=8, layers=1, heads=2)
    settings = RoboActSettings(clip=clip, model=model, cameras=CAMERAS)
    frames, texts = frame_encoder(clip), text_encoder(clip)
    module = roboact_pretraining.build(settings, frames.dimension, texts, FactorClasses(VOCABULARY))
    trained = TrainedRoboAct(module.eval(), frames, texts, "made up")
    folder = place / "models"
    return TinyRoboAct(trained, folder, export_roboact(trained, folder, STRIDES))
