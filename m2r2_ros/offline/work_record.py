# SPDX-License-Identifier: Apache-2.0
"""What the results of a folder were made with, and from which recordings: so that work goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.labels_file import labels_digest
from m2r2_ros.errors import M2R2Error, differences
from m2r2_ros.small_files import open_file

# Between two writings of the record, in times of what the last one took.
_PAUSE = 20.0


class WorkRecord:
    """The file `path`, with an entry a recording; it is whole when the block ends.

    It grows with the data set, so it is written anew for a small part of the time at most: a kill
    loses the notes of the last recordings, which are then done again.
    """

    def __init__(
        self, path: Path, made_with: Mapping[str, Any], before: Mapping[str, Any], remedy: str
    ) -> None:
        """`before` is what a record was made with that is older than such an entry.

        Raises M2R2Error, which ends in `remedy`, when what is there was made in another way.
        """
        self._path, self._before, self._remedy = path, before, remedy
        # As it will be read back, so that it can be compared with it.
        self._made_with = json.loads(json.dumps(made_with))
        self.recordings: dict[str, Any] = self._read() if path.exists() else {}
        self._written_at, self._writing_s, self._is_written = float("-inf"), 0.0, True

    def __enter__(self) -> WorkRecord:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_written:
            self._write()

    def note(self, name: str, entry: dict[str, Any]) -> None:
        """A recording is done."""
        self.recordings[name] = entry
        self._is_written = False
        if time.monotonic() - self._written_at >= _PAUSE * self._writing_s:
            self._write()

    def _read(self) -> dict[str, Any]:
        try:
            with open_file(self._path) as file:
                stored = json.load(file)
            made_with = self._before | stored["made_with"]
            recordings = stored["recordings"]
            known = {key: made_with.get(key) for key in self._made_with}
            differing = differences(known, self._made_with)
            complete = all(isinstance(entry, dict) for entry in recordings.values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise M2R2Error(f"{self._path}: cannot be read: {self._remedy}") from error
        if differing or not complete:
            raise M2R2Error(
                f"{self._path}: what is there was made with other settings "
                f"({differing or 'some are missing'}): {self._remedy}"
            )
        return recordings

    def _write(self) -> None:
        began = time.monotonic()
        content = {"made_with": self._made_with, "recordings": self.recordings}
        with partial_file(self._path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        self._written_at = time.monotonic()
        self._writing_s, self._is_written = self._written_at - began, True


def fingerprint(recording: Path) -> dict[str, Any]:
    """Changes when the recording does, or its labels; cheaper than a hash of gigabytes."""
    files = [recording] if recording.is_file() else filter(Path.is_file, recording.glob("*"))
    states = [file.stat() for file in files]
    fingerprint = {
        "bytes": sum(state.st_size for state in states),
        "modified_ns": max((state.st_mtime_ns for state in states), default=0),
    }
    digest = labels_digest(recording)
    return fingerprint | ({"labels": digest} if digest else {})
