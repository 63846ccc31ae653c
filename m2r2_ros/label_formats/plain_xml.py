# SPDX-License-Identifier: Apache-2.0
"""XML without what makes it dangerous: document types, which define entities, and depth."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from m2r2_ros.errors import M2R2Error

_MAX_DEPTH = 20


def parse_xml(text: str) -> Element:
    """The root. Raises M2R2Error."""
    builder, parser, depth = TreeBuilder(), ParserCreate(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise M2R2Error(f"XML nested deeper than {_MAX_DEPTH}")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise M2R2Error("XML with a document type, which may define entities: remove it")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8"), True)
        return builder.close()
    except (ExpatError, AssertionError, ValueError) as error:
        raise M2R2Error(f"not XML: {error}") from error
