# SPDX-License-Identifier: Apache-2.0
"""A small data set in the MS-TCN layout that this package did not make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.mstcn import Split, write_mapping, write_recording_features, write_split

LABELS = ("cut_tomato", "action_start", "peel_cucumber", "mix_dressing")
DIMENSION = 5
SEGMENT_S, SEGMENTS = 1.6, 6
# Small and quick to learn.
SETTINGS = {
    "model": {"channels": 8, "layers": 4, "members": 1, "dropout": 0.0},
    "optimiser": {"epochs": 12, "batch_size": 2, "learning_rate": 0.02},
    "least_steps": 1,
}


def kitchen(seed: int, rate_hz: float) -> tuple[np.ndarray, list[str]]:
    """Features (T, D) and labels at a rate: the same recording at each, but for the noise."""
    random = np.random.default_rng(seed)
    order = [int(random.integers(len(LABELS)))]
    while len(order) < SEGMENTS:
        order.append(int(random.choice([c for c in range(len(LABELS)) if c != order[-1]])))
    lengths_s = random.uniform(0.8, 1.2, SEGMENTS) * SEGMENT_S
    times_s = (np.arange(int(lengths_s.sum() * rate_hz)) + 0.5) / rate_hz
    classes = np.array(order)[np.searchsorted(lengths_s.cumsum(), times_s).clip(max=SEGMENTS - 1)]
    features = 2 * np.eye(len(LABELS), DIMENSION)[classes] + 7
    features += np.random.default_rng(seed + 1000).normal(0, 0.3, features.shape)
    return features.astype(np.float32), [LABELS[c] for c in classes]


def write_kitchen(
    folder: Path,
    rate_hz: float,
    training: int = 4,
    test: int = 2,
    groups: Mapping[str, str] | None = None,
    idle: str = LABELS[1],
) -> Path:
    """Recordings "rgb-00" and so on, split 1, and groups.csv if there are groups."""
    labels = [idle if label == LABELS[1] else label for label in LABELS]
    names = [f"rgb-{seed:02d}" for seed in range(training + test)]
    for seed, name in enumerate(names):
        features, truth = kitchen(seed, rate_hz)
        truth = [labels[LABELS.index(label)] for label in truth]
        write_recording_features(folder, name, features, truth)
    write_mapping(folder, labels)
    write_split(folder, 1, Split(tuple(names[:training]), tuple(names[training:])))
    if groups:
        rows = "".join(f"{name},{group}\n" for name, group in groups.items())
        (folder / "groups.csv").write_text(f"recording,group\n{rows}")
    return folder
