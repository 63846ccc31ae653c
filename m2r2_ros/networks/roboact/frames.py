# SPDX-License-Identifier: Apache-2.0
"""Frozen visual encoders of single frames, equation (3): F_i = CLIPvisual(frame_i).

Any CLIP of `transformers`, or a stand-in that needs no download: EfficientNet-Lite0 with its
published ImageNet weights, whose last feature map keeps where things are.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.tokens import ImageGrid, resized

COMPACT = "compact"
# The stand-in's image side [pixels], stages kept, and cells along each side of its feature map.
_COMPACT_SIZE, _COMPACT_STAGES, _COMPACT_CELLS = 128, 5, 4
# CLIP's normalisation of RGB in [0, 1], the same for every CLIP of OpenAI and OpenCLIP.
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class FrameEncoder(nn.Module):
    """Images uint8 (B, H, W, 3) RGB of any size -> F_i float32 (B, dimension). Never trained.

    `image_size` is the side [pixels] of the square to which images are stretched. CLIP itself
    would cut a wide image's sides off, and with them part of the robot's workspace.
    """

    dimension: int
    image_size: int

    def train(self, mode: bool = True) -> FrameEncoder:
        """Frozen also means that it stays in evaluation mode."""
        return super().train(False)

    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) over all weights: embeddings of equal fingerprints are equal."""
        digest = hashlib.sha256(f"{type(self).__name__} {self.image_size}".encode())
        for name, value in self.state_dict().items():
            digest.update(name.encode())
            digest.update(value.contiguous().numpy().tobytes())
        return digest.hexdigest()


class CompactFrames(FrameEncoder):
    """The stand-in: EfficientNet-Lite0, an embedding of 4 x 4 cells with 112 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.image_size = _COMPACT_SIZE
        self.grid = ImageGrid(_COMPACT_SIZE, _COMPACT_STAGES, _COMPACT_CELLS)
        self.dimension = self.grid.length

    def forward(self, images: Tensor) -> Tensor:
        return self.grid(self.grid.resize(images))


class ClipFrames(FrameEncoder):
    """The projected image embedding of a `transformers` CLIP vision model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.image_size = model.config.image_size
        self.dimension = model.config.projection_dim
        self.register_buffer("mean", 255 * torch.tensor(_CLIP_MEAN)[:, None, None], False)
        self.register_buffer("std", 255 * torch.tensor(_CLIP_STD)[:, None, None], False)

    def forward(self, images: Tensor) -> Tensor:
        pixels = (resized(images, self.image_size) - self.mean) / self.std
        return self.model(pixel_values=pixels).image_embeds


def frame_encoder(clip: str) -> FrameEncoder:
    """The frozen encoder: COMPACT, a local folder, or a hub id of a `transformers` CLIP.

    Raises M2R2Error when its weights cannot be had.
    """
    if clip == COMPACT:
        encoder: FrameEncoder = CompactFrames()
        encoder.grid.backbone.load_imagenet()
    else:
        from transformers import CLIPVisionModelWithProjection

        encoder = ClipFrames(load_pretrained(CLIPVisionModelWithProjection, clip))
    return encoder.requires_grad_(False).eval()


def load_pretrained(kind: type, clip: str) -> nn.Module:
    """A part of a `transformers` CLIP in float32. Raises M2R2Error when it cannot be had."""
    from transformers.utils import logging

    # One half of a CLIP is loaded at a time: the report on the other half is no news.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        model = kind.from_pretrained(Path(clip) if Path(clip).is_dir() else clip)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise M2R2Error(f"cannot load the CLIP '{clip}': {reason}") from error
    return model.float().eval()
