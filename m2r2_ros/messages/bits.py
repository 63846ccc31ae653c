# SPDX-License-Identifier: Apache-2.0
"""Numbers in a stream of bits, as ITU-T H.264 and H.265 write them (clause 9.1, 9.2)."""

from __future__ import annotations

from m2r2_ros.messages.cdr import MessageError

# The longest code of a number below 2**32.
_MOST_ZEROS = 32


class BitReader:
    """A cursor over bits. Every read raises MessageError where they end too early."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def bits(self, count: int) -> int:
        """The number that the next `count` bits are."""
        self._left -= count
        if self._left < 0:
            raise MessageError("a header of the video ends too early")
        return self._value >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """A number >= 0 as an Exp-Golomb code, ue(v)."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > _MOST_ZEROS:
                raise MessageError("a header of the video holds a number that is too large")
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed(self) -> int:
        """A number of either sign, se(v)."""
        code = self.number()
        return (code + 1) // 2 if code % 2 else -(code // 2)
