# SPDX-License-Identifier: Apache-2.0
"""What a verb writes is neither what it reads nor written twice."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from m2r2_ros.datasets.recording_source import BAG_SUFFIXES, REASSEMBLE_SUFFIXES
from m2r2_ros.errors import M2R2Error

# Options that name a file to write; `--out` may be a folder, in which a verb finds its own.
_FILES = {name: f"--{name}" for name in ("json", "plot", "report", "panels")}
_FILES["result_bag"] = "--bag"
# What its user goes on with, and changes.
_BEGINNINGS = {"write": "--write"}
_OUTPUTS = _FILES | _BEGINNINGS | {"out": "--out"}
# Files that take hours to make again, and that no option of `_FILES` writes.
_RECORDINGS = (*BAG_SUFFIXES, *REASSEMBLE_SUFFIXES)
_KEPT = (*_RECORDINGS, ".npz", ".npy", ".onnx", ".mp4", ".yaml", ".txt")


def check_outputs(args: argparse.Namespace) -> None:
    """Raise M2R2Error where a file that is written would take another's place."""
    chosen = {name: path for name, path in vars(args).items() if isinstance(path, Path)}
    written = {name: path for name, path in chosen.items() if name in _OUTPUTS}
    seen: dict[str, str] = {}
    for name, path in written.items():
        place = os.path.realpath(path)
        if place in seen:
            raise M2R2Error(f"{path}: {seen[place]} and {_OUTPUTS[name]} are one file: name two")
        seen[place] = _OUTPUTS[name]
    for path in _read(args):
        name = seen.get(os.path.realpath(path))
        if name and path.is_file():
            raise M2R2Error(f"{path}: is read, and {name} would take its place: name another file")
    for name, option in (_FILES | _BEGINNINGS).items():
        path = written.get(name)
        is_kept = path and (name in _BEGINNINGS or path.suffix.lower() in _KEPT)
        if is_kept and path.is_file():
            raise M2R2Error(f"{path}: {option} would take the place of this file: name another one")


def _read(args: argparse.Namespace) -> Iterator[Path]:
    for name, value in vars(args).items():
        if name not in _OUTPUTS:
            values = value if isinstance(value, list | tuple) else [value]
            yield from (each for each in values if isinstance(each, Path))
