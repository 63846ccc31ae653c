# SPDX-License-Identifier: Apache-2.0
"""A revision of a model repository as a folder of the hub's cache, fetched where it is not there.

The folder has the files of a models folder and no others, of one commit. Where the hub cannot be
reached, or HF_HUB_OFFLINE is set, it is the commit that the cache knows by this revision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from m2r2_ros.errors import M2R2Error
from m2r2_ros.hub.files import MODELS_FILES, check_files, check_size
from m2r2_ros.hub.library import is_refused, library, troubles, why
from m2r2_ros.hub.name import COMMIT, DEFAULT_REVISION, HubName
from m2r2_ros.inference.digest_list import DIGESTS_FILE
from m2r2_ros.inference.models import ENCODER_FILE

Say = Callable[[str], None]


def fetch(name: HubName, say: Say) -> Path:
    """The models folder; `say` hears which commit it is. Raises M2R2Error."""
    hub = library(name)
    with troubles(hub, name):
        folder = _fetched(hub, name, say)
        if not COMMIT.fullmatch(folder.name):
            raise M2R2Error(f"{name}: the hub's cache has no commit but '{folder.name}'")
        try:
            found = check_files(folder)
        except M2R2Error as error:
            raise M2R2Error(
                f"{name}, commit {folder.name}: {error}; to fetch it again remove "
                f"{folder.parents[1]}"
            ) from error
    if ENCODER_FILE not in found:
        raise M2R2Error(f"{name}: this repository has no {ENCODER_FILE}: it holds no models")
    if DIGESTS_FILE not in found:
        say(f"{name}: has no {DIGESTS_FILE}: only the hub vouches for its files")
    return folder


def _fetched(hub: ModuleType, name: HubName, say: Say) -> Path:
    try:
        files = _snapshot(hub, name, dry_run=True)
    except hub.errors.RevisionNotFoundError:
        raise
    except (hub.errors.DryRunError, *hub.errors.HfHubHTTPError.__bases__) as error:
        cause = error.__cause__ if isinstance(error, hub.errors.DryRunError) else error
        if is_refused(hub, cause):
            raise cause from None
        return _cached(hub, name, cause, say)
    commit = _one_commit(name, files)
    bytes_to_fetch = sum(_size(name, file) for file in files if file.will_download)
    if not bytes_to_fetch:
        say(f"{name}: commit {commit}, from the cache")
    else:
        say(f"{name}: fetching commit {commit}, {bytes_to_fetch / 1e6:.1f} MB")
    pinned = HubName(name.repository, commit)
    return Path(_snapshot(hub, pinned, tqdm_class=_bounded(hub, name, bytes_to_fetch)))


def _cached(hub: ModuleType, name: HubName, cause: BaseException | None, say: Say) -> Path:
    try:
        folder = Path(_snapshot(hub, name, local_files_only=True))
    except hub.errors.LocalEntryNotFoundError as error:
        raise error from cause
    reason = "HF_HUB_OFFLINE is set" if hub.constants.is_offline_mode() else why(hub, cause)
    say(f"{name}: commit {folder.name} of the cache, without asking the hub: {reason}")
    return folder


def _snapshot(hub: ModuleType, name: HubName, **how: Any) -> Any:
    # Exact names: a pattern of the library is a glob, and none of these holds a wildcard.
    how.setdefault("tqdm_class", _bounded(hub, name, 0))
    return hub.snapshot_download(
        name.repository,
        revision=name.revision or DEFAULT_REVISION,
        allow_patterns=list(MODELS_FILES),
        **how,
    )


def _one_commit(name: HubName, files: Sequence[Any]) -> str:
    commits = {file.commit_hash for file in files}
    if not commits:
        raise M2R2Error(f"{name}: this repository has no {ENCODER_FILE}: it holds no models")
    if len(commits) > 1 or not COMMIT.fullmatch(commit := commits.pop()):
        raise M2R2Error(f"{name}: the hub names no commit")
    return commit


def _size(name: HubName, file: Any) -> int:
    """Its size [bytes], where the hub does not say the most that it may have."""
    most_bytes = MODELS_FILES[file.filename]
    size = most_bytes if file.file_size is None else file.file_size
    check_size(f"{name}: {file.filename}", size, most_bytes)
    return size


def _bounded(hub: ModuleType, name: HubName, most_bytes: int) -> type:
    """A progress bar that ends a download which brings more than was announced."""

    class BoundedBar(hub.utils.tqdm):
        came = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.is_of_bytes = kwargs.get("unit") == "B"
            # None: shown at a terminal alone.
            super().__init__(*args, **{**kwargs, "disable": None if most_bytes else True})

        def update(self, n: float | None = 1) -> bool | None:
            self.came += n or 0
            if self.is_of_bytes and self.came > most_bytes:
                raise M2R2Error(f"{name}: the hub sends more than the {most_bytes} bytes announced")
            return super().update(n)

    return BoundedBar
