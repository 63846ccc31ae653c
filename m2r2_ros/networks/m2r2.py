# SPDX-License-Identifier: Apache-2.0
"""The M2R2 feature extractor (M2R2 III-C, figure 2), raw sensor data in, x_i out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.networks.image_backbone import lite0_stride
from m2r2_ros.networks.log_mel import LogMel, right_aligned
from m2r2_ros.networks.statistics import Statistics
from m2r2_ros.networks.tokens import (
    AudioToken,
    ImageGrid,
    ImageToken,
    TemporalFusion,
    transformer,
)
from m2r2_ros.networks.vision_transformer import (
    BackboneSizes,
    ClipImages,
    SpectrogramTransformer,
)
from m2r2_ros.sensing.layout import AUDIO, SensorLayout

COMPACT, CLIP, AST, ROBOACT = "compact", "clip", "ast", "roboact"


@dataclass(frozen=True)
class M2R2Config:
    """Sizes of the extractor; the defaults are the compact configuration."""

    # D_e, length of every token and of the feature x_i.
    feature_dimension: int = 128
    # "compact": EfficientNet-Lite0, always frozen; "clip": the paper's image transformer;
    # "roboact": a trained and exported RoboAct-CLIP, frozen: what a camera saw in the last seconds
    # takes the place of one picture's embedding.
    image_backbone: str = COMPACT
    # What training has found in the encoder.onnx of "roboact": numbers of a camera's feature, and
    # the file's SHA-256.
    roboact_length: int = 0
    roboact_sha256: str = ""
    # Whether CLIP is trained with the rest. The cache then holds pictures, not its outputs.
    image_trained: bool = False
    # "compact": a small spectrogram transformer; "ast": the paper's. Both are trained.
    audio_backbone: str = COMPACT
    # Sizes of CLIP and AST.
    backbone: BackboneSizes = field(default_factory=BackboneSizes)
    # Side to which images are resized, in pixels: for the compact backbone a multiple of 16 times
    # `image_cells`, for CLIP that of its weights (224).
    image_size: int = 128
    # Stages kept of EfficientNet-Lite0; five give 112 channels at 1/16 of the image size.
    image_stages: int = 5
    # The image token sees a grid of this many cells along each side.
    image_cells: int = 4
    # Of the compact audio backbone: numbers of a token, layers.
    audio_width: int = 64
    audio_layers: int = 1
    # Attention heads of every transformer.
    heads: int = 4
    # Part of a layer's outputs that are set to 0 in training.
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name, known in (
            ("image_backbone", (COMPACT, CLIP, ROBOACT)),
            ("audio_backbone", (COMPACT, AST)),
        ):
            value = getattr(self, name)
            if value not in known:
                near = nearest_name(value, known)
                raise M2R2Error(f"{name} must be one of {', '.join(known)}: '{value}'{near}")
        if self.image_trained and self.image_backbone != CLIP:
            raise M2R2Error(f"image_trained: the {self.image_backbone} backbone is always frozen")
        if self.feature_dimension % self.heads:
            raise M2R2Error(
                f"feature_dimension must be a multiple of the heads, {self.heads}: "
                f"{self.feature_dimension}"
            )
        if self.image_backbone == COMPACT:
            self._check_cells()

    def _check_cells(self) -> None:
        """Averages of whole pixels of the last feature map give `image_cells` a side."""
        stride = lite0_stride(self.image_stages)
        side = self.image_size // stride
        pixels = side // self.image_cells
        if not pixels or side // pixels != self.image_cells:
            raise M2R2Error(
                f"image_size must be a multiple of {stride * self.image_cells} with "
                f"{self.image_stages} stages and {self.image_cells} cells: {self.image_size}"
            )


class M2R2(nn.Module):
    """Windows of all sensors -> features float32 (B, D_e).

    Inputs are named and shaped as in the exported graph (docs/architecture.md), but for "roboact":
    there `image_<camera>` is that camera's feature, float32 (B, roboact_length). `forward` is
    `encode(prepare(inputs))`: `prepare` holds nothing that is trained, so training caches it.
    """

    def __init__(self, layout: SensorLayout, config: M2R2Config) -> None:
        super().__init__()
        self.layout, self.config = layout, config
        width = config.feature_dimension
        if layout.cameras and config.image_backbone != ROBOACT:
            self.image_grid = _image_backbone(config)
        self.image_tokens = _by_name({name: self._image_token(width) for name in layout.cameras})
        if layout.audio:
            self.log_mel = LogMel(layout.audio_rate_hz, layout.audio_capacity)
            self.audio_token = _audio_backbone(config, self.log_mel.frames)
        self.temporal_fusion = _by_name(
            {
                name: TemporalFusion(signal.width, layout.signal_capacity(name), width)
                for name, signal in layout.signals.items()
            }
        )
        modalities = len(layout.modalities)
        self.missing = nn.Parameter(torch.randn(modalities, width) * 0.02)
        self.modality_transformer = transformer(width, config.heads, 1, config.dropout)
        self.fuse = nn.Sequential(
            nn.LayerNorm(modalities * width),
            nn.Linear(modalities * width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )
        self._register_statistics()

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.encode(self.prepare(inputs))

    def prepare(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Everything before the first trained weight.

        Returns `image_<camera>` (B, grid), or uint8 (B, 3, image_size, image_size) where the image
        backbone is trained, `audio` (B, frames, mel) in dB, `audio_valid`
        (B, frames), `<signal>` (B, S, D) in its unit, `<signal>_valid` (B, S), `mask` (B, M) as
        given. Rows that are padding or not finite are zero and invalid.
        """
        prepared = {"mask": inputs["mask"]}
        prepared |= self._prepare_images(inputs)
        if self.layout.audio:
            length = inputs["audio_length"]
            present = right_aligned(length, self.layout.audio_capacity)
            audio = torch.where(present & inputs[AUDIO].isfinite(), inputs[AUDIO], 0.0)
            prepared[AUDIO] = self.log_mel(audio)
            prepared["audio_valid"] = self.log_mel.valid_frames(length)
        for name in self.layout.signals:
            rows = right_aligned(inputs[f"{name}_length"], self.layout.signal_capacity(name))
            valid = rows & inputs[name].isfinite().all(-1)
            prepared[name] = torch.where(valid[..., None], inputs[name], 0.0)
            prepared[f"{name}_valid"] = valid
        return prepared

    def encode(self, prepared: dict[str, Tensor]) -> Tensor:
        """Prepared windows -> x_i (B, D_e), equations (2) and (3) and the MLP."""
        tokens, mask = self.tokens(prepared)
        tokens = torch.where(mask[..., None], tokens, self.missing)
        return self.fuse(self.modality_transformer(tokens).flatten(1)).float()

    def tokens(self, prepared: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Equation (2): tokens (B, M, D_e), and which of them are measured, bool (B, M)."""
        tokens, measured = [], []
        images = self._image_embeddings(prepared)
        for name in self.layout.cameras:
            embedding = images[f"image_{name}"].to(self.missing.dtype)
            tokens.append(self.image_tokens[_key(name)](embedding))
            measured.append(torch.ones_like(prepared["mask"][:, 0]))
        if self.layout.audio:
            valid = prepared["audio_valid"]
            spectrogram = self._scaled_decibel(prepared[AUDIO]).to(self.missing.dtype)
            tokens.append(self.audio_token(spectrogram, valid))
            measured.append(valid.any(1))
        for name in self.layout.signals:
            valid = prepared[f"{name}_valid"]
            samples = self._standardised(name, prepared[name], valid)
            tokens.append(self.temporal_fusion[_key(name)](samples.to(self.missing.dtype), valid))
            measured.append(valid.any(1))
        return torch.stack(tokens, 1), torch.stack(measured, 1) & prepared["mask"]

    def in_half_precision(self) -> M2R2:
        """Turn all weights into float16, but for the spectrogram and the normalisation.

        Those need float32's range: the power of silence is below float16's smallest number.
        Prepared values and features stay float32.
        """
        for name, module in self.named_children():
            if name != "log_mel":
                module.half()
        self.missing.data = self.missing.data.half()
        return self

    def set_statistics(self, statistics: Statistics) -> None:
        """Use these for normalisation; raises M2R2Error when they are of another sensor set."""
        statistics.check(self.layout)
        for name in self.layout.signals:
            self.get_buffer(f"{name}_mean").copy_(torch.tensor(statistics.mean[name]))
            self.get_buffer(f"{name}_std").copy_(torch.tensor(statistics.std[name]))
        self.decibel_range.copy_(torch.tensor([statistics.decibel_low, statistics.decibel_high]))

    def _register_statistics(self) -> None:
        for name, signal in self.layout.signals.items():
            for part in ("mean", "std"):
                self.register_buffer(f"{name}_{part}", torch.zeros(signal.width))
        self.register_buffer("decibel_range", torch.zeros(2))
        self.set_statistics(Statistics.neutral(self.layout))

    def _prepare_images(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        if not self.layout.cameras:
            return {}
        names = [f"image_{camera}" for camera in self.layout.cameras]
        if self.config.image_backbone == ROBOACT:
            return {name: inputs[name] for name in names}
        resized = [self.image_grid.resize(inputs[name]) for name in names]
        if self.config.image_trained:
            pixels = [image.round().clamp(0, 255).to(torch.uint8) for image in resized]
            return dict(zip(names, pixels, strict=True))
        return self._embedded(dict(zip(names, resized, strict=True)))

    def _image_embeddings(self, prepared: dict[str, Tensor]) -> dict[str, Tensor]:
        images = {f"image_{name}": prepared[f"image_{name}"] for name in self.layout.cameras}
        if not (images and self.config.image_trained):
            return images
        return self._embedded({name: pixels.float() for name, pixels in images.items()})

    def _embedded(self, images: dict[str, Tensor]) -> dict[str, Tensor]:
        # One pass over the backbone for all cameras.
        stacked = torch.stack(list(images.values())).flatten(0, 1).to(self.missing.dtype)
        embeddings = self.image_grid(stacked).float()
        grids = embeddings.reshape(len(images), -1, self.image_grid.length)
        return {name: grids[index] for index, name in enumerate(images)}

    def _image_token(self, width: int) -> nn.Module:
        if self.config.image_backbone == ROBOACT:
            return ImageToken(self.config.roboact_length, width)
        # The paper's token is what CLIP gives; the length of both is 512.
        as_it_is = self.config.image_backbone == CLIP and self.image_grid.length == width
        return nn.Identity() if as_it_is else ImageToken(self.image_grid.length, width)

    def _scaled_decibel(self, decibel: Tensor) -> Tensor:
        low, high = self.decibel_range
        return (2 * (decibel - low) / (high - low) - 1).clamp(-1, 1)

    def _standardised(self, name: str, samples: Tensor, valid: Tensor) -> Tensor:
        scaled = (samples - self.get_buffer(f"{name}_mean")) / self.get_buffer(f"{name}_std")
        return torch.where(valid[..., None], scaled, 0.0)


def _by_name(modules: Mapping[str, nn.Module]) -> nn.ModuleDict:
    return nn.ModuleDict({_key(name): module for name, module in modules.items()})


def _key(name: str) -> str:
    """Torch refuses modules called like one of its own attributes, such as `type` or `values`."""
    return f"{name}-" if hasattr(nn.ModuleDict(), name) else name


def _image_backbone(config: M2R2Config) -> ImageGrid | ClipImages:
    if config.image_backbone == CLIP:
        return ClipImages(config.image_size, config.backbone, config.image_trained)
    return ImageGrid(config.image_size, config.image_stages, config.image_cells)


def _audio_backbone(config: M2R2Config, frames: int) -> AudioToken | SpectrogramTransformer:
    width = config.feature_dimension
    if config.audio_backbone == AST:
        return SpectrogramTransformer(frames, config.backbone, width)
    return AudioToken(frames, config.audio_width, config.audio_layers, config.heads, width)
