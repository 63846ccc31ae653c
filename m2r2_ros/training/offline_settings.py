# SPDX-License-Identifier: Apache-2.0
"""Settings of the offline heads: the papers' figures, in the form of `settings.py`."""

from __future__ import annotations

from dataclasses import dataclass, field

from m2r2_ros.networks.heads.asrf import AsrfConfig
from m2r2_ros.networks.heads.diffact import DiffActConfig
from m2r2_ros.networks.heads.ms_tcn import MsTcnConfig
from m2r2_ros.training.settings import OptimiserSettings


@dataclass(frozen=True)
class OfflineSettings:
    """What all offline heads have in common."""

    seed: int = 0
    # Of the optimiser, batch_size sequences have their mean loss make a step.
    optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(
            epochs=50, batch_size=1, learning_rate=5e-4, weight_decay=1e-4
        )
    )
    # Weigh the cross entropy by how rare the classes are.
    class_weights: bool = False
    # Part of the training recordings that are kept for validation.
    validation: float = 0.15
    # Their names, instead of a part: best those that the encoder was not trained on.
    validation_recordings: tuple[str, ...] = ()


@dataclass(frozen=True)
class MsTcnSettings(OfflineSettings):
    """`m2r2 train --head mstcn`: MS-TCN, IV."""

    model: MsTcnConfig = field(default_factory=MsTcnConfig)
    # lambda of equation (12).
    smoothing_weight: float = 0.15


@dataclass(frozen=True)
class AsrfSettings(OfflineSettings):
    """`m2r2 train --head asrf`: ASRF, 3.3 and 4.1, but without class weights.

    The paper weighs the classes by median frequency. With 69 of them in some thirty recordings the
    later stages then learn much later: after six epochs the fourth knew 20 % of the training
    frames, without the weights 50 %. `class_weights: true` brings them back.
    """

    model: AsrfConfig = field(default_factory=AsrfConfig)
    # Of the similarity-weighted smoothing; the paper adds it as it is.
    smoothing_weight: float = 1.0
    # lambda of the boundary branch.
    boundary_weight: float = 0.1


@dataclass(frozen=True)
class DiffActSettings(OfflineSettings):
    """`m2r2 train --head diffact`: DiffAct as M2R2's authors configure it."""

    optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(
            epochs=200, batch_size=4, learning_rate=5e-4, weight_decay=1e-6
        )
    )
    model: DiffActConfig = field(default_factory=DiffActConfig)
    # What of the conditions a training step hides, each as probable as it is often here
    # (`hidden_frames`); the paper's N, P, B and R.
    masks: tuple[str, ...] = ("nothing", "everything", "boundaries", "actions", "actions")
    # Actions that are drawn to be hidden; two draws may fall on the same one.
    hidden_actions: int = 2
    # Standard deviation of the labels' Gaussian along time, in frames, and of the boundaries'.
    label_sigma: float = 1.4
    boundary_sigma: float = 1.0
    # Of both the encoder's and the decoder's cross entropy and smoothing.
    cross_entropy_weight: float = 0.5
    smoothing_weight: float = 0.1
    # Of the decoder's boundary alignment.
    boundary_weight: float = 0.1
