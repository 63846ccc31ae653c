# SPDX-License-Identifier: Apache-2.0
"""Definitions of the message types that are installed, as their Python classes tell them."""

from __future__ import annotations

import re
from functools import cache

from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.definition import ALIASES, TEXT, Fields, FieldType
from m2r2_ros.nodes.topic_input import message_class

# double, double[36], sequence<double>, sequence<std_msgs/Header, 5>, string<10>
_SEQUENCE = re.compile(r"sequence<(.+?)(?:, \d+)?>")
_ARRAY = re.compile(r"(.+)\[(\d+)\]")
_BOUNDED = re.compile(r"string<\d+>")
# What a message without fields has in its place.
_NOTHING: Fields = (("structure_needs_at_least_one_member", FieldType("uint8")),)


@cache
def installed_fields(type_name: str) -> Fields:
    """Fields of an installed type. Raises MessageError."""
    try:
        kinds = message_class(type_name).get_fields_and_field_types()
    except M2R2Error as error:
        raise MessageError(str(error)) from error
    return tuple((name, _field_type(kind)) for name, kind in kinds.items()) or _NOTHING


def _field_type(kind: str) -> FieldType:
    if found := _SEQUENCE.fullmatch(kind):
        return FieldType(_name(found.group(1)), 0)
    if found := _ARRAY.fullmatch(kind):
        return FieldType(_name(found.group(1)), int(found.group(2)))
    return FieldType(_name(kind))


def _name(kind: str) -> str:
    if _BOUNDED.fullmatch(kind):
        return TEXT
    if "/" in kind:
        package, _, name = kind.partition("/")
        return f"{package}/msg/{name}"
    return ALIASES.get(kind, kind)
