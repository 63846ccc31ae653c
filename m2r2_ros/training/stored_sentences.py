# SPDX-License-Identifier: Apache-2.0
"""Sentence embeddings on disk: a text encoder is slow, and ablations ask for the same sentences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.training.sentence_encoder import SentenceEncoder

CLIP_PREFIX = "clip:"
_BATCH = 256


class StoredSentences:
    """A frozen sentence encoder with the memory of earlier runs in `folder`.

    `name` is as in the settings. The file is named by the encoder's weights.
    """

    def __init__(self, name: str, folder: Path) -> None:
        """Raises M2R2Error when the encoder or its file cannot be read."""
        self._encoder = _open(name)
        self.dimension: int = self._encoder.dimension
        self._file = folder / f"sentences-{_fingerprint(self._encoder)}.safetensors"
        self._known: dict[str, Tensor] = {}
        if self._file.exists():
            try:
                self._known = load_file(self._file)
            except (OSError, SafetensorError) as error:
                raise M2R2Error(f"cannot read {self._file}: {error}; delete it") from error

    def store(self, sentences: Iterable[str]) -> None:
        """Embed those that are not known yet, and keep them on disk."""
        new = sorted(set(sentences) - self._known.keys())
        if not new:
            return
        starts = range(0, len(new), _BATCH)
        for start in Progress(starts, desc="embedding sentences"):
            self._remember(new[start : start + _BATCH])
        with partial_file(self._file) as partial:
            save_file(self._known, partial)

    def __call__(self, sentences: Iterable[str]) -> Tensor:
        """Embeddings float32 (N, dimension) of N sentences."""
        sentences = list(sentences)
        new = sorted(set(sentences) - self._known.keys())
        if new:
            self._remember(new)
        return torch.stack([self._known[text] for text in sentences])

    def _remember(self, sentences: list[str]) -> None:
        vectors = self._encoder(sentences)
        # Copies: a row of a batch would keep, and be saved as, all of it.
        self._known |= {text: row.clone() for text, row in zip(sentences, vectors, strict=True)}


def _open(name: str) -> SentenceEncoder:
    if not name.startswith(CLIP_PREFIX):
        return SentenceEncoder(name)
    from m2r2_ros.training.roboact.text_encoder import ClipSentences

    return ClipSentences(name.removeprefix(CLIP_PREFIX))


def _fingerprint(encoder: SentenceEncoder) -> str:
    digest = hashlib.sha256()
    for name, value in encoder.model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
