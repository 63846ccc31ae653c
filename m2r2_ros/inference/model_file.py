# SPDX-License-Identifier: Apache-2.0
"""An ONNX file as bytes with its SHA-256: exactly the hashed bytes are run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from m2r2_ros.errors import M2R2Error, why_unreadable
from m2r2_ros.inference.digest_list import check_digest

# Protobuf itself cannot hold more, and two ViT-B/16 with an AST (M2R2 in full) need half of it.
MAX_MODEL_BYTES = 2**31 - 1


@dataclass(frozen=True)
class ModelFile:
    """`sha256` is the hexadecimal digest of `data`."""

    path: Path
    data: bytes
    sha256: str


def read_model(path: str | Path) -> ModelFile:
    """Read an ONNX file.

    Raises M2R2Error when it is missing, empty, unreadable, too large, or a `models.sha256` in its
    folder or the one above does not vouch for it.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file() or size == 0:
            raise M2R2Error(f"{path}: not an ONNX file (empty or not a file)")
        if size > MAX_MODEL_BYTES:
            raise M2R2Error(f"{path}: {size} bytes, a model may have {MAX_MODEL_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise M2R2Error(f"{path}: cannot be read: {why_unreadable(path, error)}") from error
    digest = hashlib.sha256(data).hexdigest()
    check_digest(path, digest)
    return ModelFile(path, data, digest)
