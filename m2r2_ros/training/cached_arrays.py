# SPDX-License-Identifier: Apache-2.0
"""Folders of .npy files with computed arrays; a damaged folder counts as missing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error

_log = logging.getLogger(__name__)


def map_array(path: Path) -> np.ndarray:
    """A .npy file of numbers, mapped into memory. Raises M2R2Error when it is damaged."""
    try:
        if not path.is_file():
            raise ValueError("it is not there")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.memmap):
            raise ValueError("it is no single array")
        # A header that was changed seldom fits the file.
        if array.offset + array.nbytes != path.stat().st_size:
            raise ValueError(f"its size does not fit {array.dtype} {array.shape}")
        if array.dtype.kind not in "fub" or not array.dtype.isnative or not array.ndim:
            raise ValueError(f"it holds {array.dtype} {array.shape}")
    except (
        OSError, ValueError, EOFError, SyntaxError, TypeError, OverflowError, TokenError
    ) as error:  # fmt: skip
        raise M2R2Error(f"{path}: damaged: {error}") from error
    return array


def is_intact(place: Path, load: Callable[[Path], Any]) -> bool:
    """Whether `place` is there and `load` can read it. One that is damaged is named in the log."""
    if not place.is_dir():
        return False
    try:
        load(place)
    except M2R2Error as error:
        _log.warning("%s; it is made anew", error)
        return False
    return True
