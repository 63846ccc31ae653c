# SPDX-License-Identifier: Apache-2.0
"""What the units of an H.264 or H.265 packet say: where pictures begin anew, and which is missing.

H.264 does not complain of a lost picture: it shows the next one on the wrong background. Its
pictures are numbered, though. An H.265 decoder knows the pictures that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from m2r2_ros.messages.bits import BitReader
from m2r2_ros.messages.cdr import MessageError

_START = b"\0\0\1"
# Of a unit, as far as anything is read: parameter sets with all their scaling lists are shorter.
_MOST_READ = 4096
# H.264 (7.4.1): a slice, one of a picture that needs no other, parameters of the sequence and of
# pictures. H.265: pictures at which decoding can begin.
_SLICE, _KEY_SLICE, _SEQUENCE, _PICTURE = 1, 5, 7, 8
_H265_PICTURES, _H265_KEYS, _H265_SEQUENCE = range(32), range(16, 22), 33
# Profiles whose parameters have more entries (7.3.2.1.1).
_HIGH = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
_COLOURS_APART = 3
_LARGEST_NUMBER_BITS = 16
_NO_PICTURE = (
    "a packet of video without a picture: its encoder has to send parameters and picture in one"
)


@dataclass(frozen=True)
class Look:
    """What a packet says of its picture.

    is_key, has_parameters   decoding can begin here if both hold.
    follows                  no picture is missing before it, as far as its number tells.
    """

    is_key: bool
    has_parameters: bool = True
    follows: bool = True


def units(data: bytes) -> Iterator[bytes]:
    """The beginnings of the units of a packet, which start codes divide (annex B)."""
    start = data.find(_START)
    if start < 0 or any(data[:start]):
        raise MessageError("video without start codes: it has to be in the form of annex B")
    while start >= 0:
        start += len(_START)
        end = data.find(_START, start)
        stop = len(data) if end < 0 else end
        # Zeros that would look like a start code are broken up by a 3.
        yield data[start : min(stop, start + _MOST_READ)].replace(b"\0\0\3", b"\0\0")
        start = end


def look_h265(data: bytes) -> Look:
    """Raises MessageError."""
    kinds = [unit[0] >> 1 & 63 for unit in units(data) if unit]
    pictures = [kind for kind in kinds if kind in _H265_PICTURES]
    if not pictures:
        raise MessageError(_NO_PICTURE)
    return Look(pictures[0] in _H265_KEYS, _H265_SEQUENCE in kinds)


class H264Numbers:
    """Follows the numbers of one stream's pictures, from a key frame on."""

    def __init__(self) -> None:
        # Parameter sets: identity -> bits of a number, whether colours are apart, whether numbers
        # may be left out; of pictures -> that of their sequence.
        self._sequences: dict[int, tuple[int, bool, bool]] = {}
        self._pictures: dict[int, int] = {}
        self._last: int | None = None

    def look(self, data: bytes) -> Look:
        """Raises MessageError."""
        for unit in units(data):
            kind = unit[0] & 31 if unit else 0
            if kind == _SEQUENCE:
                self._read_sequence(BitReader(unit[1:]))
            elif kind == _PICTURE:
                reader = BitReader(unit[1:])
                identity = reader.number()
                self._pictures[identity] = reader.number()
            elif kind in (_SLICE, _KEY_SLICE):
                return self._look_at_picture(unit, kind == _KEY_SLICE)
        raise MessageError(_NO_PICTURE)

    def _look_at_picture(self, unit: bytes, is_key: bool) -> Look:
        if self._last is None and not is_key:
            return Look(False)
        reader = BitReader(unit[1:])
        for _ in ("first macroblock", "type"):
            reader.number()
        picture = reader.number()
        sequence = self._sequences.get(self._pictures.get(picture, -1))
        if sequence is None:
            return Look(is_key, has_parameters=False)
        bits, are_apart, may_skip = sequence
        reader.bits(2 * are_apart)
        number = reader.bits(bits)
        follows = is_key or may_skip or number == (self._last + 1) % (1 << bits)
        is_needed = bool(unit[0] >> 5 & 3)
        if is_needed:
            self._last = number
        return Look(is_key, True, follows)

    def _read_sequence(self, reader: BitReader) -> None:
        profile = reader.bits(8)
        reader.bits(16)
        identity = reader.number()
        are_apart = profile in _HIGH and _read_high(reader)
        bits = reader.number() + 4
        if bits > _LARGEST_NUMBER_BITS:
            raise MessageError("the parameters of the video are damaged")
        _skip_order(reader)
        reader.number()
        self._sequences[identity] = bits, are_apart, bool(reader.bits(1))


def _read_high(reader: BitReader) -> bool:
    """Skip what high profiles add; whether a picture's colours are coded apart."""
    chroma = reader.number()
    are_apart = chroma == _COLOURS_APART and bool(reader.bits(1))
    for _ in ("luma", "chroma"):
        reader.number()
    reader.bits(1)
    if reader.bits(1):
        for index in range(12 if chroma == _COLOURS_APART else 8):
            if reader.bits(1):
                _skip_scaling_list(reader, 16 if index < 6 else 64)
    return are_apart


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    """7.3.2.1.1.1: differences follow until one of them makes the next value 0."""
    value = 8
    for _ in range(size):
        value = (value + reader.signed()) % 256
        if value == 0:
            return


def _skip_order(reader: BitReader) -> None:
    """How pictures are put in order, of no concern where all come in theirs."""
    kind = reader.number()
    if kind == 0:
        reader.number()
    elif kind == 1:
        reader.bits(1)
        for _ in ("not needed", "top to bottom"):
            reader.signed()
        for _ in range(min(reader.number(), 255)):
            reader.signed()
