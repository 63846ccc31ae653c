# SPDX-License-Identifier: Apache-2.0
"""From the ideal tape to what sensors would have delivered: filters, bias, drift, noise, clocks."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, lfilter

from m2r2_ros.datasets.recording import SignalTrack
from m2r2_ros.simulation.tape import Tape
from m2r2_ros.simulation.wrist import V1_WRIST, Wrist

_WRENCH_HZ, _POSE_HZ, _JOINT_HZ, _FINGER_HZ, _BASE_HZ = 510.0, 200.0, 100.0, 50.0, 100.0
# What REASSEMBLE drives them at, or the least of it.
RIG_RATES_HZ = {
    "measured_force": 1000.0,
    "measured_torque": 1000.0,
    "pose": 500.0,
    "velocity": 500.0,
}
_FORCE_NOISE_N, _TORQUE_NOISE_NM = 0.06, 0.002
_FORCE_BIAS_N, _TORQUE_BIAS_NM = 0.4, 0.02
_FORCE_DRIFT_N_SQRT_S, _TORQUE_DRIFT_NM_SQRT_S = 0.02, 0.001
_FORCE_STEP_N, _TORQUE_STEP_NM = 0.01, 0.0005
_TARE_S = 0.3
_HAND_N = 7.2  # weight of hand and fingers, which the driver subtracts as well as it knows it
_HAND_N_ERROR, _HAND_COM_ERROR_M = 0.03, 3e-3
_GRAVITY = np.array([0.0, 0.0, -1.0])


def sense(
    tape: Tape,
    rng: np.random.Generator,
    wrist: Wrist = V1_WRIST,
    errors: np.ndarray | None = None,
    faster: np.random.Generator | None = None,
) -> dict[str, SignalTrack]:
    """Every `robot_state` signal of the format, float32, each on a clock of its own.

    `errors` (N, 6): what the wrist feels beside the contacts. `faster`: makes the clocks of force,
    pose and twist those of RIG_RATES_HZ, and leaves the others as they are.
    """
    every = round(tape.tick_s / tape.step_s)
    ideal = tape.wrench if errors is None else tape.wrench + errors
    wrench = wrist_sensor(ideal, tape.step_s, rng, wrist.cutoff_hz, wrist.noise)
    wrench += np.repeat(weight_residual(tape.rotation, rng), every, axis=0)
    if wrist.mounting is not None:
        wrench = (wrench.reshape(-1, 2, 3) @ wrist.mounting.T).reshape(-1, 6)
    base = _in_base_frame(wrench[every - 1 :: every], tape.rotation, tape.tick_s)
    tool = tape.tool + rng.normal(0, 1, tape.tool.shape) * np.repeat(
        [2e-5, 5e-5, 5e-4, 1e-3], [3, 4, 3, 3]
    )
    tool[:, 3:7] = continuous(tool[:, 3:7])
    arm = tape.arm + rng.normal(0, 1, tape.arm.shape) * np.repeat([2e-5, 1e-3, 0.05], 7)
    fingers = tape.fingers + rng.normal(0, 1, tape.fingers.shape) * np.repeat([2e-5, 5e-4, 0.2], 2)
    step, tick = tape.step_s, tape.tick_s
    signals = {
        "measured_force": (wrench[:, :3], step, _WRENCH_HZ, _FORCE_STEP_N),
        "measured_torque": (wrench[:, 3:], step, _WRENCH_HZ, _TORQUE_STEP_NM),
        "compensated_base_force": (base[:, :3], tick, _BASE_HZ, _FORCE_STEP_N),
        "compensated_base_torque": (base[:, 3:], tick, _BASE_HZ, _TORQUE_STEP_NM),
        "pose": (tool[:, :7], tick, _POSE_HZ, 1e-6),
        "velocity": (tool[:, 7:], tick, _POSE_HZ, 1e-5),
        "joint_positions": (arm[:, :7], tick, _JOINT_HZ, 1e-5),
        "joint_velocities": (arm[:, 7:14], tick, _JOINT_HZ, 1e-4),
        "joint_efforts": (arm[:, 14:], tick, _JOINT_HZ, 0.01),
        "gripper_positions": (fingers[:, :2], tick, _FINGER_HZ, 1e-5),
        "gripper_velocities": (fingers[:, 2:4], tick, _FINGER_HZ, 1e-4),
        "gripper_efforts": (fingers[:, 4:], tick, _FINGER_HZ, 0.05),
    }
    tracks = {}
    for name, (values, grid_s, rate_hz, resolution) in signals.items():
        times = clock(tape.duration_s, rate_hz, rng)
        if faster and name in RIG_RATES_HZ:
            times = clock(tape.duration_s, RIG_RATES_HZ[name], faster)
        sampled = np.round(sample(values, grid_s, times) / resolution) * resolution
        if name == "pose":
            sampled[:, 3:] /= np.linalg.norm(sampled[:, 3:], axis=1, keepdims=True)
        tracks[name] = SignalTrack(times, sampled.astype(np.float32))
    return tracks


def wrist_sensor(
    ideal: np.ndarray,
    step_s: float,
    rng: np.random.Generator,
    cutoff_hz: float = V1_WRIST.cutoff_hz,
    loudness: float = V1_WRIST.noise,
) -> np.ndarray:
    """Force/torque (N, 6) as strain gauges give it: low-passed, biased, drifting, noisy."""
    b, a = butter(2, cutoff_hz, fs=1 / step_s)
    start = lfilter(b, a, np.repeat(ideal[:1], round(1 / step_s), axis=0), axis=0)[-1]
    filtered = lfilter(b, a, ideal - start, axis=0) + start
    scale = np.repeat([1.0, 0.0], 3), np.repeat([0.0, 1.0], 3)

    def each(force: float, torque: float) -> np.ndarray:
        return force * scale[0] + torque * scale[1]

    bias = rng.normal(0, 1, 6) * each(_FORCE_BIAS_N, _TORQUE_BIAS_NM)
    steps = rng.normal(0, np.sqrt(step_s), filtered.shape)
    drift = np.cumsum(steps, axis=0) * each(_FORCE_DRIFT_N_SQRT_S, _TORQUE_DRIFT_NM_SQRT_S)
    noise = rng.normal(0, 1, filtered.shape) * each(_FORCE_NOISE_N, _TORQUE_NOISE_NM)
    return filtered + bias + drift + loudness * noise


def weight_residual(rotation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What gravity compensation leaves of the hand's own weight: wrench (T, 6) in its frame.

    Mass and centre of mass are known with an error, so it turns with the hand (`rotation`, (T, 3,
    3) in the base frame). The weight of a part in hand is no residual: it is part of the contact.
    """
    down = np.einsum("nij,i->nj", rotation, _GRAVITY)
    force = _HAND_N * rng.normal(0, _HAND_N_ERROR) * down
    torque = _HAND_N * np.cross(rng.normal(0, _HAND_COM_ERROR_M, 3), down)
    return np.concatenate([force, torque], axis=1)


