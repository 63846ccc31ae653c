# SPDX-License-Identifier: Apache-2.0
"""What a wrist sensor adds to the forces it should measure: bias, warm-up, payload, a cable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from m2r2_ros.simulation.cables import CABLE_M, SHOULDER_M
from m2r2_ros.simulation.difficulties import RECORDINGS_A_DAY, day_stream, stream
from m2r2_ros.simulation.recording_settings import RecordingSettings
from m2r2_ros.simulation.tape import Tape

# Force [N] and torque [N m], six columns as a wrench has them.
_BIAS = np.repeat([1.5, 0.05], 3)
_WARM_UP = np.repeat([1.0, 0.03], 3)
_DRIFT_SQRT_S = np.repeat([0.046, 0.0023], 3)  # with v1's 0.02 and 0.001: 0.05 and 0.0025
_WARM_UP_S, _RECORDING_S = (600.0, 1200.0), 300.0
_PAYLOAD_N, _PAYLOAD_ERROR, _PAYLOAD_COM_M = 2.5, 0.10, 0.015
_CABLE_N, _CABLE_SLACK_M = (0.3, 1.2), 0.4
_CABLE_LEVER_M = np.array([0.0, 0.05, -0.1])  # from the tool's centre to where it is tied
_OTHER_GAIN, _OTHER_TURN_RAD = 0.03, np.radians(2.0)


@dataclass(frozen=True)
class Wrist:
    """A sensor: the corner of its low-pass, its noise in units of v1's, and how it is mounted."""

    cutoff_hz: float = 60.0
    noise: float = 1.0
    mounting: np.ndarray | None = None  # (3, 3), true to measured axes; None: as they should be


V1_WRIST = Wrist()


def wrist_of(seed: int, settings: RecordingSettings) -> Wrist:
    """The sensor of a recording's rig."""
    if settings.rig == "other":
        rng = day_stream(seed, "wrist")
        turn = rng.normal(size=3)
        turn *= _OTHER_TURN_RAD / np.linalg.norm(turn)
        gains = 1 + _OTHER_GAIN * rng.choice((-1, 1), 3)
        return Wrist(20.0, 3.0, gains[:, None] * Rotation.from_rotvec(turn).as_matrix())
    return Wrist(35.0) if "wrist" in settings.difficulties else V1_WRIST


def errors(tape: Tape, seed: int) -> np.ndarray:
    """What is added to the wrench (N, 6) of a tape, hand frame."""
    today, now = day_stream(seed, "wrist"), stream(seed, "wrist")
    every = round(tape.tick_s / tape.step_s)
    slow = payload(tape.rotation, today) + cable(tape)
    steps = now.normal(0, np.sqrt(tape.step_s), tape.wrench.shape)
    since_s = tape.step_s * np.arange(len(tape.wrench)) + seed % RECORDINGS_A_DAY * _RECORDING_S
    warm_up = np.exp(-since_s / today.uniform(*_WARM_UP_S))[:, None] * today.normal(0, _WARM_UP)
    bias = today.normal(0, _BIAS)
    drift = np.cumsum(steps, axis=0) * _DRIFT_SQRT_S
    return np.repeat(slow, every, axis=0) + bias + warm_up + drift


def payload(rotation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Wrench (T, 6) of what the brackets weigh more, and elsewhere, than the driver believes."""
    down = -rotation[:, 2]  # of the base, in the hand's frame: minus the third row
    force = _PAYLOAD_N * rng.normal(0, _PAYLOAD_ERROR) * down
    torque = _PAYLOAD_N * np.cross(rng.normal(0, _PAYLOAD_COM_M, 3), down)
    return np.concatenate([force, torque], axis=1)


def cable(tape: Tape) -> np.ndarray:
    """Wrench (T, 6) of the cable that pulls the hand towards the arm's shoulder."""
    way = SHOULDER_M - tape.tool[:, :3]
    length = np.linalg.norm(way, axis=1, keepdims=True)
    taut = np.clip((length - _CABLE_SLACK_M) / (CABLE_M - _CABLE_SLACK_M), 0, 1)
    pull = (_CABLE_N[0] + (_CABLE_N[1] - _CABLE_N[0]) * taut) * way / length
    force = np.einsum("nji,nj->ni", tape.rotation, pull)
    return np.concatenate([force, np.cross(_CABLE_LEVER_M, force)], axis=1)
