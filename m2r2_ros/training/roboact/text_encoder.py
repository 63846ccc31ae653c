# SPDX-License-Identifier: Apache-2.0
"""The frozen text encoder that belongs to a frozen frame encoder, equation (1)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor
from torch.nn import functional

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.roboact.frames import COMPACT, load_pretrained
from m2r2_ros.training.sentence_encoder import SentenceEncoder


class ClipSentences(SentenceEncoder):
    """The projected text embedding of a `transformers` CLIP, as unit vectors."""

    def __init__(self, clip: str) -> None:
        """`clip` is a local folder or a hub id. Raises M2R2Error when it cannot be had."""
        from transformers import AutoTokenizer, CLIPTextModelWithProjection

        model = load_pretrained(CLIPTextModelWithProjection, clip)
        try:
            tokenizer = AutoTokenizer.from_pretrained(Path(clip) if Path(clip).is_dir() else clip)
        except (OSError, ValueError) as error:
            raise M2R2Error(f"cannot load the tokenizer of '{clip}'") from error
        self._hold(tokenizer, model, model.config.projection_dim)

    def embed_tokens(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        found = self.model(input_ids=input_ids, attention_mask=attention_mask)
        return functional.normalize(found.text_embeds, dim=-1)


def text_encoder(clip: str) -> SentenceEncoder:
    """The texts' side of `networks.roboact.frames.frame_encoder`. Raises M2R2Error as it does."""
    return SentenceEncoder("minilm") if clip == COMPACT else ClipSentences(clip)
