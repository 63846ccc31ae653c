# SPDX-License-Identifier: Apache-2.0
"""What every recording of a folder has in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RecordingSettings:
    """Everything but the seed that a recording depends on.

    `shifted`: board and kit stand where no other recording has them. `defects`: every recording
    has one of the defects that REASSEMBLE lists (see defects.py). `failures`: the part of the
    attempts in which a beginner errs, who hesitates, tries again, and begins with all parts in
    the kit (see habits.py); 0: an adept works. `difficulties`: those of v2 that are on, see
    difficulties.py. `operators`: whose parameters they take (people.py). `rig`: "own" or "other",
    of another laboratory.
    """

    attempts: int = 21  # actions attempted, at least
    cameras: tuple[str, ...] = ("hama1", "hama2", "hand")
    frame_rate_hz: float = 10.0
    shifted: bool = False
    defects: bool = False
    failures: float = 0.0
    difficulties: tuple[str, ...] = ()
    operators: str = "training"
    rig: str = "own"
