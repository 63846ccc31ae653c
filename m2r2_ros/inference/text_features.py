# SPDX-License-Identifier: Apache-2.0
"""F_text of sentences given at run time: looked up, or computed by an exported text encoder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.inference.array_table import read_arrays
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.session import check_tensors, open_session

_log = logging.getLogger(__name__)

# Sentences and their features, for robots without the package `tokenizers`.
SENTENCES_FILE = "sentences.npz"
# Of that file, packed and unpacked: ten thousand sentences of a large encoder.
MAX_TABLE_BYTES = 2**26
# The text encoder, and the tokenizer that belongs to it.
TEXT_FILE, TOKENIZER_FILE = "text.onnx", "tokenizer.json"
_MAX_TOKENS = 77


def text_features(folder: Path, sentences: Sequence[str], dimension: int) -> np.ndarray:
    """F_text float32 (N, dimension) by the models in `folder`.

    Raises M2R2Error when a sentence is in no table and there is no text encoder to compute it, or
    the features are not finite and of this dimension.
    """
    known = _known(folder / SENTENCES_FILE, dimension)
    new = [text for text in sentences if text not in known]
    for text in new if known else []:
        _log.warning("'%s' is new to %s%s", text, folder, nearest_name(text, known))
    if new:
        known |= dict(zip(new, _computed(folder, new, dimension, known), strict=True))
    features = np.stack([known[text] for text in sentences]).astype(np.float32)
    if not np.isfinite(features).all():
        raise M2R2Error(f"{folder}: its text features hold NaN or inf")
    return features


def _known(path: Path, dimension: int) -> dict[str, np.ndarray]:
    if not os.path.lexists(path):
        return {}
    table = read_arrays(path, {"sentences": "U", "features": "f"}, MAX_TABLE_BYTES)
    sentences, features = table["sentences"], table["features"]
    if sentences.ndim != 1 or features.shape != (len(sentences), dimension):
        raise M2R2Error(
            f"{path}: {sentences.shape} sentences with features {features.shape}, expected (N,) "
            f"with (N, {dimension})"
        )
    return dict(zip(sentences.tolist(), features, strict=True))


def _computed(
    folder: Path, sentences: Sequence[str], dimension: int, known: Iterable[str]
) -> list[np.ndarray]:
    if not (folder / TEXT_FILE).is_file() or not (folder / TOKENIZER_FILE).is_file():
        raise M2R2Error(
            f"{folder}: has no text encoder ({TEXT_FILE}, {TOKENIZER_FILE}), and its "
            f"{SENTENCES_FILE} does not know '{sentences[0]:.80}'"
            f"{nearest_name(sentences[0], known)}"
        )
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError as error:
        raise M2R2Error(
            f"the sentence '{sentences[0]:.80}' is new to {folder}: pip install tokenizers"
        ) from error
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    except Exception as error:  # the library raises bare exceptions.
        raise M2R2Error(f"{folder / TOKENIZER_FILE}: cannot be read: {error}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(_MAX_TOKENS)
    model = read_model(folder / TEXT_FILE)
    session = open_session(model, threads=1, allow_gpu=False)
    inputs = {name: ("int64", (None, None)) for name in ("input_ids", "attention_mask")}
    check_tensors(model, "input", session.get_inputs(), inputs)
    check_tensors(
        model, "output", session.get_outputs(), {"text": ("float", (None, dimension))}, exact=False
    )
    found = []
    for sentence in sentences:
        ids = np.array([tokenizer.encode(sentence).ids], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        try:
            found.append(session.run(["text"], feeds)[0][0])
        except Exception as error:  # onnxruntime's own exceptions share no base class.
            raise M2R2Error(f"{model.path}: failed on '{sentence:.80}': {error}") from error
    return found
