# SPDX-License-Identifier: Apache-2.0
"""What SROS 2 makes of a policy file, restated from its schema and its template for DDS.

The schema (policy.xsd, version 0.2.0) says which elements and attributes there may be; the
template (permissions.xsl) turns names into those of DDS: a name that begins with a slash stays,
"~" is replaced by the namespace and the node's name without a slash between them and what
follows, anything else is put below the namespace. DDS compares with shell patterns.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

RIGHTS = {
    "topics": ("publish", "subscribe"),
    "services": ("reply", "request"),
    "actions": ("call", "execute"),
}
CHILDREN = {
    "policy": {"enclaves"},
    "enclaves": {"enclave"},
    "enclave": {"profiles"},
    "profiles": {"profile"},
    "profile": set(RIGHTS),
    **{group: {group[:-1]} for group in RIGHTS},
    **{group[:-1]: set() for group in RIGHTS},
}
ATTRIBUTES = {
    "policy": {"version"},
    "enclave": {"path"},
    "profile": {"ns", "node"},
    **{group: set(rights) for group, rights in RIGHTS.items()},
}
OPTIONAL = {"topics", "services", "actions"}
# What the template makes of an action: topics and services below its name.
ACTION_TOPICS, ACTION_SERVICES = ("feedback", "status"), ("cancel_goal", "get_result", "send_goal")
ACTION_RIGHTS = {"execute": ("publish", "reply"), "call": ("subscribe", "request")}


class Endpoint(NamedTuple):
    """One thing that a node may do: (group, right) and a full name or pattern."""

    group: str
    right: str
    name: str


def check_schema(root: ElementTree.Element) -> None:
    """Fail where the schema would."""
    assert root.tag == "policy" and root.get("version") == "0.2.0"
    for element in root.iter():
        assert element.tag in CHILDREN, f"no element {element.tag}"
        assert {child.tag for child in element} <= CHILDREN[element.tag], element.tag
        assert len(element) or not CHILDREN[element.tag] or element.tag == "profile", element.tag
        expected = ATTRIBUTES.get(element.tag, set())
        given = set(element.attrib)
        assert given <= expected if element.tag in OPTIONAL else given == expected, element.tag
        if element.tag in RIGHTS:
            assert given and set(element.attrib.values()) <= {"ALLOW", "DENY"}
        if not CHILDREN[element.tag]:
            assert element.text and element.text == element.text.strip()


def expand(name: str, namespace: str, node: str) -> str:
    """A full name as the template makes it."""
    below = namespace if namespace.endswith("/") else f"{namespace}/"
    if name.startswith("/"):
        return name
    return f"{below}{node}{name[1:]}" if name.startswith("~") else f"{below}{name}"


class Policy:
    """A policy file; with `namespace`, all its profiles are put into that one."""

    def __init__(self, path: Path, namespace: str = "/", text: str = "") -> None:
        self.root = ElementTree.fromstring(text or path.read_text())
        check_schema(self.root)
        for profile in self.root.iter("profile"):
            profile.set("ns", namespace)

    @property
    def enclaves(self) -> list[str]:
        return [enclave.get("path") for enclave in self.root.iter("enclave")]

    def allowed(self, enclave: str) -> set[Endpoint]:
        """All that a process of this enclave may do: DDS knows no nodes."""
        (found,) = [e for e in self.root.iter("enclave") if e.get("path") == enclave]
        rules = set()
        for profile in found.iter("profile"):
            for group in profile:
                for right, decision in group.attrib.items():
                    assert decision == "ALLOW"
                    for entry in group:
                        name = expand(entry.text, profile.get("ns"), profile.get("node"))
                        rules |= set(endpoints(group.tag, right, name))
        return rules

    def denied(self, enclave: str, opened: set[Endpoint]) -> set[Endpoint]:
        """Those of `opened` that no rule allows."""
        rules = self.allowed(enclave)
        return {endpoint for endpoint in opened if not any(covers(r, endpoint) for r in rules)}

    def unused(self, enclave: str, opened: set[Endpoint]) -> set[Endpoint]:
        """Rules that none of `opened` needs."""
        rules = self.allowed(enclave)
        return {rule for rule in rules if not any(covers(rule, e) for e in opened)}


def endpoints(group: str, right: str, name: str) -> Iterator[Endpoint]:
    """What a rule is about, in topics and services."""
    if group != "actions":
        yield Endpoint(group, right, name)
        return
    for parts, kind, its_right in zip(
        (ACTION_TOPICS, ACTION_SERVICES), ("topics", "services"), ACTION_RIGHTS[right], strict=True
    ):
        yield from (Endpoint(kind, its_right, f"{name}/_action/{part}") for part in parts)


def covers(rule: Endpoint, endpoint: Endpoint) -> bool:
    return rule[:2] == endpoint[:2] and fnmatchcase(endpoint.name, rule.name)
