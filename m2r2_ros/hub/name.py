# SPDX-License-Identifier: Apache-2.0
"""The name of a model repository: `org/name`, or `org/name@revision`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from m2r2_ros.errors import M2R2Error

DEFAULT_REVISION = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
# The rules of the hub. A revision is a branch, a tag or a commit, and becomes part of a path.
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
_MAX_LENGTH = 96


@dataclass(frozen=True)
class HubName:
    """`revision` is "" where none was given."""

    repository: str
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision or DEFAULT_REVISION}"

    @classmethod
    def read(cls, text: str) -> HubName | None:
        """None for what is no name, such as a path, also one of a graph."""
        repository, at, revision = text.partition("@")
        if repository.endswith(".onnx"):
            return None
        if not _fits(_REPOSITORY, repository) or (at and not _fits(_REVISION, revision)):
            return None
        return cls(repository, revision)


def repository_name(text: str) -> str:
    """An `org/name` to write to. Raises M2R2Error for another text."""
    if not _fits(_REPOSITORY, text):
        raise M2R2Error(f"'{text}' is no name of a model repository: it is as in org/name")
    return text


def _fits(pattern: re.Pattern[str], text: str) -> bool:
    if len(text) > _MAX_LENGTH or ".." in text or "--" in text:
        return False
    return pattern.fullmatch(text) is not None
