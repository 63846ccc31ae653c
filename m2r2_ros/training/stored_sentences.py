# SPDX-License-Identifier: Apache-2.0
"""Sentence embeddings on disk: a text encoder is slow, and ablations ask for the same sentences."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.training.sentence_encoder import SentenceEncoder

_log = logging.getLogger(__name__)

CLIP_PREFIX = "clip:"
_BATCH = 256


class StoredSentences:
    """A frozen sentence encoder with the memory of earlier runs in `folder`.

    `name` is as in the settings. The file is named by the encoder's weights.
    """

    def __init__(self, name: str, folder: Path) -> None:
        """Raises M2R2Error when the encoder cannot be read; a damaged memory is begun anew."""
        self._encoder = open_sentence_encoder(name)
        self.dimension: int = self._encoder.dimension
        self._file = folder / f"sentences-{_fingerprint(self._encoder)}.safetensors"
        self._known = self._read() if self._file.exists() else {}

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

    def _read(self) -> dict[str, Tensor]:
        try:
            if not self._file.is_file():
                raise ValueError("not a file")
            known = load_file(self._file)
            kinds = {(value.dtype, value.shape) for value in known.values()}
            if kinds - {(torch.float32, (self.dimension,))} or not all(
                value.isfinite().all() for value in known.values()
            ):
                raise ValueError(f"not embeddings of {self.dimension} numbers")
        except (OSError, ValueError, SafetensorError) as error:
            _log.warning("%s: damaged: %s; it is made anew", self._file, error)
            return {}
        return known

    def _remember(self, sentences: list[str]) -> None:
        vectors = self._encoder(sentences)
        # Copies: a row that is a view keeps its whole batch in memory, and saves it.
        self._known |= {text: row.clone() for text, row in zip(sentences, vectors, strict=True)}


def open_sentence_encoder(name: str) -> SentenceEncoder:
    """The encoder that settings name. Raises M2R2Error when it cannot be read."""
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