def continuous(quaternions: np.ndarray) -> np.ndarray:
    """Unit quaternions (N, 4) of the same rotations, each of the sign nearer to the last one."""
    flips = np.where((quaternions[1:] * quaternions[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    signs = np.concatenate([[1.0], np.cumprod(flips)])
    return quaternions * (signs / np.linalg.norm(quaternions, axis=1))[:, None]


def _in_base_frame(wrench: np.ndarray, rotation: np.ndarray, step_s: float) -> np.ndarray:
    """The wrench turned into the base frame, tared over the first moments of the recording."""
    tared = wrench - wrench[: round(_TARE_S / step_s)].mean(axis=0)
    turned = [np.einsum("nij,nj->ni", rotation, tared[:, part]) for part in _FORCE_AND_TORQUE]
    return np.concatenate(turned, axis=1)


_FORCE_AND_TORQUE = (slice(0, 3), slice(3, 6))
_RATE_ERROR, _RATE_SWING = 3e-4, 5e-5


def clock(duration_s: float, rate_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Stamps of one stream in [0, duration_s): own phase and rate, drift, jitter, lost ticks."""
    period = (1 + rng.normal(0, _RATE_ERROR)) / rate_hz
    count = int(duration_s / period) + 2
    ticks = rng.uniform(0, period) + period * np.arange(count)
    # The oscillator's temperature: a slow swing of the rate inside the recording.
    swing = 2 * np.pi / rng.uniform(60, 300)
    ticks += rng.normal(0, _RATE_SWING) / swing * np.sin(swing * ticks + rng.uniform(0, 2 * np.pi))
    ticks += np.clip(rng.normal(0, 0.06, len(ticks)), -0.3, 0.3) * period
    kept = rng.uniform(size=len(ticks)) > 1e-3
    return ticks[kept & (ticks >= 0) & (ticks < duration_s)]


def sample(values: np.ndarray, step_s: float, times_s: np.ndarray) -> np.ndarray:
    """Grid values (N, D), row i at `step_s` * (i + 1), interpolated at the times."""
    grid = step_s * np.arange(1, len(values) + 1)
    columns = [np.interp(times_s, grid, column) for column in values.T]
    return np.stack(columns, axis=1)
