# SPDX-License-Identifier: Apache-2.0
"""The paper's backbones: CLIP's image tower and the Audio Spectrogram Transformer (M2R2 III-C).

Both are those of `transformers`, built from sizes alone; `networks.pretrained` fills them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from m2r2_ros.networks.log_mel import MEL_FILTERS
from m2r2_ros.networks.tokens import resized

# CLIP's normalisation of RGB in [0, 255].
_CLIP_MEAN = (122.7709383, 116.7460125, 104.09373615)
_CLIP_STD = (68.5005327, 66.6321579, 70.32316305)
# Tokens of AST that are no patch: class and distillation.
_AST_EXTRA = 2


@dataclass(frozen=True)
class BackboneSizes:
    """Of both backbones; the defaults are those of ViT-B/16, which AST has too."""

    # Numbers of a token, layers, attention heads.
    width: int = 768
    layers: int = 12
    heads: int = 12
    # Side of a patch, in pixels or in frames and mel filters.
    patch: int = 16
    # Length of CLIP's projected image embedding.
    projection: int = 512


class ClipImages(nn.Module):
    """uint8 images (B, H, W, 3) -> projected class tokens (B, length), as ImageGrid is used.

    `trained` False freezes it, in evaluation mode for good.
    """

    def __init__(self, image_size: int, sizes: BackboneSizes, trained: bool) -> None:
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        self.image_size, self.trained, self.length = image_size, trained, sizes.projection
        config = CLIPVisionConfig(
            hidden_size=sizes.width,
            intermediate_size=4 * sizes.width,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            patch_size=sizes.patch,
            image_size=image_size,
            projection_dim=sizes.projection,
        )
        self.model = CLIPVisionModelWithProjection(config).requires_grad_(trained)
        self.register_buffer("mean", torch.tensor(_CLIP_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_CLIP_STD)[:, None, None], persistent=False)

    def train(self, mode: bool = True) -> ClipImages:
        return super().train(mode and self.trained)

    def resize(self, images: Tensor) -> Tensor:
        """uint8 (B, H, W, 3) -> float32 (B, 3, image_size, image_size), in [0, 255]."""
        return resized(images, self.image_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """Resized images (B, 3, image_size, image_size) -> (B, length)."""
        return self.model(pixel_values=(pixels - self.mean) / self.std).image_embeds


class SpectrogramTransformer(nn.Module):
    """A_i: the class token of AST's last layer, from what `tokens.AudioToken` takes.

    A window is shorter than the 16 frames of AST's smallest patch: silence comes before it.
    """

    def __init__(self, frames: int, sizes: BackboneSizes, embedding: int) -> None:
        super().__init__()
        from transformers import ASTConfig, ASTModel

        self.frames = max(frames, sizes.patch)
        config = ASTConfig(
            hidden_size=sizes.width,
            intermediate_size=4 * sizes.width,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            patch_size=sizes.patch,
            max_length=self.frames,
            num_mel_bins=MEL_FILTERS,
        )
        self.model = ASTModel(config)
        self.project = nn.Linear(sizes.width, embedding)

    def forward(self, spectrogram: Tensor, valid: Tensor) -> Tensor:
        heard = torch.where(valid[..., None], spectrogram, -1.0)
        heard = functional.pad(heard, (0, 0, self.frames - heard.shape[1], 0), value=-1.0)
        return self.project(self.model(heard).last_hidden_state[:, 0])


def resampled_positions(positions: Tensor, config: object, wanted: Tensor) -> Tensor:
    """AST's position embeddings (1, n, width) for another spectrogram, shaped as `wanted`.

    `config` is that of the model they come from; its grid of patches is interpolated to `wanted`'s
    frequencies and, as the AST paper does for shorter sound, the middle of its times.
    """
    width = positions.shape[-1]
    high = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    new_high = (MEL_FILTERS - config.patch_size) // config.frequency_stride + 1
    new_wide = (wanted.shape[1] - _AST_EXTRA) // new_high
    grid = positions[:, _AST_EXTRA:].reshape(1, high, -1, width).permute(0, 3, 1, 2)
    wide = min(new_wide, grid.shape[3])
    start = (grid.shape[3] - wide) // 2
    grid = functional.interpolate(
        grid[..., start : start + wide], (new_high, new_wide), mode="bilinear"
    )
    patches = grid.permute(0, 2, 3, 1).reshape(1, -1, width)
    return torch.cat([positions[:, :_AST_EXTRA], patches], 1)
