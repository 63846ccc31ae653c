# SPDX-License-Identifier: Apache-2.0
"""A model hub on this machine that speaks the Hugging Face hub's protocol as far as we use it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from fake_endpoint import serving

TOKEN = "hf_secretOfThisTest"
_API = re.compile(r"/api/models/([\w.-]+/[\w.-]+)(?:/(\w+)/([^/]+))?")
_FILE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """`commits`: commit -> path -> content; `refs`: branch or tag -> commit."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"0" * 40: {}})
    refs: dict[str, str] = field(default_factory=lambda: {"main": "0" * 40})

    def commit(self, files: dict[str, bytes], ref: str = "main") -> str:
        digest = hashlib.sha1(repr((sorted(files.items()), len(self.commits))).encode())
        commit = digest.hexdigest()
        self.commits[commit], self.refs[ref] = dict(files), commit
        return commit

    def at(self, revision: str) -> str | None:
        commit = self.refs.get(revision, revision)
        return commit if commit in self.commits else None


class FakeHub:
    """`asked` lists method and path of every request. The other fields make it misbehave.

    cut        file -> how many of its bytes are sent before the connection breaks.
    announced  file -> the size that it is said to have.
    endless    files whose content does not end.
    refuse     status with which every request is refused, with the token in the complaint.
    card       what is wrong with every card.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.asked: list[str] = []
        self.url = ""
        self.behave()

    def behave(self) -> None:
        self.cut: dict[str, int] = {}
        self.announced: dict[str, int] = {}
        self.endless: set[str] = set()
        self.refuse = 0
        self.card = ""

    def publish(self, name: str, files: dict[str, bytes], ref: str = "main") -> str:
        return self.repositories.setdefault(name, Repository()).commit(files, ref)

    @contextmanager
    def running(self) -> Iterator[FakeHub]:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        with serving(Handler) as self.url:
            yield self


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def do_HEAD(self) -> None:
        self._answer()

    do_GET = do_POST = do_HEAD

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.asked.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if hub.refuse:
            self._json({"error": f"no, {token}"}, hub.refuse)
        elif path == "/api/validate-yaml":
            errors = [{"message": hub.card}] if hub.card else []
            self._json({"errors": errors, "warnings": []}, 400 if errors else 200)
        elif path == "/api/repos/create":
            self._create(json.loads(body), token)
        elif found := _FILE.fullmatch(path):
            self._file(*found.groups())
        elif found := _API.fullmatch(path):
            self._api(*found.groups(), body, token)
        else:
            self._json({"error": "what?"}, 400)

    def _repository(self, name: str, revision: str) -> tuple[Repository, str] | None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            self._json({"error": "none"}, 404, {"X-Error-Code": "RepoNotFound"})
            return None
        commit = repository.at(revision)
        if commit is None:
            self._json({"error": "none"}, 404, {"X-Error-Code": "RevisionNotFound"})
            return None
        return repository, commit

    def _create(self, wish: dict[str, Any], token: str) -> None:
        name = f"{wish['organization']}/{wish['name']}"
        if token != TOKEN:
            self._json({"error": f"who is {token}?"}, 401)
            return
        status = 409 if name in self.hub.repositories else 200
        private = wish.get("private") is True or wish.get("visibility") == "private"
        self.hub.repositories.setdefault(name, Repository(private=private))
        self._json({"url": f"{self.hub.url}/{name}", "error": "there"}, status)

    def _api(self, name: str, what: str | None, revision: str | None, body: bytes, token: str):
        found = self._repository(name, revision or "main")
        if found is None:
            return
        repository, commit = found
        files = repository.commits[commit]
        if what in (None, "revision"):
            siblings = [{"rfilename": path} for path in files]
            about = {"id": name, "sha": commit, "private": repository.private}
            self._json({**about, "siblings": siblings, "tags": [], "downloads": 0})
        elif what == "tree":
            self._json([self._entry(path, content) for path, content in files.items()])
        elif what == "preupload":
            asked = json.loads(body)["files"]
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            self._json({"files": [{"path": file["path"], **modes} for file in asked]})
        elif what == "commit" and token == TOKEN:
            self._commit(repository, files, body)
        else:
            self._json({"error": f"not with {token}"}, 403)

    def _commit(self, repository: Repository, before: dict[str, bytes], body: bytes) -> None:
        files = dict(before)
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                del files[line["value"]["path"]]
        commit = repository.commit(files)
        self._json({"commitUrl": f"{self.hub.url}/x/y/commit/{commit}", "commitOid": commit})

    def _entry(self, path: str, content: bytes) -> dict[str, Any]:
        size = self.hub.announced.get(path, len(content))
        return {"type": "file", "path": path, "size": size, "oid": git_sha1(content)}

    def _file(self, name: str, revision: str, path: str) -> None:
        found = self._repository(name, revision)
        if found is None:
            return
        content = found[0].commits[found[1]].get(path)
        if content is None:
            self._json({"error": "none"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", found[1])
        self.send_header("ETag", f'"{git_sha1(content)}"')
        is_endless = path in self.hub.endless and self.command == "GET"
        if is_endless:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            size = self.hub.announced.get(path, len(content))
            self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command == "HEAD":
            return
        while is_endless:
            self.wfile.write(bytes(2**20))
        if path in self.hub.cut:
            self.wfile.write(content[: self.hub.cut[path]])
            self.close_connection = True
        else:
            self.wfile.write(content)

    def _json(
        self, value: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for key, text in (headers or {}).items():
            self.send_header(key, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def move(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """As HF_ENDPOINT does, which the library reads when it is imported."""
    from huggingface_hub import constants

    files = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + files)
