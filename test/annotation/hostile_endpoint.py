# SPDX-License-Identifier: Apache-2.0
"""An endpoint on this machine that sends everything but what it was asked for, once a text."""

from __future__ import annotations

import gzip
import json
import random
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any

from fake_endpoint import chat, serving

Fault = Callable[[BaseHTTPRequestHandler, "HostileEndpoint"], None]


def faults(seed: int = 11) -> dict[str, Fault]:
    """At least 50 ways to answer, by name; sizes and pauses are chosen by chance."""
    chance = random.Random(seed)
    found: dict[str, Fault] = {}
    for name, words in _WORDS.items():
        said = {"subject": "robot", "actions": [{"action": words, "object": "cup"}]}
        found[f"words: {name}"] = _body(json.dumps(chat(json.dumps(said))))
        said["actions"][0] = {"action": "lift", "object": words}
        found[f"object: {name}"] = _body(json.dumps(chat(json.dumps(said))))
    for name, body in _BODIES.items():
        found[f"body: {name}"] = _body(body)
    for coding in ("gzip", "deflate", "br", "zstd", "x-unknown", "gzip, gzip"):
        for status in (200, 500):
            size = chance.choice([2**24, 2**26, 2**27])
            found[f"bomb: {coding} {status}"] = _bomb(coding, status, size)
    for name in ("status", "headers", "body", "chunks", "informational"):
        found[f"drip: {name}"] = _drip(name, chance.uniform(0.05, 0.3))
    for status in (200, 429, 500):
        found[f"endless: {status}"] = _endless(status, chance.choice([2**10, 2**16, 2**20]))
    for wait in ("nan", "inf", "-inf", "-5", "1e999", "soon", "\x1b[31m", "0x10"):
        found[f"retry after {wait!r}"] = _body("{}", 429, {"Retry-After": wait})
    found["redirect: to itself"] = _body("", 302, {"Location": "/v1/chat/completions"})
    found["redirect: nowhere"] = _body("", 307, {"Location": "http://127.0.0.1:9/"})
    for name, raw in _RAW.items():
        found[f"raw: {name}"] = _raw(raw)
    return found


_WORDS = {
    "surrogate": "li\ud800ft",
    "surrogates the wrong way": "\udc00\ud800",
    "escape": "\x1b[2J",
    "NUL": "lift\0",
    "bell": "lift\x07 it",
    "C1": "lift\x9b31m",
    "long": "lift " * 100,
}
_BODIES = {
    "text": json.dumps("hello"),
    "number": "3",
    "null": "null",
    "list": "[]",
    "deep": "[" * 200_000,
    "deep choices": '{"choices": ' + '[{"a":' * 5000,
    "deep content": json.dumps(chat('{"a":' * 15_000)),
    "endless number": '{"choices": ' + "9" * 10_000 + "}",
    "choices text": '{"choices": "abc"}',
    "choices object": '{"choices": {"a": 1}}',
    "choices list": '{"choices": [[]]}',
    "choices null": '{"choices": [null]}',
    "message text": '{"choices": [{"message": "hello"}]}',
    "no finish": '{"choices": [{"message": {"content": "{}"}}]}',
    "content number": '{"choices": [{"finish_reason": "stop", "message": {"content": 3}}]}',
    "content list": '{"choices": [{"finish_reason": "stop", "message": {"content": [{}]}}]}',
    "content null": '{"choices": [{"finish_reason": "stop", "message": {"content": null}}]}',
    "NaN": '{"choices": NaN}',
    "not UTF-8": b'{"choices": "\xff\xfe"}',
    "UTF-16": json.dumps(chat("{}")).encode("utf-16"),
    "nothing": "",
}
_RAW = {
    "garbage": b"\x00\xff" * 500,
    "HTTP/0.9": b"hello\n",
    "long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nhello",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "status 999": b"HTTP/1.1 999 \x1b[31m\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
}


class HostileEndpoint:
    """The first question about a text meets its fault, the second gets its answer."""

    def __init__(self, answers: dict[str, Any], hostile: dict[str, Fault]) -> None:
        self.answers, self.hostile = answers, dict(hostile)
        self.asked: Counter[str] = Counter()
        self.was_asked, self.ended = threading.Event(), threading.Event()
        self.url = ""

    @contextmanager
    def running(self) -> Iterator[HostileEndpoint]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.close_connection = True
                # Whoever asked may have had enough.
                with suppress(OSError):
                    endpoint._answer(self)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        with serving(Handler) as address:
            self.url = f"{address}/v1"
            try:
                yield self
            finally:
                self.ended.set()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        # A redirection makes a GET of it, which asks about nothing.
        text = json.loads(body)["messages"][-1]["content"] if body else ""
        self.asked[text] += 1
        self.was_asked.set()
        fault = self.hostile.pop(text, None) or _body(
            json.dumps(chat(json.dumps(self.answers.get(text))))
        )
        fault(request, self)


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} It is", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _body(body: str | bytes, status: int = 200, more: dict[str, str] | None = None) -> Fault:
    data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    plain = {"Content-Type": "application/json", "Content-Length": str(len(data))}
    return _raw(_head(status, plain | (more or {})) + data)


def _raw(data: bytes) -> Fault:
    return lambda request, _: _send(request, data)


def _send(request: BaseHTTPRequestHandler, data: bytes) -> None:
    request.wfile.write(data)
    request.wfile.flush()


def _bomb(coding: str, status: int, size: int) -> Fault:
    packed = _zeros("gzip" in coding, size)
    if coding == "gzip, gzip":
        packed = gzip.compress(packed)
    return _body(packed, status, {"Content-Encoding": coding})


@cache
def _zeros(as_gzip: bool, size: int) -> bytes:
    zeros = bytes(size)
    return gzip.compress(zeros, 1) if as_gzip else zlib.compress(zeros, 1)


def _drip(part: str, pause_s: float) -> Fault:
    """A byte now and then, which no limit on a single wait ends."""
    chunked = _head(200, {"Transfer-Encoding": "chunked"})
    before, again = {
        "status": (b"", b"H"),
        "headers": (b"HTTP/1.1 200 OK\r\n", b"x"),
        "body": (_head(200, {"Content-Length": "900000"}), b" "),
        "chunks": (chunked, b"1\r\n \r\n"),
        "informational": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    }[part]

    def drip(request: BaseHTTPRequestHandler, endpoint: HostileEndpoint) -> None:
        _send(request, before)
        while not endpoint.ended.wait(pause_s):
            _send(request, again)

    return drip


def _endless(status: int, size: int) -> Fault:
    def pour(request: BaseHTTPRequestHandler, endpoint: HostileEndpoint) -> None:
        _send(request, _head(status, {"Content-Type": "application/json"}))
        while not endpoint.ended.is_set():
            _send(request, b" " * size)

    return pour
