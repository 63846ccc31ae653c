# SPDX-License-Identifier: Apache-2.0
"""A language model's endpoint on this machine that knows the answers and has bad days."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What can go wrong with a request, beside nothing.
FAULTS = ("429", "500", "junk", "not json", "wrong json", "half", "cut", "silence", "hang up")


class QuietServer(ThreadingHTTPServer):
    """Says nothing about a client that has gone before its answer came."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on this machine, http://host:port, that runs meanwhile."""
    server = QuietServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class FakeEndpoint:
    """`answers`: text -> what the model says. `faults`: text -> what goes wrong, in turn.

    asked     requests for each text, and those that got the whole, valid answer.
    """

    def __init__(self, answers: dict[str, Any], faults: dict[str, list[str]] | None = None) -> None:
        self.answers = answers
        self.faults = {text: list(names) for text, names in (faults or {}).items()}
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.silence_s = 2.0
        self.refuse_with: int | None = None
        self.url = ""
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[FakeEndpoint]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                endpoint.handle(self)

            def log_message(self, *_: object) -> None:
                pass

        with serving(Handler) as address:
            self.url = f"{address}/v1"
            yield self

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        with self._lock:
            self.asked[text] += 1
            waiting = self.faults.get(text)
            fault = waiting.pop(0) if waiting else ""
        key = request.headers["Authorization"]
        if self.refuse_with is not None:
            self._send(request, self.refuse_with, {"error": {"message": f"no: {key}"}})
        elif fault in ("429", "500"):
            # Servers are known to repeat what they were sent.
            self._send(request, int(fault), {"error": {"message": f"busy, {key}"}}, echo=key)
        elif fault == "junk":
            self._send(request, 200, f"<html>{key}</html>")
        elif fault == "cut":
            whole = json.dumps(chat(json.dumps(self.answers[text])))
            self._send(request, 200, whole[: len(whole) // 2], promise=len(whole))
        elif fault == "silence":
            time.sleep(self.silence_s)
            request.close_connection = True
        elif fault == "hang up":
            request.close_connection = True
        elif fault == "half":
            said = json.dumps(self.answers[text])
            self._send(request, 200, chat(said[: len(said) // 2], "length"))
        elif fault == "not json":
            self._send(request, 200, chat("I am afraid I cannot do that."))
        elif fault == "wrong json":
            self._send(request, 200, chat('{"subject": "dog", "actions": [{"verb": 3}]}'))
        else:
            with self._lock:
                self.answered[text] += 1
            self._send(request, 200, chat(json.dumps(self.answers[text])))

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        content: Any,
        promise: int | None = None,
        echo: str | None = None,
    ) -> None:
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(promise or len(data)))
        if status == 429:
            request.send_header("Retry-After", "0")
        if echo:
            request.send_header("X-Echo", echo)
        request.end_headers()
        request.wfile.write(data)
        request.close_connection = promise is not None


def chat(said: str, finish: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": said}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
