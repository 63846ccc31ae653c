# SPDX-License-Identifier: Apache-2.0
"""Settings of the offline heads: the papers' figures, in the form of `settings.py`."""

from __future__ import annotations

from dataclasses import dataclass, field

from m2r2_ros.networks.heads.asrf import AsrfConfig
from m2r2_ros.networks.heads.ms_tcn import MsTcnConfig
from m2r2_ros.training.settings import OptimiserSettings


@dataclass(frozen=True)
class OfflineSettings:
    """What all offline heads have in common."""

    # Sequences whose mean loss makes a step.
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
    """`m2r2 train --head asrf`: ASRF, 3.3 and 4.1."""

    class_weights: bool = True
    model: AsrfConfig = field(default_factory=AsrfConfig)
    # Of the similarity-weighted smoothing; the paper adds it as it is.
    smoothing_weight: float = 1.0
    # lambda of the boundary branch.
    boundary_weight: float = 0.1
