# SPDX-License-Identifier: Apache-2.0
"""Foxglove's WebSocket protocol, version 1, as its app speaks it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, NamedTuple

from websockets.sync.client import connect

PROTOCOL = "foxglove.sdk.v1"
# First bytes of binary messages.
_DATA, _TIME, _STATE = 1, 2, 5
_CONTROL = 3
# So many times come in a row when there is no data.
_QUIET = 5
PLAYING, PAUSED, BUFFERING, ENDED = range(4)


class Message(NamedTuple):
    """Data of a channel, logged at a stamp [ns]."""

    topic: str
    log_ns: int
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class State(NamedTuple):
    """Where the server says that it plays."""

    status: int
    position_ns: int
    speed: float
    did_seek: bool
    request: str


class FoxgloveClient:
    """A connection; `info` is what the server says of itself, `channels` are by their topic."""

    def __init__(self, url: str) -> None:
        self._connection = ExitStack()
        connected = connect(url, subprotocols=[PROTOCOL], max_size=None)
        self._socket = self._connection.enter_context(connected)
        self.info: dict[str, Any] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self.messages: list[Message] = []
        self.states: list[State] = []
        self.times: list[int] = []
        self._topics: dict[int, str] = {}

    def __enter__(self) -> FoxgloveClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def subscribe(self, topics: Iterable[str]) -> None:
        """The subscription has the channel's own number."""
        ids = [self.channels[topic]["id"] for topic in topics]
        self._topics |= {self.channels[topic]["id"]: topic for topic in self.channels}
        asked = [{"id": number, "channelId": number} for number in ids]
        self._send({"op": "subscribe", "subscriptions": asked})

    def unsubscribe(self, topics: Iterable[str]) -> None:
        ids = [self.channels[topic]["id"] for topic in topics]
        self._send({"op": "unsubscribe", "subscriptionIds": ids})

    def control(self, play: bool, speed: float, seek_ns: int | None, request: str) -> None:
        """A request of the app's play bar."""
        name = request.encode()
        fields = (_CONTROL, not play, speed, seek_ns is not None, seek_ns or 0, len(name))
        self._socket.send(struct.pack("<BBfBQI", *fields) + name)

    def receive(self) -> None:
        """Take one message from the server, which must come."""
        message = self._socket.recv(timeout=60)
        if isinstance(message, str):
            self._take_text(json.loads(message))
        elif message[0] == _DATA:
            number, log_ns = struct.unpack_from("<IQ", message, 1)
            self.messages.append(Message(self._topics[number], log_ns, message[13:]))
        elif message[0] == _TIME:
            self.times.append(struct.unpack_from("<Q", message, 1)[0])
        elif message[0] == _STATE:
            *fields, length = struct.unpack_from("<BQfBI", message, 1)
            name = message[19 : 19 + length].decode()
            self.states.append(State(fields[0], fields[1], fields[2], bool(fields[3]), name))

    def of(self, topic: str) -> list[Message]:
        """What has come of a topic."""
        return [message for message in self.messages if message.topic == topic]

    def receive_until(self, done: Callable[[], bool]) -> None:
        """Take messages until `done()`."""
        while not done():
            self.receive()

    def receive_rest(self) -> None:
        """Take what is on its way: time has a queue of its own, which does not wait for data."""
        while True:
            before, passed = len(self.messages), len(self.times)
            self.receive_until(lambda: len(self.times) == passed + _QUIET)  # noqa: B023
            if len(self.messages) == before:
                return

    def _take_text(self, message: dict[str, Any]) -> None:
        if message["op"] == "serverInfo":
            self.info = message
        elif message["op"] == "advertise":
            self.channels |= {each["topic"]: each for each in message["channels"]}

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message))
