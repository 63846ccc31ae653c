# SPDX-License-Identifier: Apache-2.0
"""The files of a models folder: nothing else is fetched or published."""

from __future__ import annotations

import hashlib
from pathlib import Path

from m2r2_ros.errors import M2R2Error, why_unreadable
from m2r2_ros.inference.digest_list import DIGESTS_FILE, check_digest
from m2r2_ros.inference.model_file import MAX_MODEL_BYTES
from m2r2_ros.inference.models import CARD_FILE, ENCODER_FILE, HEAD_FILE
from m2r2_ros.inference.roboact_encoder import FRAME_FILE
from m2r2_ros.inference.text_features import (
    MAX_TABLE_BYTES,
    SENTENCES_FILE,
    TEXT_FILE,
    TOKENIZER_FILE,
)
from m2r2_ros.small_files import MAX_BYTES

# With the most bytes that each may have.
MODELS_FILES = {
    ENCODER_FILE: MAX_MODEL_BYTES,
    HEAD_FILE: MAX_MODEL_BYTES,
    FRAME_FILE: MAX_MODEL_BYTES,
    TEXT_FILE: MAX_MODEL_BYTES,
    TOKENIZER_FILE: MAX_TABLE_BYTES,
    SENTENCES_FILE: MAX_TABLE_BYTES,
    CARD_FILE: MAX_BYTES,
    DIGESTS_FILE: MAX_BYTES,
}


def check_files(folder: Path) -> dict[str, tuple[int, str]]:
    """Size [bytes] and SHA-256 of each file of a models folder.

    Raises M2R2Error when one is too large or is not what a `models.sha256` lists.
    """
    found = {}
    for name, most_bytes in MODELS_FILES.items():
        path = folder / name
        if path.is_file():
            check_size(path, path.stat().st_size, most_bytes)
            digest = _sha256(path)
            # As where it is read: a list may leave out what is no graph.
            check_digest(path, digest, must_be_listed=path.suffix == ".onnx")
            found[name] = (path.stat().st_size, digest)
    return found


def check_size(what: object, size: int, most_bytes: int) -> None:
    """Raise M2R2Error for a file that is too large."""
    if size > most_bytes:
        raise M2R2Error(f"{what}: has {size} bytes, it may have {most_bytes}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError as error:
        raise M2R2Error(f"{path}: cannot be read: {why_unreadable(path, error)}") from error
    return digest.hexdigest()
