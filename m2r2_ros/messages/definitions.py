# SPDX-License-Identifier: Apache-2.0
"""Message definitions without ROS: the common ones, and ours from the .msg files themselves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.definition import ALIASES, Definitions, Fields, FieldType
from m2r2_ros.shipped import shipped

PACKAGE = "m2r2_msgs"
# A longer definition is no sensor's.
_MAX_TEXT = 200_000


@cache
def typestore() -> Typestore:
    """Definitions of ROS 2 and of m2r2_msgs, to read and write bags with.

    Raises M2R2Error when the .msg files were not installed.
    """
    store = get_typestore(Stores.ROS2_KILTED)
    types = {}
    for path in sorted(shipped(f"{PACKAGE}/msg").glob("*.msg")):
        types.update(get_types_from_msg(path.read_text("utf-8"), f"{PACKAGE}/msg/{path.stem}"))
    store.register(types)
    return store


def stored_definitions(texts: Mapping[str, str]) -> Definitions:
    """Definitions by the texts that a bag has of them, else by those of ROS 2 and m2r2_msgs.

    texts   type -> its .msg file and those that it needs, as rosbag2 writes them.
    """
    known: dict[str, Fields] = {}

    def fields_of(type_name: str) -> Fields:
        if type_name not in known:
            known.update(_parsed(texts[type_name], type_name) if type_name in texts else {})
        if type_name not in known:
            known[type_name] = _common(type_name)
        return known[type_name]

    return fields_of


def _parsed(text: str, type_name: str) -> dict[str, Fields]:
    if len(text) > _MAX_TEXT:
        raise MessageError(f"the definition of {type_name} has {len(text)} letters")
    try:
        types = get_types_from_msg(text, type_name)
    except Exception as error:  # rosbags has no common exception for texts that are no definition
        raise MessageError(f"the bag's definition of {type_name} cannot be read") from error
    return {name: _fields(fields) for name, (_, fields) in types.items()}


def _common(type_name: str) -> Fields:
    known = typestore().fielddefs
    if type_name not in known:
        raise MessageError(f"the definition of {type_name} is neither in the bag nor known here")
    return _fields(known[type_name][1])


def _fields(fields: Any) -> Fields:
    """From the form that rosbags has of them."""
    return tuple((name, _field_type(*kind)) for name, kind in fields)


def _field_type(node: Nodetype, content: Any) -> FieldType:
    if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        inner, count = content
        is_fixed = node == Nodetype.ARRAY
        return FieldType(_field_type(*inner).name, count if is_fixed else 0)
    name = content if node == Nodetype.NAME else content[0]
    return FieldType(ALIASES.get(name, name))
