# SPDX-License-Identifier: Apache-2.0
"""Sizes of RoboAct-CLIP and the parts that its ablations leave out."""

from __future__ import annotations

from dataclasses import dataclass

from m2r2_ros.errors import M2R2Error, nearest_name

TRANSFORMER, ENDS, MEAN = "transformer", "ends", "mean"
MOTIONS = (TRANSFORMER, ENDS, MEAN)


@dataclass(frozen=True)
class RoboActConfig:
    """The trained part; the frozen encoders bring their own sizes."""

    # n, frames sampled from a clip or window.
    frames: int = 16
    # Of the tokens, of F_v and of each branch; F_video has three times as many numbers.
    width: int = 128
    # Layers of the Temporal Diff-Transformer, and attention heads of it and of (9).
    layers: int = 2
    heads: int = 4
    # Part of a layer's outputs that are set to 0 in training.
    dropout: float = 0.1
    # What (8) sees: "transformer": [Tem; dF; F_1; F_n], the paper; "ends": [F_1; F_n], its
    # ablation 1; "mean": the mean frame, which is plain CLIP without a sense of time.
    motion: str = TRANSFORMER
    # (9) attends over the frames too; false is the equation to the letter.
    attend_frames: bool = True
    # False: F_v is aligned with the text directly, ablation 2.
    disentangle: bool = True

    def __post_init__(self) -> None:
        if self.motion not in MOTIONS:
            near = nearest_name(self.motion, MOTIONS)
            raise M2R2Error(f"motion must be one of {', '.join(MOTIONS)}: '{self.motion}'{near}")
        if min(self.frames - 1, self.width, self.layers, self.heads) < 1:
            raise M2R2Error("RoboAct needs two frames, and width, layers and heads of at least 1")
        if self.width % self.heads:
            raise M2R2Error(f"width {self.width} is no multiple of {self.heads} heads")

    @property
    def feature_dimension(self) -> int:
        """Length of F_video and F_text: three branches."""
        return 3 * self.width
