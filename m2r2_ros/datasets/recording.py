# SPDX-License-Identifier: Apache-2.0
"""What a recorded demonstration holds, whatever file it comes from.

Times are float seconds from the start of the recording; every stream has its own clock ticks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

SUCCESS, FAILURE = OUTCOMES = ("success", "failure")


@dataclass(frozen=True)
class LowLevelSkill:
    """One low-level skill inside an action: Approach, Align, Push, Grasp, Lift, Pull, ..."""

    start_s: float
    end_s: float
    text: str
    success: bool = True


@dataclass(frozen=True)
class Action:
    """One labelled action over [start_s, end_s); `text` is the fine label, e.g. "Insert USB.".

    `judged`: whether somebody has said if it succeeded; `success` also holds where nobody has.
    """

    start_s: float
    end_s: float
    text: str
    success: bool = True
    low_level: tuple[LowLevelSkill, ...] = ()
    judged: bool = False

    @property
    def outcome(self) -> str | None:
        """SUCCESS or FAILURE; None where nobody has said it. A failure is always said."""
        if not self.success:
            return FAILURE
        return SUCCESS if self.judged else None


@dataclass(frozen=True)
class SignalTrack:
    """A numeric stream: `times_s` float64 (N,), strictly increasing; `values` float (N, D)."""

    times_s: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class AudioTrack:
    """Samples float32 (N, channels) in [-1, 1] at `rate_hz`; sample 0 is time 0."""

    samples: np.ndarray
    rate_hz: int


@dataclass(frozen=True)
class VideoTrack:
    """RGB frames uint8 (H, W, 3), one for each entry of `times_s` float64 (N,)."""

    times_s: np.ndarray
    frames: Iterable[np.ndarray]


@dataclass
class RecordingData:
    """A whole demonstration in memory, ready to be written in the REASSEMBLE format.

    Keys are the paths of the format: cameras "hama1", "hama2", "hand"; audio "hama1_audio",
    "hama2_audio", "hand_audio"; signals as under `robot_state/`, e.g. "measured_force".
    """

    name: str
    videos: dict[str, VideoTrack] = field(default_factory=dict)
    audio: dict[str, AudioTrack] = field(default_factory=dict)
    signals: dict[str, SignalTrack] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
