# SPDX-License-Identifier: Apache-2.0
"""A ROS 2 parameter file, read by the rules of rcl, without ROS.

What rcl reads in a surprising way (a list inside a list, a name repeated with another type) is
refused here by name, so that a file never means one thing to a node and another to a command.
"""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.small_files import read_small

PARAMETERS = "ros__parameters"

_TRUE = {"Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
# What C's strtol (base 0) and strtod read to the end.
_OCTAL = re.compile(r"[+-]?0[0-7]+")
_WHOLE = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)")
# More digits are more than 64 bits.
_MOST_DIGITS = 40
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.A)
_HEXADECIMAL = re.compile(
    r"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)([pP][+-]?\d+)?", re.A
)
_NAMED = re.compile(r"[+-]?(inf|infinity|nan(\(\w*\))?)", re.I | re.A)
_DOTTED = re.compile(r"[+-]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.A)

_NODE_NAME = re.compile(r"(/(\*\*?|[A-Za-z_]\w*))+", re.A)
_TEXT_TAG = "tag:yaml.org,2002:str"


class ParameterFile:
    """The sections of a file, in its order: name or pattern of nodes -> their parameters.

    Names of parameters are dotted, values are bool, int, float, str or a list of one of them.
    """

    def __init__(self, path: Path, sections: Mapping[str, Mapping[str, Any]]) -> None:
        self.path, self.sections = path, sections

    @classmethod
    def read(cls, path: Path | str) -> ParameterFile:
        """Raises M2R2Error that names the file, the line and the parameter."""
        path = Path(path)
        sections: dict[str, dict[str, Any]] = {}
        try:
            loader = _Loader(read_small(path))
            while loader.check_node():
                _read_sections(loader.get_node(), "", sections)
        except _RefusedError as error:
            raise M2R2Error(f"{path}, {error}") from None
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise M2R2Error(f"{path}: not YAML: {' '.join(str(error).split())}") from error
        if not sections:
            raise M2R2Error(f"{path}: not a ROS 2 parameter file, it has no '{PARAMETERS}'")
        return cls(path, sections)

    def of(self, node: str) -> dict[str, Any]:
        """Parameters of the node with this full name: later sections win over earlier ones."""
        found: dict[str, Any] = {}
        for pattern, values in self.sections.items():
            if _matches(pattern, node):
                found |= values
        return found

    def namespace(self, nodes: Collection[str]) -> str:
        """The namespace in which the file has `nodes`, "" for the root.

        Raises M2R2Error when there are several, or no section is for any of `nodes`.
        """
        places = [name.rpartition("/")[::2] for name in self.sections]
        named = {place for place, node in places if node in nodes}
        found = named or {p for p, node in places if "*" in node and p and "*" not in p}
        literal = sorted(place for place in found if "*" not in place)
        if len(literal) > 1:
            raise M2R2Error(
                f"{self.path}: has nodes of several robots, {' and '.join(literal)}: a command "
                "takes the file of one"
            )
        namespace = literal[0] if literal else ""
        if not any(_matches(s, f"{namespace}/{node}") for s in self.sections for node in nodes):
            near = "".join(nearest_name(node, nodes) for _, node in places[:1])
            raise M2R2Error(
                f"{self.path}: has sections for {', '.join(self.sections)}, none for "
                f"{', '.join(nodes)}{near}; '/**' is for all nodes"
            )
        return namespace

    def doubts(self, nodes: Collection[str]) -> list[str]:
        """A line for each section whose name is almost that of one of `nodes`."""
        lines = []
        for name in self.sections:
            node = name.rpartition("/")[2]
            close = difflib.get_close_matches(node, nodes, 1, 0.8)
            if close and node not in nodes:
                lines.append(f"{self.path}: nothing here uses '{name}' (meant: '{close[0]}'?)")
        return lines


class _RefusedError(Exception):
    """What is wrong at a place of the file."""

    def __init__(self, node: yaml.Node, text: str) -> None:
        super().__init__(f"line {node.start_mark.line + 1}: {text}")


class _Loader(yaml.SafeLoader):
    """Composes nodes that carry only those tags that the file itself writes."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return ""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise _RefusedError(event, f"'*{event.anchor}': ROS 2 does not follow YAML's aliases")
        return super().compose_node(parent, index)


def _matches(pattern: str, node: str) -> bool:
    """`/**` stands for any number of names, `/*` for one."""
    parts = {"**": r"(/\w+)*", "*": r"/\w+"}
    expression = "".join(parts.get(name, f"/{name}") for name in pattern.split("/")[1:])
    return re.fullmatch(expression, node) is not None


def _read_sections(node: yaml.Node, prefix: str, found: dict[str, dict[str, Any]]) -> None:
    """Namespaces and nodes, down to their parameters."""
    if not isinstance(node, yaml.MappingNode):
        raise _RefusedError(
            node,
            f"not a ROS 2 parameter file, '{prefix or '/**'}' needs '{PARAMETERS}'"
            f"{nearest_name(PARAMETERS, prefix.split('/')[-2:])}",
        )
    for key, value in node.value:
        name = _key(key)
        if name != PARAMETERS:
            is_apart = prefix.endswith("/") or (not prefix and name.startswith("/"))
            _read_sections(value, prefix + ("" if is_apart else "/") + name, found)
            continue
        if not _NODE_NAME.fullmatch(prefix):
            raise _RefusedError(key, f"'{prefix}' is no node's name")
        if not isinstance(value, yaml.MappingNode):
            raise _RefusedError(key, f"'{prefix}': {PARAMETERS} holds no parameters")
        _read_parameters(value, "", found.setdefault(prefix, {}))


def _read_parameters(node: yaml.MappingNode, prefix: str, found: dict[str, Any]) -> None:
    for key, value in node.value:
        name = prefix + _key(key)
        if isinstance(value, yaml.MappingNode):
            if not value.value:
                raise _RefusedError(key, f"parameter {name} has no value")
            if name in found:
                raise _RefusedError(key, f"parameter {name} is given twice")
            if "." in key.value:
                raise _RefusedError(key, f"{name} has a dot and a map: write one map in another")
            _read_parameters(value, f"{name}.", found)
            continue
        read = _read_value(name, value)
        before = found.get(name, read)
        if (name in found and isinstance(read, list)) or type(before) is not type(read):
            raise _RefusedError(key, f"parameter {name} is given twice")
        found[name] = read


def _read_value(name: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(name, node)
    if not all(isinstance(entry, yaml.ScalarNode) for entry in node.value):
        raise _RefusedError(node, f"parameter {name}: a list holds values, no lists or maps")
    values = [_scalar(name, entry) for entry in node.value]
    if len({type(value) for value in values}) > 1:
        raise _RefusedError(node, f"parameter {name}: the values of a list have one type")
    return values


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.value or "\0" in node.value:
        raise _RefusedError(node, "a name is a text")
    return node.value


def _scalar(name: str, node: yaml.ScalarNode) -> bool | int | float | str:
    text = node.value
    if "\0" in text:
        raise _RefusedError(node, f"parameter {name} holds a NUL character")
    if node.style in ("'", '"'):
        return text
    if not text:
        raise _RefusedError(node, f"parameter {name} has no value ('' is an empty text)")
    if node.tag == _TEXT_TAG:
        return text
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    if len(text) <= _MOST_DIGITS and (_OCTAL.fullmatch(text) or _WHOLE.fullmatch(text)):
        whole = int(text, 8 if _OCTAL.fullmatch(text) else 0)
        if -(2**63) <= whole < 2**63:
            return whole
    if _DOTTED.fullmatch(text):
        return float(text.replace(".", ""))
    if _NAMED.fullmatch(text):
        return float(text.partition("(")[0])
    if _HEXADECIMAL.fullmatch(text):
        return _in_range(float.fromhex, text)
    return _in_range(float, text) if _DECIMAL.fullmatch(text) else None


def _in_range(convert: Any, text: str) -> float | None:
    """None beyond the range of normal numbers, which C reports as an error."""
    try:
        value = convert(text)
    except OverflowError:
        return None
    digits = re.split("[pP]" if "x" in text.lower() else "[eE]", text)[0].lower().replace("0x", "")
    is_zero = not digits.strip("+-.0")
    return value if is_zero or sys.float_info.min <= abs(value) < math.inf else None
