# SPDX-License-Identifier: Apache-2.0
"""Which files make up a bag: as metadata.yaml says, or as they lie there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from m2r2_ros.datasets.bag_metadata import METADATA_FILE
from m2r2_ros.datasets.damage import reindex
from m2r2_ros.datasets.recording_source import BAG_SUFFIXES
from m2r2_ros.errors import M2R2Error

# A recorder's compression mode "file" adds this.
PACKED = ".zstd"


def is_bag_folder(path: Path) -> bool:
    """Whether a folder is one bag: with metadata.yaml, or the parts of one recording without it.

    A folder of bags with a single file beside them is none.
    """
    if not path.is_dir():
        return False
    if (path / METADATA_FILE).exists():
        return True
    is_one = _is_one_recording(list(storage_files(path)))
    return is_one and not any((each / METADATA_FILE).exists() for each in path.iterdir())


def storage_files(folder: Path) -> Iterator[Path]:
    """The storage files in a folder, compressed ones too, in the recorder's order."""
    files = [file for file in folder.iterdir() if _suffix(file) in BAG_SUFFIXES]
    yield from sorted((file for file in files if file.is_file()), key=_place)


def choose_files(folder: Path, stated: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The files to read of a bag folder whose metadata names `stated`, and what is odd about that.

    Raises M2R2Error when there is none, or a part of the bag is missing.
    """
    there = list(storage_files(folder))
    problems = []
    if len(set(stated)) < len(stated):
        problems.append(f"{METADATA_FILE} names a file twice, it is read once")
    found = {name: _find(folder, name) for name in dict.fromkeys(stated)}
    named = [file for file in found.values() if file is not None]
    missing = [name for name, file in found.items() if file is None]
    others = [file for file in there if file not in named]
    if not named and not others:
        what = "it holds no .mcap or .db3"
        if missing:
            what = f"the file {missing[0]} is missing: copy the whole folder"
        raise M2R2Error(f"{folder}: cannot read this bag: {what}")
    if missing and (named or not _is_one_recording(others)):
        raise M2R2Error(
            f"{folder}: {len(missing)} of {len(found)} files are missing, the first is "
            f"{missing[0]}: copy them again, or {reindex(folder)}"
        )
    if missing:
        problems.append(
            f"{METADATA_FILE} names {missing[0]}, {others[0].name} is read; {reindex(folder)}"
        )
    elif not stated and not _is_one_recording(others):
        raise M2R2Error(
            f"{folder}: cannot read this bag: its {len(others)} files are not parts of one "
            f"recording, give one of them; or {reindex(folder)}"
        )
    elif stated and others:
        names = f"{others[0].name} is" if len(others) == 1 else f"{len(others)} files are"
        problems.append(f"{names} not named in {METADATA_FILE} and not read; {reindex(folder)}")
    return named or others, problems


def _find(folder: Path, name: str) -> Path | None:
    """A file under its name in metadata.yaml, or since compressed or decompressed."""
    names = (name, name + PACKED, name.removesuffix(PACKED))
    return next((folder / each for each in names if (folder / each).is_file()), None)


def _is_one_recording(files: Sequence[Path]) -> bool:
    """Recorders number the parts of a recording from 0: NAME_0.mcap, NAME_1.mcap, ..."""
    names = {_place(file)[0] for file in files}
    numbers = sorted(_place(file)[1] for file in files)
    return len(files) == 1 or (len(names) == 1 and numbers == list(range(len(files))))


def _place(file: Path) -> tuple[str, int, str]:
    """A file's name without its number, and the number, -1 without one."""
    whole = Path(file.name.removesuffix(PACKED))
    found = re.fullmatch(r"(.*)_(\d{1,9})", whole.stem)
    name, number = (found[1], int(found[2])) if found else (whole.stem, -1)
    return name + whole.suffix, number, file.name


def _suffix(file: Path) -> str:
    return Path(file.name.removesuffix(PACKED)).suffix
