# SPDX-License-Identifier: Apache-2.0
"""E_s before its projection: a sentence encoder that is trained with the rest."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from m2r2_ros.training.stored_sentences import open_sentence_encoder


class TrainedSentences(nn.Module):
    """Sentences -> unit vectors float32 (N, dimension), with gradients.

    `name` is as in the settings. The fine-tuned weights are in the run's checkpoints; nothing of
    them is exported, for the features need no text (M2R2 III-D).
    """

    def __init__(self, name: str) -> None:
        """Raises M2R2Error when the encoder cannot be read."""
        super().__init__()
        self._encoder = open_sentence_encoder(name)
        self.model: nn.Module = self._encoder.model
        self.dimension: int = self._encoder.dimension

    def forward(self, sentences: Iterable[str]) -> Tensor:
        tokens = self._encoder.tokenizer(
            list(sentences), padding=True, truncation=True, return_tensors="pt"
        ).to(next(self.model.parameters()).device)
        return self._encoder.embed_tokens(tokens["input_ids"], tokens["attention_mask"])
