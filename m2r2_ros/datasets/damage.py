# SPDX-License-Identifier: Apache-2.0
"""The usual damage of recordings, told from a file's first bytes, and what mends it."""

from __future__ import annotations

from pathlib import Path

MCAP = "mcap"
SQLITE = "sqlite3"
ZSTD = "zstd"
HDF5 = "hdf5"
ZIP = "zip"

_MAGIC = {
    b"\x89MCAP0\r\n": MCAP,
    b"SQLite format 3\0": SQLITE,
    b"\x28\xb5\x2f\xfd": ZSTD,
    b"\x89HDF\r\n\x1a\n": HDF5,
    b"PK\x03\x04": ZIP,
}
# First bytes of files that stand where a recording should, and why.
_STRANGERS = {
    b"version https://git-lfs": "is a git-LFS pointer, not the file itself: `git lfs pull`",
    b"#ROSBAG V": "is a ROS 1 bag: `rosbags-convert --src {path} --dst {stem}` makes a ROS 2 bag",
    b"\x1f\x8b": "is compressed with gzip: `gunzip {path}`",
    b"BZh": "is compressed with bzip2: `bunzip2 {path}`",
    b"\xfd7zXZ": "is compressed with xz: `unxz {path}`",
    b"\x04\x22\x4d\x18": "is compressed with lz4: `unlz4 {path}`",
    b"<!doctype html": "is a web page, not the file that it links to: download it again",
    b"<html": "is a web page, not the file that it links to: download it again",
}
_KINDS = {
    MCAP: "is an MCAP file: name it .mcap",
    SQLITE: "is an SQLite file: name it .db3 if it is a bag",
    ZSTD: "is compressed with zstd: give the bag's folder, or `unzstd {path}`",
    HDF5: "is an HDF5 file: name it .h5",
    ZIP: "is a zip archive: `unzip {path}`",
}
_HEAD_BYTES = 64


def file_kind(path: Path) -> str:
    """MCAP, SQLITE, ZSTD, HDF5 or ZIP by a file's first bytes; "" for anything else."""
    head = _head(path)
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


def what_it_is(path: Path) -> str:
    """What a file is that is not what was expected, and the remedy; "" if it is not known."""
    head = _head(path)
    if not head.strip(b"\0"):
        return _emptiness(path)
    reasons = {**_STRANGERS, **{magic: _KINDS[kind] for magic, kind in _MAGIC.items()}}
    lower = head.lower()
    reason = next((why for magic, why in reasons.items() if head.startswith(magic)), "")
    reason = reason or next((why for magic, why in reasons.items() if lower.startswith(magic)), "")
    return reason.format(path=path, stem=path.with_suffix(""))


def reindex(folder: Path) -> str:
    """Remedy for a metadata.yaml that is absent or wrong."""
    return f"`ros2 bag reindex {folder}` writes a right one"


def recover(file: Path) -> str:
    """Remedy for a storage file that breaks off or is damaged."""
    if file.suffix == ".mcap":
        return f"`mcap recover {file} -o {file.stem}_recovered.mcap` writes a clean file"
    return f"`sqlite3 {file} .recover | sqlite3 {file.stem}_recovered.db3` saves what is left"


def _emptiness(path: Path) -> str:
    if path.exists() and not path.is_file():
        return "is no file but a pipe or a device: give a file"
    size = path.stat().st_size if path.is_file() else 0
    return "begins with zeros: its disk lost what was written" if size else "is empty"


def _head(path: Path) -> bytes:
    # A pipe would be waited for, without an end.
    if not path.is_file():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf")
    except OSError:
        return b""
