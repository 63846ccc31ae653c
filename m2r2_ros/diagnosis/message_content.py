# SPDX-License-Identifier: Apache-2.0
"""What a message says besides its numbers: frame, joints, form of a picture, transforms."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from m2r2_ros.messages.cdr import CdrReader, MessageError
from m2r2_ros.messages.common_audio import AUDIO_TYPES
from m2r2_ros.messages.definition import HEADER, Definitions, stamp_field
from m2r2_ros.messages.images import IMAGE_TYPES, picture_format
from m2r2_ros.messages.transforms import TRANSFORMS, transform_form
from m2r2_ros.signal_presets import JOINTS, NAMED_STATES

# More joints are no robot's.
_MOST_JOINTS = 1000
_MOST_SHOWN = 3


@dataclass(frozen=True)
class Content:
    """`edges`: (parent, child) of each transform; `picture`: "640 x 480 rgb8", or a compression."""

    frame: str = ""
    joints: tuple[str, ...] = ()
    picture: str = ""
    edges: tuple[tuple[str, str], ...] = ()

    def describe(self) -> str:
        """In a few words."""
        edges = [f"{parent} > {child}" for parent, child in self.edges]
        named = self.joints or tuple(edges)
        more = f" and {len(named) - _MOST_SHOWN} more" if len(named) > _MOST_SHOWN else ""
        return self.picture or ", ".join(named[:_MOST_SHOWN]) + more


def content_of(type_name: str, message: bytes, definitions: Definitions) -> Content:
    """Raises MessageError."""
    if type_name == TRANSFORMS:
        edges = transform_form(message).edges
        return Content(edges=tuple((_text(parent), _text(child)) for parent, child in edges))
    if not _begins_with_header(type_name, definitions):
        return Content()
    reader = CdrReader(message)
    frame = reader.header()[1]
    if type_name in IMAGE_TYPES:
        return Content(frame, picture=picture_format(type_name, reader))
    # In both, the names of joints stand behind the header.
    return Content(frame, _texts(reader) if type_name in (JOINTS, NAMED_STATES) else ())


def has_stamp(type_name: str, definitions: Definitions) -> bool:
    """Whether messages say, at their beginning, when they were measured."""
    with suppress(MessageError):
        fields = definitions(type_name)
        return bool(fields) and stamp_field(fields) == fields[0][0]
    return type_name in AUDIO_TYPES


def _begins_with_header(type_name: str, definitions: Definitions) -> bool:
    with suppress(MessageError):
        fields = definitions(type_name)
        return bool(fields) and fields[0][1].name == HEADER and fields[0][1].count is None
    return type_name in AUDIO_TYPES


def _texts(reader: CdrReader) -> tuple[str, ...]:
    count = reader.number("I")
    if count > _MOST_JOINTS:
        raise MessageError(f"{count} joints")
    return tuple(reader.text() for _ in range(count))


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
