# SPDX-License-Identifier: Apache-2.0
"""Published weights for the paper's backbones: CLIP, ActionCLIP and AST."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.vision_transformer import (
    ClipImages,
    SpectrogramTransformer,
    resampled_positions,
)

# ActionCLIP keeps OpenAI's names; parts of a residual block -> those of `transformers`.
_BLOCK_PARTS = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_OUTSIDE_BLOCKS = {
    "class_embedding": "vision_model.embeddings.class_embedding",
    "positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "ln_post.weight": "vision_model.post_layernorm.weight",
    "ln_post.bias": "vision_model.post_layernorm.bias",
}


def load_images(backbone: ClipImages, source: str) -> None:
    """Fill the image tower from a CLIP (hub id, local folder) or an ActionCLIP checkpoint (file).

    Raises M2R2Error when the weights cannot be had or are of another size.
    """
    if Path(source).is_file():
        state = actionclip_image_tower(_read_checkpoint(Path(source)))
    else:
        from transformers import CLIPVisionModelWithProjection

        from m2r2_ros.networks.roboact.frames import load_pretrained

        state = load_pretrained(CLIPVisionModelWithProjection, source).state_dict()
    _load(backbone.model, state, source)


def load_audio(backbone: SpectrogramTransformer, source: str) -> None:
    """Fill the spectrogram transformer from an AST (hub id, local folder).

    Its position embeddings are fitted to this spectrogram. Raises M2R2Error as `load_images` does.
    """
    from transformers import ASTModel

    from m2r2_ros.networks.roboact.frames import load_pretrained

    published = load_pretrained(ASTModel, source)
    state, name = published.state_dict(), "embeddings.position_embeddings"
    wanted = backbone.model.state_dict()[name]
    if state[name].shape[-1] == wanted.shape[-1]:
        state[name] = resampled_positions(state[name], published.config, wanted)
    _load(backbone.model, state, source)


def actionclip_image_tower(checkpoint: dict[str, Tensor]) -> dict[str, Tensor]:
    """The image tower of an ActionCLIP state dictionary in the names of `transformers`.

    Names may begin with "module."; those that are not "visual." (text, fusion) are left out.
    """
    state: dict[str, Tensor] = {}
    for full, value in checkpoint.items():
        name = full.removeprefix("module.")
        if not name.startswith("visual."):
            continue
        name = name.removeprefix("visual.")
        block = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", name)
        if block:
            state |= _block(f"vision_model.encoder.layers.{block[1]}", block[2], value)
        elif name == "proj":
            state["visual_projection.weight"] = value.T
        else:
            state[_OUTSIDE_BLOCKS.get(name, name)] = value
    return state


def _block(prefix: str, name: str, value: Tensor) -> dict[str, Tensor]:
    joined = re.fullmatch(r"attn\.in_proj_(weight|bias)", name)
    if joined:
        parts = zip("qkv", value.chunk(3), strict=True)
        return {f"{prefix}.self_attn.{letter}_proj.{joined[1]}": part for letter, part in parts}
    module, kind = name.rsplit(".", 1)
    return {f"{prefix}.{_BLOCK_PARTS.get(module, module)}.{kind}": value}


def _read_checkpoint(file: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # What torch raises for a damaged or hostile file is any exception.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise M2R2Error(f"{file}: no checkpoint of tensors: {reason}") from error
    content = content.get("model_state_dict", content) if isinstance(content, dict) else {}
    if not any("visual." in str(name) for name in content):
        raise M2R2Error(f"{file}: no ActionCLIP checkpoint (it has no 'visual.' weights)")
    return content


def _load(model: nn.Module, state: dict[str, Tensor], source: str) -> None:
    try:
        model.load_state_dict({name: value.float() for name, value in state.items()})
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise M2R2Error(f"the weights of '{source}' do not fit: {lines[-1].strip()}") from error
