# SPDX-License-Identifier: Apache-2.0
"""The server of the page, on this machine's own address only."""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from m2r2_ros.errors import M2R2Error
from m2r2_ros.labelling.app import LabellingApp
from m2r2_ros.labelling.gate import Gate

HOST = "127.0.0.1"
_TOKEN_FILE = "token"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}")


def serve(app: LabellingApp, port: int, token: str, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `ready` is told the page's address. Raises M2R2Error."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
            # Who follows the address at once waits until it is answered.
            listening.listen()
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise M2R2Error(
                f"cannot listen on port {port}: {why}: choose another --port"
            ) from error
        config = uvicorn.Config(
            Gate(app.starlette(), token),
            log_level="warning",
            access_log=False,
            server_header=False,
            # No page of ours speaks it.
            ws="none",
            timeout_graceful_shutdown=2,
        )
        ready(f"http://{HOST}:{listening.getsockname()[1]}/{token}/")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            app.close()


def token_of(folder: Path) -> str:
    """This user's token, the same every time, so that an open page finds a restarted server.

    Raises M2R2Error where it cannot be kept.
    """
    path = folder / _TOKEN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32))
        token = path.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise M2R2Error(f"cannot keep the page's token in {path}: {error}") from error
    if not _TOKEN.fullmatch(token) or path.stat().st_mode & 0o077:
        raise M2R2Error(f"{path} is no token of this user alone: delete it")
    return token
