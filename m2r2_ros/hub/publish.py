# SPDX-License-Identifier: Apache-2.0
"""A models folder becomes a model repository on the Hugging Face hub, in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from m2r2_ros import __version__
from m2r2_ros.errors import M2R2Error, nearest_path
from m2r2_ros.hub.files import MODELS_FILES, check_files
from m2r2_ros.hub.library import library, troubles
from m2r2_ros.hub.name import HubName, repository_name
from m2r2_ros.hub.repository_card import PAGE_FILE, repository_card
from m2r2_ros.inference.digest_list import DIGESTS_FILE
from m2r2_ros.inference.metadata import RoboActMetadata
from m2r2_ros.inference.models import ENCODER_FILE, HEAD_FILE, Models, open_encoder
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata


@dataclass(frozen=True)
class Publication:
    """What is uploaded: `files` lie in the folder (size, SHA-256), `texts` are written for it."""

    folder: Path
    repository: str
    files: dict[str, tuple[int, str]]
    texts: dict[str, bytes]
    left_out: list[str]

    def lines(self) -> list[str]:
        """What a user sees before anything is sent."""
        sizes = {name: size for name, (size, _) in self.files.items()}
        sizes |= {name: len(text) for name, text in self.texts.items()}
        lines = [f"  {name:<16} {size:>12} bytes" for name, size in sorted(sizes.items())]
        if self.left_out:
            lines.append(f"  left out: {', '.join(self.left_out)}")
        return lines


def prepare(folder: Path, repository: str, licence: str = "") -> Publication:
    """Check that the folder's models load and belong together. Raises M2R2Error."""
    repository_name(repository)
    if not folder.is_dir():
        raise M2R2Error(f"{folder}: no such models folder{nearest_path(folder)}")
    files = check_files(folder)
    _check_models(folder)
    listed = {name: digest for name, (_, digest) in files.items() if name != DIGESTS_FILE}
    digests = "".join(f"{digest}  {name}\n" for name, digest in sorted(listed.items()))
    texts = {
        DIGESTS_FILE: digests.encode(),
        PAGE_FILE: repository_card(folder, repository, licence).encode(),
    }
    files.pop(DIGESTS_FILE, None)
    there = sorted(path.name for path in folder.iterdir())
    left_out = [name for name in there if name not in MODELS_FILES]
    return Publication(folder, repository, files, texts, left_out)


def publish(publication: Publication, private: bool) -> str:
    """Upload; returns the commit. Raises M2R2Error, also where there is no token."""
    name = HubName(publication.repository)
    hub = library(name.repository)
    token = _token(hub)
    with troubles(hub, name):
        api = hub.HfApi(token=token, library_name="m2r2_ros", library_version=__version__)
        api.create_repo(name.repository, private=private or None, exist_ok=True)
        there = api.model_info(name.repository)
        if private and not there.private:
            raise M2R2Error(f"{name.repository}: is public already: publish without --private")
        commit = api.create_commit(
            name.repository,
            _operations(hub, publication, {file.rfilename for file in there.siblings or ()}),
            commit_message=f"Publish models with m2r2_ros {__version__}",
        )
        return commit.oid


def _check_models(folder: Path) -> None:
    """A RoboAct encoder does without a head: actions are named where it is used."""
    if not (folder / HEAD_FILE).is_file() and (folder / ENCODER_FILE).is_file():
        metadata = read_encoder_metadata(folder / ENCODER_FILE)
        if isinstance(metadata, RoboActMetadata):
            open_encoder(folder / ENCODER_FILE)
            return
    Models.load(folder)


def _operations(hub: ModuleType, publication: Publication, there: set[str]) -> list[Any]:
    """Files of a models folder that this one lacks are removed: they belong to other models."""
    content: dict[str, Any] = {name: publication.folder / name for name in publication.files}
    content |= publication.texts
    added = [hub.CommitOperationAdd(name, what) for name, what in sorted(content.items())]
    stale = sorted((there & MODELS_FILES.keys()) - content.keys())
    return [*added, *(hub.CommitOperationDelete(name) for name in stale)]


def _token(hub: ModuleType) -> str:
    token = hub.get_token() or ""
    if not token:
        raise M2R2Error("publishing needs a token: set HF_TOKEN or log in with `hf auth login`")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise M2R2Error("HF_TOKEN holds something that is no token")
    return token
