# SPDX-License-Identifier: Apache-2.0
"""What the page asks the server for. Recordings, cameras and parts are asked for by number only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from m2r2_ros.datasets.annotations import MAX_JSON_BYTES
from m2r2_ros.datasets.clocks import MAX_TIME_S
from m2r2_ros.datasets.labels_file import read_json
from m2r2_ros.errors import M2R2Error
from m2r2_ros.labelling.desk import Desk, DeskSettings
from m2r2_ros.labelling.label_store import Document
from m2r2_ros.labelling.pictures import packed

BUNDLE = Path(__file__).parent / "bundle"
# Address -> file and type; nothing else is read for an address.
_ASSETS = {
    "/": ("index.html", "text/html"),
    "/label.js": ("label.js", "text/javascript"),
    "/label.css": ("label.css", "text/css"),
}
_BYTES = "application/octet-stream"


class LabellingApp:
    """The recordings of one page; each is opened when it is first asked for."""

    def __init__(self, recordings: Sequence[Path], settings: DeskSettings) -> None:
        self._recordings, self._settings = recordings, settings
        self._desks: dict[int, Desk] = {}
        self._lock = threading.Lock()

    def desk(self, number: int) -> Desk:
        """Raises M2R2Error when the recording cannot be read."""
        with self._lock:
            if number not in self._desks:
                self._desks[number] = Desk(self._recordings[number], self._settings)
            return self._desks[number]

    def close(self) -> None:
        """End what is made in the background."""
        for desk in self._desks.values():
            desk.close()

    def starlette(self) -> Starlette:
        """The ASGI application."""
        one = "/api/{recording}"
        get: dict[str, Callable[[Desk, Request], Response]] = {
            one: lambda desk, _: JSONResponse(desk.to_dict()),
            f"{one}/state": lambda desk, _: JSONResponse(desk.state()),
            f"{one}/labels": _labels,
            f"{one}/pictures": _pictures,
            f"{one}/cut": lambda desk, _: JSONResponse(desk.cut()),
            f"{one}/coarse": lambda desk, _: FileResponse(
                desk.proxies.coarse_path, media_type=_BYTES
            ),
            f"{one}/sound.wav": _sound,
            f"{one}/parts/{{part}}/pictures": _part_pictures,
            f"{one}/parts/{{part}}/envelopes": _part_envelopes,
        }
        routes = [Route(path, partial(_asset, path)) for path in _ASSETS]
        routes.append(Route("/api", self._names))
        routes += [Route(path, partial(self._answer, answer)) for path, answer in get.items()]
        routes.append(Route(f"{one}/labels", self._save, methods=["PUT"]))
        handlers = {M2R2Error: _cannot, OSError: _cannot, HTTPException: _refused}
        return Starlette(routes=routes, exception_handlers=handlers)

    def _names(self, _: Request) -> Response:
        return JSONResponse([path.name for path in self._recordings])

    def _answer(self, answer: Callable[[Desk, Request], Response], request: Request) -> Response:
        return answer(self._asked(request), request)

    def _asked(self, request: Request) -> Desk:
        return self.desk(_index(request, "recording", len(self._recordings)))

    async def _save(self, request: Request) -> Response:
        body = await _body(request)
        return await run_in_threadpool(self._saved, request, body)

    def _saved(self, request: Request, body: bytes) -> Response:
        content = read_json(body.decode("utf-8", "replace"))
        base = content.get("base") if isinstance(content, dict) else None
        if not isinstance(base, str):
            raise M2R2Error("'base' must be the revision that the change is based on")
        desk = self._asked(request)
        taken, now = desk.labels.save(base, content)
        return _document(desk, now, 200 if taken else 409)


def _labels(desk: Desk, _: Request) -> Response:
    return _document(desk, desk.labels.read())


def _document(desk: Desk, document: Document, status: int = 200) -> Response:
    return JSONResponse({"recording": desk.labels.key, **document.to_dict()}, status)


def _pictures(desk: Desk, request: Request) -> Response:
    time_s = 2 * MAX_TIME_S
    with suppress(ValueError):
        time_s = float(request.query_params.get("t", ""))
    if not abs(time_s) <= MAX_TIME_S:
        raise HTTPException(404, "'t' must be a time of the recording in seconds")
    return Response(packed(desk.recording.pictures(time_s)), media_type=_BYTES)


def _sound(desk: Desk, _: Request) -> Response:
    if desk.proxies.sound is None:
        raise HTTPException(404, "the recording has no sound")
    return FileResponse(desk.proxies.sound.path, media_type="audio/wav")


def _part_pictures(desk: Desk, request: Request) -> Response:
    return _part(desk, request, desk.proxies.pictures)


def _part_envelopes(desk: Desk, request: Request) -> Response:
    return _part(desk, request, desk.proxies.envelopes)


def _part(desk: Desk, request: Request, path_of: Callable[[int], Path]) -> Response:
    part = _index(request, "part", desk.proxies.parts)
    if part not in desk.proxies.made:
        desk.maker.ask(part)
        return JSONResponse({"error": "it is being made"}, 202)
    return FileResponse(path_of(part), media_type=_BYTES)


def _asset(path: str, _: Request) -> Response:
    name, kind = _ASSETS[path]
    return FileResponse(BUNDLE / name, media_type=kind)


def _index(request: Request, name: str, count: int) -> int:
    """A number below `count` in the address."""
    text = request.path_params[name]
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) < count):
        raise HTTPException(404, f"no such {name}")
    return int(text)


async def _body(request: Request) -> bytes:
    """A labels file's worth of bytes at most, whatever the request states."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_JSON_BYTES:
                raise HTTPException(413, f"more than {MAX_JSON_BYTES} bytes")
    except ClientDisconnect:
        raise HTTPException(400, "the request breaks off") from None
    return bytes(body)


async def _cannot(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


async def _refused(_: Request, error: Exception) -> Response:
    status: Any = getattr(error, "status_code", 400)
    return JSONResponse({"error": str(getattr(error, "detail", error))}, status)
