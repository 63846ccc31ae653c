# SPDX-License-Identifier: Apache-2.0
"""`vocabulary.yaml`, beside recordings and in a folder of features."""

from __future__ import annotations

from pathlib import Path

import yaml

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.small_files import read_small_text, strict_yaml
from m2r2_ros.vocabulary import Vocabulary

VOCABULARY_FILE = "vocabulary.yaml"


def read_vocabulary(path: Path) -> Vocabulary:
    """Raises M2R2Error that names the file."""
    text = read_small_text(path)
    try:
        return Vocabulary.from_dict(strict_yaml(text))
    # Numbers and dates that YAML takes for such but Python refuses are a ValueError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise M2R2Error(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error


def find_vocabulary(folder: Path) -> Vocabulary | None:
    """A folder's own, None where it has none. Raises M2R2Error."""
    path = folder / VOCABULARY_FILE
    return read_vocabulary(path) if path.exists() else None


def write_vocabulary(folder: Path, vocabulary: Vocabulary) -> None:
    """Write a folder's vocabulary, to appear when it is complete."""
    with partial_file(folder / VOCABULARY_FILE) as temporary:
        yaml_text = yaml.safe_dump(vocabulary.to_dict(), sort_keys=False, allow_unicode=True)
        temporary.write_text(yaml_text, "utf-8")


def carry_vocabulary(source: Path, target: Path) -> None:
    """Copy a folder's vocabulary, if it has one, to where its recordings go.

    Raises M2R2Error when another one is there.
    """
    vocabulary = find_vocabulary(source)
    if vocabulary is None:
        return
    there = find_vocabulary(target)
    if there not in (None, vocabulary):
        both = f"{source / VOCABULARY_FILE} and {target / VOCABULARY_FILE}"
        raise M2R2Error(f"{both} differ: choose another --out")
    if there is None:
        write_vocabulary(target, vocabulary)
