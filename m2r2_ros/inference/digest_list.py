# SPDX-License-Identifier: Apache-2.0
"""`models.sha256`: a list of digests that vouches for the files beside and below it.

Lines are those of `sha256sum`, also with --tag or --binary. A list that is there and cannot be
read, or says nothing of the file, is an error: silence would look like a check.
"""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

from m2r2_ros.errors import M2R2Error
from m2r2_ros.small_files import read_small

DIGESTS_FILE = "models.sha256"
# As many links as Linux follows.
_MAX_LINKS = 40

_PLAIN = re.compile(r"(\\?)(?P<digest>[0-9a-fA-F]{64}) [ *](?P<name>.+)")
_TAGGED = re.compile(r"(\\?)SHA256 \((?P<name>.+)\) = (?P<digest>[0-9a-fA-F]{64})")
_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}


def check_digest(path: Path, digest: str, must_be_listed: bool = True) -> None:
    """Compare a file's SHA-256 with every list in its folder and the one above.

    The folders are those of the path as it is given, of each link on the way, and of the file
    itself. Raises M2R2Error.
    """
    places = _places(path)
    folders = dict.fromkeys(folder for place in places for folder in place.parents[:2])
    for folder in folders:
        entries = _read_list(folder / DIGESTS_FILE)
        if entries is None:
            continue
        expected = [sha256 for name, sha256 in entries if _is_same(folder / name, places)]
        if not expected and must_be_listed:
            raise M2R2Error(
                f"{path}: {folder / DIGESTS_FILE} does not list it: add its line, or remove the "
                "list"
            )
        for wrong in (sha256 for sha256 in expected if sha256 != digest):
            raise M2R2Error(
                f"{path}: is not the file that {folder / DIGESTS_FILE} lists (sha256 "
                f"{digest[:12]}..., expected {wrong[:12]}...): damaged or exchanged"
            )


def _places(path: Path) -> list[Path]:
    """Where the file is: as given, where each link leads, and in the end."""
    places = [Path(os.path.abspath(path))]
    while places[-1].is_symlink() and len(places) < _MAX_LINKS:
        places.append(Path(os.path.abspath(places[-1].parent / os.readlink(places[-1]))))
    return [*places, Path(os.path.realpath(path))]


def _is_same(listed: Path, places: list[Path]) -> bool:
    if Path(os.path.normpath(listed)) in places:
        return True
    # Links are followed only where the name makes it likely: lists may be long.
    has_name = any(listed.name == place.name for place in places)
    return has_name and Path(os.path.realpath(listed)) == places[-1]


def _read_list(path: Path) -> list[tuple[str, str]] | None:
    """Names and digests; None where there is no list."""
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        raise M2R2Error(f"{path}: is no file, so it vouches for nothing: remove it")
    lines = enumerate(_text(path, read_small(path)).split("\n"), 1)
    stripped = ((number, line.rstrip("\r")) for number, line in lines)
    # As `sha256sum --check` does, comments are left out.
    return [_entry(path, n, line) for n, line in stripped if line.strip() and line[0] != "#"]


def _text(path: Path, content: bytes) -> str:
    """PowerShell's `>` writes UTF-16."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not is_wide:
        # As names of files are decoded, which may be in any encoding.
        return content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    try:
        return content.decode("utf-16")
    except UnicodeDecodeError as error:
        raise M2R2Error(f"{path}: is no text: {error.reason}") from error


def _entry(path: Path, number: int, line: str) -> tuple[str, str]:
    found = _PLAIN.fullmatch(line) or _TAGGED.fullmatch(line)
    if not found or "\0" in line:
        raise M2R2Error(f"{path}, line {number}: not a line of sha256sum: {line[:80]}")
    name = found["name"]
    if found[1]:
        name = re.sub(r"\\[\\nr]", lambda escape: _ESCAPES[escape[0]], name)
    return name, found["digest"].lower()
