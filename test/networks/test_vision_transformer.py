# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch
from torch import nn

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks import pretrained
from m2r2_ros.networks.m2r2 import M2R2, M2R2Config
from m2r2_ros.networks.vision_transformer import (
    BackboneSizes,
    ClipImages,
    SpectrogramTransformer,
    resampled_positions,
)
from m2r2_ros.training.onnx_export import random_inputs

SIZES = BackboneSizes(width=16, layers=2, heads=2, patch=16, projection=8)
CONFIG = M2R2Config(
    feature_dimension=8,
    image_backbone="clip",
    image_trained=True,
    audio_backbone="ast",
    backbone=SIZES,
    image_size=32,
    heads=2,
)
LAYOUT = replace(REASSEMBLE_LAYOUT, signals=("gripper",))


class OpenAIBlock(nn.Module):
    """A residual block with the names of OpenAI's CLIP, which ActionCLIP keeps."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Module()
        self.mlp.c_fc, self.mlp.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False)[0]
        hidden = self.mlp.c_fc(self.ln_2(x))
        return x + self.mlp.c_proj(hidden * torch.sigmoid(1.702 * hidden))


class OpenAIVisual(nn.Module):
    def __init__(self, sizes: BackboneSizes, image_size: int) -> None:
        super().__init__()
        width, patches = sizes.width, (image_size // sizes.patch) ** 2
        self.conv1 = nn.Conv2d(3, width, sizes.patch, sizes.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.positional_embedding = nn.Parameter(torch.randn(patches + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = nn.Module()
        blocks = [OpenAIBlock(width, sizes.heads) for _ in range(sizes.layers)]
        self.transformer.resblocks = nn.Sequential(*blocks)
        self.proj = nn.Parameter(torch.randn(width, sizes.projection))

    def forward(self, pixels):
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(pixels), 1, -1)
        tokens = self.ln_pre(torch.cat([first, patches], 1) + self.positional_embedding)
        return self.ln_post(self.transformer.resblocks(tokens)[:, 0]) @ self.proj


@pytest.fixture
def checkpoint(tmp_path):
    """An ActionCLIP checkpoint as its training writes it, of a small tower, and the tower."""
    torch.manual_seed(0)
    tower = OpenAIVisual(SIZES, 32)
    for value in tower.parameters():
        nn.init.normal_(value, std=0.3)
    state = {f"module.visual.{name}": value for name, value in tower.state_dict().items()}
    state |= {"module.logit_scale": torch.ones(()), "module.ln_final.weight": torch.ones(4)}
    file = tmp_path / "actionclip.pt"
    content = {"epoch": 3, "model_state_dict": state, "fusion_model_state_dict": {}}
    torch.save(content, file)
    return file, tower


def test_an_actionclip_checkpoint_gives_what_its_own_tower_gives(checkpoint):
    file, tower = checkpoint
    backbone = ClipImages(32, SIZES, trained=True)
    pretrained.load_images(backbone, str(file))
    pixels = torch.rand(3, 3, 32, 32) * 255
    expected = tower((pixels - backbone.mean) / backbone.std)
    torch.testing.assert_close(backbone(pixels), expected, atol=1e-4, rtol=1e-4)


def test_checkpoints_that_do_not_fit_are_named(checkpoint, tmp_path):
    file, _ = checkpoint
    with pytest.raises(M2R2Error, match="do not fit"):
        pretrained.load_images(ClipImages(64, SIZES, trained=True), str(file))
    other = tmp_path / "other.pt"
    torch.save({"text": torch.zeros(2)}, other)
    with pytest.raises(M2R2Error, match="no ActionCLIP checkpoint"):
        pretrained.load_images(ClipImages(32, SIZES, trained=True), str(other))
    other.write_bytes(b"not a checkpoint")
    with pytest.raises(M2R2Error, match="no checkpoint of tensors"):
        pretrained.load_images(ClipImages(32, SIZES, trained=True), str(other))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save({"model_state_dict": Hostile()}, tmp_path / "hostile.pt")
    with pytest.raises(M2R2Error, match="no checkpoint of tensors"):
        pretrained.load_images(ClipImages(32, SIZES, True), str(tmp_path / "hostile.pt"))


def test_a_published_folder_is_loaded(tmp_path):
    source = ClipImages(32, SIZES, trained=True)
    source.model.save_pretrained(tmp_path / "clip")
    loaded = ClipImages(32, SIZES, trained=False)
    pretrained.load_images(loaded, str(tmp_path / "clip"))
    pixels = torch.rand(1, 3, 32, 32) * 255
    torch.testing.assert_close(loaded(pixels), source(pixels))


def test_a_published_ast_is_fitted_to_a_short_spectrogram(tmp_path):
    from transformers import ASTConfig, ASTModel

    config = ASTConfig(
        hidden_size=16,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_length=96,
        num_mel_bins=128,
    )
    published = ASTModel(config)
    published.save_pretrained(tmp_path / "ast")
    token = SpectrogramTransformer(14, SIZES, 8)
    pretrained.load_audio(token, str(tmp_path / "ast"))
    found, expected = token.model.state_dict(), published.state_dict()
    name = "embeddings.position_embeddings"
    for other in found.keys() - {name}:
        torch.testing.assert_close(found[other], expected[other])
    torch.testing.assert_close(found[name][:, :2], expected[name][:, :2])
    with pytest.raises(M2R2Error, match="do not fit"):
        wider = replace(SIZES, width=32)
        pretrained.load_audio(SpectrogramTransformer(14, wider, 8), str(tmp_path / "ast"))


def test_positions_of_the_same_grid_stay_as_they_are():
    token = SpectrogramTransformer(40, SIZES, 8)
    positions = torch.randn_like(token.model.embeddings.position_embeddings)
    fitted = resampled_positions(positions, token.model.config, positions)
    torch.testing.assert_close(fitted, positions)


def test_the_audio_token_ignores_frames_that_are_not_valid():
    token = SpectrogramTransformer(14, SIZES, 8).eval()
    sound, valid = torch.rand(1, 14, 64), torch.zeros(1, 14, dtype=torch.bool)
    valid[:, 5:] = True
    other = sound.clone()
    other[:, :5] = 0.7
    assert torch.equal(token(sound, valid), token(other, valid))
    torch.testing.assert_close(token(sound, valid), token(sound[:, 5:], valid[:, 5:]))
    assert not torch.allclose(token(sound, valid), token(sound * 0.5, valid))


@pytest.mark.parametrize("trained", [True, False])
def test_a_backbone_is_trained_or_frozen_as_configured(trained):
    torch.manual_seed(0)
    encoder = M2R2(LAYOUT, replace(CONFIG, image_trained=trained)).train()
    inputs = random_inputs(LAYOUT, 2, (24, 40))
    prepared = encoder.prepare(inputs)
    picture = prepared["image_hama1"]
    assert picture.dtype == (torch.uint8 if trained else torch.float32)
    assert picture.shape == ((2, 3, 32, 32) if trained else (2, SIZES.projection))
    encoder.encode(prepared).square().sum().backward()
    weights = encoder.image_grid.model.visual_projection.weight
    assert (weights.grad is not None) == trained
    assert encoder.image_grid.model.training == trained
    assert encoder.audio_token.model.layers[0].mlp.fc1.weight.grad is not None


def test_the_papers_image_token_is_what_clip_gives():
    encoder = M2R2(LAYOUT, CONFIG).eval()
    prepared = encoder.prepare(random_inputs(LAYOUT, 2, (32, 32)))
    tokens, _ = encoder.tokens(prepared)
    expected = encoder.image_grid(prepared["image_hama2"].float())
    torch.testing.assert_close(tokens[:, 1], expected)
    longer = M2R2(LAYOUT, replace(CONFIG, feature_dimension=16)).eval()
    assert longer.tokens(prepared)[0].shape == (2, 4, 16)


@pytest.mark.parametrize("modality", LAYOUT.modalities)
def test_what_a_masked_modality_holds_has_no_influence(modality):
    encoder = M2R2(LAYOUT, CONFIG).eval()
    inputs = random_inputs(LAYOUT, 2, (24, 32))
    inputs["mask"][:, LAYOUT.modalities.index(modality)] = False
    other = random_inputs(LAYOUT, 2, (24, 32), seed=1)
    name = f"image_{modality}" if modality in LAYOUT.cameras else modality
    changed = inputs | {name: other[name]}
    with torch.no_grad():
        assert torch.equal(encoder(inputs), encoder(changed))
