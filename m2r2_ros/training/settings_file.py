# SPDX-License-Identifier: Apache-2.0
"""The values in files of settings, before anything is known of what they are of.

Without torch, so that a file that cannot be read is refused before torch is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.small_files import read_small_text, strict_yaml

# Chain of files that extend each other; longer ones are a circle.
_DEEPEST = 8


def read_values(path: Path, depth: int = 0) -> Any:
    """The entries of a YAML file and of those that it `extends`. Raises M2R2Error if unreadable."""
    text = read_small_text(Path(path))
    try:
        values = strict_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise M2R2Error(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    values = {} if values is None else values
    if depth == _DEEPEST:
        raise M2R2Error(f"{path}: files extend each other more than {_DEEPEST} times")
    return extended(values, Path(path).parent, depth)


def extended(values: Any, folder: Path, depth: int = 0) -> Any:
    """Plain values with those of the file that they name in `extends`, relative to `folder`."""
    if not isinstance(values, dict) or "extends" not in values:
        return values
    changes = dict(values)
    return merged(read_values(folder / str(changes.pop("extends")), depth + 1), changes)


def merged(old: Any, new: Any) -> Any:
    """Plain values of `new` over those of `old`, group by group."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {key: merged(old.get(key), value) for key, value in new.items()}


def check_seed(seed: int, where: str) -> None:
    """Raises M2R2Error for a seed that a generator of NumPy or torch does not take."""
    if not 0 <= seed < 2**32:
        raise M2R2Error(f"{where} must be in [0, {2**32 - 1}], not {brief(seed)}")
