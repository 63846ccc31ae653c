# SPDX-License-Identifier: Apache-2.0
"""Somebody who looks at everything in Foxglove, and draws none of it."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from collections.abc import Iterator
from urllib.parse import urlsplit

# Frames of RFC 6455: text, binary, and the bit that says that a frame is whole.
_TEXT, _BINARY, _WHOLE = 1, 2, 0x80
_PROTOCOL = "foxglove.sdk.v1"
# First byte of a message with data in Foxglove's protocol.
_DATA = b"\1"


def look(url: str, channels: int) -> Iterator[int]:
    """Subscribe to all of the server's `channels`, and yield the bytes of each message's data."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        stream = connection.makefile("rb")
        _shake_hands(connection, stream, parts.netloc)
        numbers: list[int] = []
        while content := _frame(stream):
            if content[:1] == _DATA:
                yield len(content)
            elif content[:1] == b"{":
                message = json.loads(content)
                numbers += [each["id"] for each in message.get("channels", ())]
                if message["op"] == "advertise" and len(numbers) == channels:
                    asked = [{"id": number, "channelId": number} for number in numbers]
                    _send(connection, {"op": "subscribe", "subscriptions": asked})


def _shake_hands(connection: socket.socket, stream: socket.SocketIO, host: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        "GET / HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {_PROTOCOL}",
    )
    connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    while stream.readline() not in (b"\r\n", b""):
        pass


def _frame(stream: socket.SocketIO) -> bytes:
    """The content of the next frame; empty at the end."""
    head = stream.read(2)
    if len(head) < 2:
        return b""
    size = head[1]
    if size >= 126:
        code = ">H" if size == 126 else ">Q"
        (size,) = struct.unpack(code, stream.read(struct.calcsize(code)))
    return stream.read(size)


def _send(connection: socket.socket, message: dict) -> None:
    """As text, masked by zeros: a client has to mask, with what does not matter here."""
    content = json.dumps(message).encode()
    size = struct.pack(">BH", 0x80 | 126, len(content))
    connection.sendall(bytes([_WHOLE | _TEXT]) + size + bytes(4) + content)
