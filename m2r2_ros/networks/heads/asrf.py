# SPDX-License-Identifier: Apache-2.0
"""ASRF: frame classes, refined between the boundaries that a second branch regresses.

Y. Ishikawa, S. Kasai, Y. Aoki and H. Kataoka, "Alleviating Over-segmentation Errors by Detecting
Action Boundaries", WACV 2021. Departs from it in that features are standardised first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from m2r2_ros.networks.heads.dilated import DilatedStack, RefiningStage, Stage, Standardise


@dataclass(frozen=True)
class AsrfConfig:
    """Sizes of the paper (4.1) and its authors' code."""

    # Dilated layers of a stage; the dilation doubles from layer to layer.
    layers: int = 10
    # Feature maps of a stage.
    channels: int = 64
    # Part of a layer's outputs that are set to 0 in training.
    dropout: float = 0.5
    # Stages of the branch of the classes, the one on the shared feature extractor counted in.
    segmentation_stages: int = 4
    # Stages of the branch of the boundaries, counted alike.
    boundary_stages: int = 4
    # A boundary is a local maximum of at least this probability.
    boundary_threshold: float = 0.5


class Asrf(nn.Module):
    """Features (T, D) -> class logits (T, C) and boundary logits (T,) of every stage."""

    def __init__(self, dimension: int, classes: int, config: AsrfConfig) -> None:
        super().__init__()
        self.config = config
        self.standardise = Standardise(dimension)
        sizes = (config.layers, config.dropout)
        # The long-term feature extractor (3.1) and the first stage of both branches.
        self.extractor = DilatedStack(dimension, config.channels, *sizes)
        self.classifier = nn.Linear(config.channels, classes)
        self.boundary = nn.Linear(config.channels, 1)
        self.segmentation_stages = nn.ModuleList(
            RefiningStage(classes, config.channels, *sizes)
            for _ in range(config.segmentation_stages - 1)
        )
        self.boundary_stages = nn.ModuleList(
            Stage(1, config.channels, 1, *sizes) for _ in range(config.boundary_stages - 1)
        )

    def forward(self, features: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        shared = self.extractor(self.standardise(features))
        classes, boundaries = [self.classifier(shared)], [self.boundary(shared)]
        for stage in self.segmentation_stages:
            classes.append(stage(classes[-1].softmax(-1)))
        for stage in self.boundary_stages:
            boundaries.append(stage(boundaries[-1].sigmoid()))
        return classes, [logits.squeeze(-1) for logits in boundaries]


def find_peaks(boundary: np.ndarray, threshold: float) -> np.ndarray:
    """Frames at which a segment starts: frame 0 and the local maxima of at least `threshold`.

    A maximum is above its neighbours, those below the threshold counted as 0 (the authors' code);
    of a plateau, none is.
    """
    kept = np.where(boundary >= threshold, boundary, 0.0)
    inner = (kept[1:-1] > kept[:-2]) & (kept[1:-1] > kept[2:])
    return np.concatenate([[0], np.flatnonzero(inner) + 1])


def refine(
    probabilities: np.ndarray, boundary: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """The refinement of 3.4: between two boundaries, the class that most frames favour.

    probabilities (T, C) and boundary (T,) are posteriors. Of classes with equally many frames the
    more probable one wins. Returns classes int64 (T,) and each segment's mean posterior (T, C).
    """
    length, favoured = len(probabilities), probabilities.argmax(1)
    starts = find_peaks(boundary, threshold)
    classes, means = np.empty(length, np.int64), np.empty_like(probabilities)
    for start, end in zip(starts, [*starts[1:], length], strict=True):
        mean = probabilities[start:end].mean(0)
        votes = np.bincount(favoured[start:end], minlength=probabilities.shape[1])
        classes[start:end] = np.lexsort((mean, votes))[-1]
        means[start:end] = mean
    return classes, means
