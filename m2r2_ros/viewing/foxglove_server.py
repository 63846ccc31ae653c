# SPDX-License-Identifier: Apache-2.0
"""Foxglove's own WebSocket server around a screen, with its controls over a recording."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import foxglove
from foxglove.websocket import (
    Capability,
    ChannelView,
    Client,
    PlaybackCommand,
    PlaybackControlRequest,
    PlaybackState,
    PlaybackStatus,
    ServerListener,
    WebSocketServer,
)

from m2r2_ros.errors import M2R2Error
from m2r2_ros.viewing.foxglove_schemas import shown_time
from m2r2_ros.viewing.foxglove_screen import FoxgloveScreen
from m2r2_ros.viewing.playback import Playback, PlaybackPoint

# The server itself waits for every connection, for ever.
_GOODBYE_S = 1.0


class FoxgloveServer:
    """A running server; `url` is what Foxglove is told."""

    def __init__(self, server: WebSocketServer, url: str, screen: FoxgloveScreen) -> None:
        self.url = url
        self._server, self._screen = server, screen
        self._told = PlaybackPoint(0, 0.0, True, False)

    def tell_time(self) -> None:
        """The time that the screen has reached."""
        if self._screen.newest_ns > 0:
            self._server.broadcast_time(shown_time(self._screen.newest_ns))

    def tell_end(self, playback: Playback) -> None:
        """That a recording has come to its end, once."""
        now = playback.now
        if now.has_ended and not self._told.has_ended:
            self._server.broadcast_playback_state(_state(now))
        self._told = now


@contextmanager
def foxglove_server(
    screen: FoxgloveScreen, name: str, host: str, port: int, playback: Playback | None = None
) -> Iterator[FoxgloveServer]:
    """Serve a screen; with `playback` Foxglove's controls lead it. Raises M2R2Error."""
    foxglove.set_log_level("ERROR")
    capabilities, span = [Capability.Time], None
    if playback is not None:
        capabilities.append(Capability.PlaybackControl)
        span = shown_time(playback.start_ns), shown_time(playback.end_ns)
    try:
        server = foxglove.start_server(
            name=name,
            host=host,
            port=port,
            capabilities=capabilities,
            server_listener=_Listener(screen, playback),
            context=screen.context,
            playback_time_range=span,
        )
    except (RuntimeError, OSError) as error:
        raise M2R2Error(f"cannot listen on {host}, port {port}: {error}") from error
    shown = f"[{host}]" if ":" in host else host
    try:
        yield FoxgloveServer(server, f"ws://{shown}:{server.port}", screen)
    finally:
        _stop(server)


def _stop(server: WebSocketServer) -> None:
    """Say goodbye to who listens; who has not even greeted, or reads nothing, is not waited for."""
    stopping = threading.Thread(target=server.stop, name="foxglove stop", daemon=True)
    stopping.start()
    stopping.join(_GOODBYE_S)


class _Listener(ServerListener):
    """Called in a thread of the server's own."""

    def __init__(self, screen: FoxgloveScreen, playback: Playback | None) -> None:
        self._screen, self._playback = screen, playback

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        self._screen.greet()

    def on_playback_control_request(
        self, playback_control_request: PlaybackControlRequest
    ) -> PlaybackState | None:
        asked = playback_control_request
        if self._playback is None:
            return None
        is_playing = asked.playback_command == PlaybackCommand.Play
        point = self._playback.ask(is_playing, asked.playback_speed, asked.seek_time)
        return _state(point, asked.seek_time is not None, asked.request_id)


def _state(
    point: PlaybackPoint, did_seek: bool = False, request_id: str | None = None
) -> PlaybackState:
    status = PlaybackStatus.Playing if point.is_playing else PlaybackStatus.Paused
    return PlaybackState(
        status=PlaybackStatus.Ended if point.has_ended else status,
        current_time=shown_time(point.position_ns),
        playback_speed=point.speed,
        did_seek=did_seek,
        request_id=request_id,
    )


def check_address(host: str, port: int) -> None:
    """Raise M2R2Error where nobody can listen."""
    if not 0 <= port < 2**16:
        raise M2R2Error(f"cannot listen on port {port}: choose a --port below {2**16}, 0 for any")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        taken = getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES)
        remedy = ": choose another --port" if taken else ""
        raise M2R2Error(f"cannot listen on {host}, port {port}: {why}{remedy}") from error
