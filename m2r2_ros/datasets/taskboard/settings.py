# SPDX-License-Identifier: Apache-2.0
"""What every recording of a data set has in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RecordingSettings:
    """Everything but the seed that a recording depends on."""

    attempts: int = 18  # actions attempted, at least
    cameras: tuple[str, ...] = ("hama1", "hama2")  # of "hama1", "hama2", "hand"
    frame_rate_hz: float = 10.0
