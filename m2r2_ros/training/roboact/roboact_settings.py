# SPDX-License-Identifier: Apache-2.0
"""Settings of `m2r2 pretrain --encoder roboact`."""

from __future__ import annotations

from dataclasses import dataclass, field

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.networks.roboact.config import RoboActConfig
from m2r2_ros.networks.roboact.frames import COMPACT
from m2r2_ros.training.settings import OptimiserSettings


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses; the paper names them and gives no values."""

    # lambda_ortho and lambda_recomb of (20).
    ortho: float = 0.1
    recombination: float = 1.0
    # alpha of (22).
    subject: float = 1.0
    object: float = 1.0
    action: float = 1.0
    # lambda_disent and lambda_aux of (24).
    disentanglement: float = 1.0
    auxiliary: float = 1.0


@dataclass(frozen=True)
class RoboActSettings:
    """`m2r2 pretrain --encoder roboact`."""

    # Of everything that training draws at random.
    seed: int = 0
    # Names the data in the exported model's metadata; empty: the videos' names.
    training_data: str = ""
    # The frozen encoders of frames and texts: a local folder or hub id of a `transformers` CLIP.
    # "compact": EfficientNet-Lite0 and all-MiniLM-L6-v2, from packages, with no download.
    clip: str = COMPACT
    # Cameras of recordings; each one's view of an action is a clip of its own.
    cameras: tuple[str, ...] = REASSEMBLE_LAYOUT.cameras
    # Embedded frames a second.
    frame_rate_hz: float = 10.0
    model: RoboActConfig = field(default_factory=RoboActConfig)
    optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(epochs=60, batch_size=64, learning_rate=1e-3)
    )
    weights: LossWeights = field(default_factory=LossWeights)
    # tau of (19) and (23).
    temperature: float = 0.07
    # Setting_Step of (16): steps between two updates of the banks.
    bank_interval: int = 1
    # |M| of (19), triplets drawn in a step.
    triplets: int = 64
    # In training a clip begins and ends off its borders by up to this part of its length.
    jitter: float = 0.1
    # "tighten cap": pairs of action and object kept out of training, to see what recombines.
    held_out_pairs: tuple[str, ...] = ()
    # Part of the videos that are kept for validation.
    validation: float = 0.15
    # Their names without ending, instead of a part.
    validation_recordings: tuple[str, ...] = ()
