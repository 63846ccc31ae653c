# SPDX-License-Identifier: Apache-2.0
"""`m2r2 label` as a program of its own, and requests to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from recordings import recording
from source_tree import ROOT

# A recording that nobody has labelled.
DATA = replace(recording(12.0), actions=[])


class LabelServer:
    """A running server; `recordings` and further arguments as on the command line."""

    def __init__(self, cache: Path, *arguments: object, port: int = 0) -> None:
        command = [sys.executable, "-m", "m2r2_ros.cli.main", "label"]
        self.process = subprocess.Popen(
            [*command, *map(str, arguments), "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)},
        )
        line = self.process.stdout.readline()
        if not line.startswith("open "):
            raise AssertionError(f"no address: {line}{self.process.stderr.read()}")
        self.url = line.removeprefix("open ").strip()
        parts = urlsplit(self.url)
        self.port, self.root = parts.port, parts.path

    def __enter__(self) -> LabelServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """At once, as a crash would end it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()

    def ask(
        self, path: str, method: str = "GET", body: object = None, raw: bool = False, **headers: str
    ) -> tuple[int, bytes]:
        """Status and body of a request below the token, or of a `raw` path."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=300)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path if raw else self.root + path, data, names)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            with suppress(OSError):
                connection.close()

    def json(self, path: str) -> object:
        """The answer to a request that succeeds."""
        status, body = self.ask(path)
        assert status == 200, body
        return json.loads(body)

    def save(self, base: str, labels: list, cuts: tuple = ()) -> tuple[int, dict]:
        """Status and what the server says is there now."""
        content = {"base": base, "labels": labels, "cuts": list(cuts), "complete": False}
        status, body = self.ask("api/0/labels", "PUT", content)
        return status, json.loads(body)


def label(start: float, end: float, name: str, source: str = "human") -> dict:
    """As the page sends it."""
    return {
        "start": start,
        "end": end,
        "label": name,
        "outcome": None,
        "source": source,
        "confidence": 1.0,
    }
