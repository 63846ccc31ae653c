# SPDX-License-Identifier: Apache-2.0
"""Walk through one CDR-serialised message (OMG DDSI-RTPS 10.2, plain CDR of either endianness)."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error

ENCAPSULATION_BYTES = 4
# A stamped message begins with its stamp, eight bytes.
STAMP_END = 12
# CDR_BE and CDR_LE, the representations that ROS 2 writes.
BYTE_ORDERS = {b"\x00\x00": ">", b"\x00\x01": "<"}

MAX_TEXT_BYTES = 4096
NANOSECONDS = 1_000_000_000


class MessageError(M2R2Error):
    """A message that does not hold what its type says, or more than the limits."""


class CdrReader:
    """A cursor over `message`; `position` counts from its first byte.

    Every read raises MessageError when the message ends too early.
    """

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.byte_order = BYTE_ORDERS.get(bytes(message[:2]), "")
        if not self.byte_order or len(message) < ENCAPSULATION_BYTES:
            raise MessageError("not a CDR message")
        self.position = ENCAPSULATION_BYTES

    def align(self, size: int) -> None:
        """Move to the next multiple of `size`, counted from behind the encapsulation."""
        self.position += -(self.position - ENCAPSULATION_BYTES) % size

    def number(self, code: str) -> int | float:
        """Read one aligned number of a `struct` code, for example "I"."""
        self.align(struct.calcsize(code))
        return self._unpack(code)[0]

    def text(self, limit: int = MAX_TEXT_BYTES) -> str:
        """Read a string of at most `limit` bytes."""
        return self.raw_text(limit).decode(errors="replace")

    def raw_text(self, limit: int = MAX_TEXT_BYTES) -> bytes:
        """Read a string of at most `limit` bytes, undecoded."""
        length = self.number("I")
        if length > limit:
            raise MessageError(f"a text of {length} bytes; the limit is {limit}")
        return bytes(self._take(length)).rstrip(b"\0")

    def skip(self, size: int) -> None:
        """Pass over some bytes."""
        self._take(size)

    def array(self, code: str) -> np.ndarray:
        """Read a sequence of numbers as a view of the message."""
        length = self.number("I")
        dtype = np.dtype(self.byte_order + code)
        if length:
            self.align(dtype.itemsize)
        return np.frombuffer(self._take(length * dtype.itemsize), dtype)

    def time(self) -> int:
        """Read a builtin_interfaces/Time as nanoseconds."""
        self.align(4)
        seconds, nanoseconds = self._unpack("iI")
        if nanoseconds >= NANOSECONDS:
            raise MessageError(f"a time with {nanoseconds} nanoseconds")
        return seconds * NANOSECONDS + nanoseconds

    def header(self) -> tuple[int, str]:
        """Read a std_msgs/Header: stamp in nanoseconds and frame_id."""
        return self.time(), self.text()

    def _unpack(self, codes: str) -> tuple[Any, ...]:
        start, self.position = self.position, self.position + struct.calcsize("<" + codes)
        try:
            return struct.unpack_from(self.byte_order + codes, self.message, start)
        except struct.error:
            raise self._too_short() from None

    def _take(self, size: int) -> memoryview:
        start, self.position = self.position, self.position + size
        if self.position > len(self.message):
            raise self._too_short()
        return memoryview(self.message)[start : self.position]

    def _too_short(self) -> MessageError:
        return MessageError(f"{len(self.message)} bytes, too short for its type")


def stamp_ns(message: bytes) -> int:
    """Stamp of any stamped message. Raises MessageError."""
    return CdrReader(message).time()
