# SPDX-License-Identifier: Apache-2.0
"""Lets in only the page's own requests: its token, this machine's name, no other origin."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A name that another site's owner can point to this machine is none of these.
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::\d{1,5})?")
# Nothing from elsewhere, and no frame of another page around this one.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Gate:
    """An ASGI application in front of another, whose paths begin with a token."""

    def __init__(self, app: App, token: str) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif why := self._refusal(scope):
            await _refuse(send, why)
        else:
            root = f"/{self._token}"
            inside = {**scope, "path": scope["path"][len(root) :], "root_path": ""}
            await self._app(inside, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> str:
        """Why a request does not come from the page, "" when it does."""
        headers = _headers(scope)
        host = headers.get("host", "")
        if not _HOST.fullmatch(host):
            return "this machine is called 127.0.0.1 or localhost"
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return "a request from another origin"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "a request from another site"
        given, slash, _ = scope["path"].removeprefix("/").partition("/")
        if not slash or not secrets.compare_digest(given.encode(), self._token.encode()):
            return "the address lacks the token: copy it as `m2r2 label` has printed it"
        return ""


def _headers(scope: Scope) -> Mapping[str, str]:
    """By name; of one that is there twice all, so that no allowed value hides another."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _with_headers(send: Send) -> Send:
    async def add(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
            message = {**message, "headers": [*message["headers"], *ours]}
        await send(message)

    return add


async def _refuse(send: Send, why: str) -> None:
    body = f"refused: {why}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
