# SPDX-License-Identifier: Apache-2.0
"""Recordings of robots that share no sensor, camera or label with REASSEMBLE, as arrays."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

SECONDS, RATE_HZ, CAMERA_HZ = 9.0, 50, 10
STEPS = (0, 1, 0, 2, 1, 2)


def steps(random: np.random.Generator) -> np.ndarray:
    """What is done in each row, (T,): STEPS, of lengths that differ."""
    lengths = random.uniform(0.8, 1.2, len(STEPS))
    ends = np.cumsum(lengths) / lengths.sum()
    places = np.arange(round(SECONDS * RATE_HZ)) / round(SECONDS * RATE_HZ)
    return np.array(STEPS)[np.searchsorted(ends, places, side="right")]


def shaped(
    step: np.ndarray, width: int, levels: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Rows (T, width) whose mean follows what is done, with noise."""
    columns = np.arange(1, width + 1)
    return levels[step][:, None] * np.sin(columns) + random.normal(0, 0.02, (len(step), width))


def lid_robot(seed: int) -> dict[str, np.ndarray]:
    """The arrays of docs/tutorials/other_robot.md."""
    random = np.random.default_rng(seed)
    step = steps(random)
    rows = np.arange(len(step))
    every = RATE_HZ // CAMERA_HZ
    shades = np.array([30, 120, 220], np.uint8)[step[::every]]
    known = step.copy()
    known[: RATE_HZ // 2] = -1
    return {
        "t": rows / RATE_HZ + random.uniform(0, 1e-3, len(rows)),
        "torque": 10 * shaped(step, 7, np.array([0.0, 1.0, -1.0]), random),
        "cells": 50 + 20 * shaped(step, 16, np.array([0.0, 1.0, 2.0]), random),
        "step": known,
        "image_t": np.arange(len(shades)) / CAMERA_HZ + 1e-3,
        "images": np.tile(shades[:, None, None, None], (1, 24, 32, 3)),
    }


def turned(step: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Poses (T, 7) with unit quaternions w first, as many files have them."""
    angle = 0.5 * shaped(step, 1, np.array([0.0, 1.0, 2.0]), random)[:, 0]
    wxyz = np.column_stack([np.cos(angle), 0 * angle, np.sin(angle), 0 * angle])
    return np.column_stack([shaped(step, 3, np.array([0.1, 0.3, 0.5]), random), wxyz])


def two_armed(seed: int) -> dict[str, np.ndarray]:
    """Arrays for config/layouts/two_arms.yaml, both arms side by side."""
    random = np.random.default_rng(seed)
    step = steps(random)
    levels = np.array([0.0, 0.5, -0.5])
    return {
        "poses": np.column_stack([turned(step, random), turned(step, random)]),
        "twists": shaped(step, 12, levels, random),
        "shares": np.clip(0.5 + shaped(step, 2, levels, random) / 2, 0, 1),
        "efforts": 5 * shaped(step, 3, levels, random),
        "pads": 100 + 30 * shaped(step, 16, np.array([0.0, 1.0, 2.0]), random),
        "done": np.array([b"rest", b"hand over", b"screw in"])[step],
        "view": np.tile(np.array([9, 99, 199], np.uint8)[step][:, None, None, None], (1, 8, 8, 3)),
    }


def _arm(name: str, first: int) -> dict[str, object]:
    pose, turn = 7 * first, 7 * first + 3
    width = {"scale": 0.08, "unit": "m"}
    return {
        f"{name}_pose": [
            f"poses[{pose}:{turn}]",
            f"poses[{turn + 1}:{turn + 4}]",
            f"poses[{turn}]",
        ],
        f"{name}_twist": f"twists[{6 * first}:{6 * first + 6}]",
        f"{name}_gripper": {"arrays": f"shares[{first}]", **width},
    }


TWO_ARMED_MAPPING = {
    "recordings": "episodes/*",
    "rate_hz": RATE_HZ,
    "signals": {
        **_arm("left", 0),
        **_arm("right", 1),
        "left_joint_effort": "efforts",
        "left_pad": "pads",
    },
    "cameras": {"front": "view"},
    "labels": {"frames": "done"},
}


def write_lid_robot(folder: Path, names: list[str], seed: int) -> None:
    """One .npz a recording."""
    folder.mkdir(parents=True)
    for index, name in enumerate(names):
        np.savez_compressed(folder / f"{name}.npz", **lid_robot(seed + index))


def write_two_armed(path: Path, count: int, seed: int) -> None:
    """All recordings as groups of one HDF5 file."""
    with h5py.File(path, "w") as file:
        for index in range(count):
            for name, values in two_armed(seed + index).items():
                file[f"episodes/{index}/{name}"] = values
