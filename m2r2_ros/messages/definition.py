# SPDX-License-Identifier: Apache-2.0
"""The definition of a message type, in one form wherever it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from m2r2_ros.messages.cdr import MessageError

HEADER = "std_msgs/msg/Header"
TIME = "builtin_interfaces/msg/Time"
TEXT = "string"
# NumPy's codes of the primitive types that are numbers; CDR aligns each to its size.
NUMBERS = {
    "float64": "f8",
    "float32": "f4",
    "int64": "i8",
    "uint64": "u8",
    "int32": "i4",
    "uint32": "u4",
    "int16": "i2",
    "uint16": "u2",
    "int8": "i1",
    "uint8": "u1",
    "bool": "u1",
}
# Other words for them in IDL and .msg files.
ALIASES = {
    "double": "float64",
    "float": "float32",
    "boolean": "bool",
    "octet": "uint8",
    "byte": "uint8",
    "char": "uint8",
}
_STAMPS = ("stamp", "timestamp", "time")


@dataclass(frozen=True)
class FieldType:
    """`count`: None for one, n of a fixed array, 0 for a sequence of any length."""

    name: str
    count: int | None = None


# Name and type of each field, in the order in which they are sent.
Fields = tuple[tuple[str, FieldType], ...]
# The fields of "package/msg/Type". Raises MessageError for a type that is not known.
Definitions = Callable[[str], Fields]


def no_definitions(type_name: str) -> Fields:
    """For readers that need none."""
    raise MessageError(f"the definition of {type_name} is not known")


def stamp_field(fields: Fields) -> str:
    """The field of a message that says when it was measured, "" for a message without a stamp."""
    for name, kind in fields:
        is_time = kind.name == TIME and name in _STAMPS
        if kind.count is None and (kind.name == HEADER or is_time):
            return name
    return ""
