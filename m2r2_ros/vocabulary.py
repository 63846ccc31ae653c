# SPDX-License-Identifier: Apache-2.0
"""The labels of a data set: its classes, which of them are idle, what is action and what object.

labels: [wait, tighten cap, tighten bolt, wipe]
idle: [wait]
parts:
  tighten cap: {action: tighten, object: cap}
  tighten bolt: {action: tighten, object: bolt}

A label without parts is an action without an object. The *coarse* label is the label without its
object: "tighten" of "tighten cap". Idle labels and labels without an object are their own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from m2r2_ros.errors import M2R2Error, brief, nearest_name

FORMAT = 1
# What a segment says that no class is sure of.
UNKNOWN = "unknown"
# Of a frame of which nobody said what is done in it: no class, neither learned nor scored.
UNLABELLED = "unlabelled"

MAX_LABELS = 5000
MAX_LABEL_CHARACTERS = 1000
# Of the vocabulary as JSON: twice as much fits into a model's metadata.
MAX_CHARACTERS = 400_000


class Parts(NamedTuple):
    """What is done, "" for nothing, and to what, "" for no object."""

    action: str
    object: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """Labels by class id. Raises M2R2Error when they cannot be.

    idle   labels that say that nothing is done.
    parts  label -> action and object, of those that are not an action without an object.
    world  what a planner's model of the world needs to know of the actions: carried, not read.
    """

    labels: tuple[str, ...]
    idle: tuple[str, ...] = ()
    parts: Mapping[str, Parts] = field(default_factory=dict)
    world: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_labels(self.labels)
        known = frozenset(self.labels)
        for label in (*self.idle, *self.parts):
            if not isinstance(label, str) or label not in known:
                near = nearest_name(str(label), self.labels)
                raise M2R2Error(f"{brief(label)} is none of the labels{near}")
        if twice := [label for label, count in Counter(self.idle).items() if count > 1]:
            raise M2R2Error(f"idle: {brief(twice[0])} is there twice")
        _check_parts(self)
        _check_size(self.to_dict())

    @classmethod
    def from_dict(cls, values: Any) -> Vocabulary:
        """The inverse of `to_dict`, of what may come from anywhere. Raises M2R2Error."""
        if not isinstance(values, dict):
            raise M2R2Error("no vocabulary: expected entries such as 'labels'")
        known = ("format", "labels", "idle", "parts", "world")
        for name in values:
            if name not in known:
                raise M2R2Error(f"no entry {brief(name)}{nearest_name(str(name), known)}")
        if type(values.get("format")) is not int or values["format"] != FORMAT:
            raise M2R2Error(f"'format' must be {FORMAT}, got {brief(values.get('format'))}")
        labels = _texts("labels", values.get("labels"))
        if not labels:
            raise M2R2Error("names no label")
        return cls(
            labels,
            _texts("idle", values.get("idle", [])),
            {label: _parts(label, entry) for label, entry in _entries("parts", values).items()},
            _entries("world", values),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        values: dict[str, Any] = {"format": FORMAT, "labels": list(self.labels)}
        values["idle"] = list(self.idle)
        if self.parts:
            values["parts"] = {label: part._asdict() for label, part in self.parts.items()}
        return values | ({"world": dict(self.world)} if self.world else {})

    def is_idle(self, label: str) -> bool:
        """Whether the label says that nothing is done."""
        return label in self._idle

    def action_of(self, label: str) -> str:
        """The action of a label, fine or coarse; "" of idle ones, of "unknown" and "unlabelled"."""
        return self._parts_of(label).action

    def object_of(self, label: str) -> str:
        """The object of a label, "" where it has none."""
        return self._parts_of(label).object

    @cached_property
    def has_objects(self) -> bool:
        """Whether any label has one; where none has, coarse labels say what fine ones say."""
        return any(part.object for part in self.parts.values())

    def coarse(self, label: str) -> str:
        """The label without its object; what is no label stays as it is."""
        return self._coarse.get(label, label)

    @property
    def levels(self) -> dict[str, Callable[[str], str]]:
        """From the labels of a data set to those that are learned and scored."""
        return {"fine": str, "coarse": self.coarse} if self.has_objects else {"fine": str}

    def at(self, level: str) -> Vocabulary:
        """The vocabulary of the labels of a level. Raises M2R2Error where there is none such."""
        if level not in self.levels:
            raise M2R2Error(f"no label has an object: there are no {level} labels")
        if level == "fine":
            return self
        names = tuple(dict.fromkeys(map(self.coarse, self.labels)))
        parts = {name: Parts(self.action_of(name)) for name in names}
        own = {name: part for name, part in parts.items() if part.action not in ("", name)}
        return replace(self, labels=names, parts=own)

    def with_idle(self, idle: Sequence[str]) -> Vocabulary:
        """The same with other idle labels. Raises M2R2Error when one is no label."""
        parts = {label: part for label, part in self.parts.items() if label not in idle}
        return replace(self, idle=tuple(idle), parts=parts)

    def on(self, labels: Sequence[str]) -> Vocabulary:
        """What it says of these labels, of which it may know some. Raises M2R2Error."""
        idle = tuple(label for label in self.idle if label in labels)
        parts = {label: part for label, part in self.parts.items() if label in labels}
        return Vocabulary(tuple(labels), idle, parts, self.world)

    def difference(self, other: Vocabulary) -> str:
        """What the two say differently of the labels that both have, in words; "" for nothing."""
        for label in filter(set(other.labels).__contains__, self.labels):
            if self.is_idle(label) != other.is_idle(label):
                return f"whether '{label}' is idle"
            if self._parts_of(label) != other._parts_of(label):
                return f"the action and object of '{label}'"
        return ""

    def _parts_of(self, label: str) -> Parts:
        unnamed = Parts("" if label in (UNKNOWN, UNLABELLED) else label)
        return self._fine.get(label) or self._alone.get(label, unnamed)

    @cached_property
    def _idle(self) -> frozenset[str]:
        return frozenset(self.idle)

    @cached_property
    def _fine(self) -> dict[str, Parts]:
        """Label -> action and object."""
        plain = {label: Parts("" if self.is_idle(label) else label) for label in self.labels}
        return plain | dict(self.parts)

    @cached_property
    def _coarse(self) -> dict[str, str]:
        """Label -> coarse label."""
        return {label: self._names.get(part.action, label) for label, part in self._fine.items()}

    @cached_property
    def _alone(self) -> dict[str, Parts]:
        """Coarse label of an action that has objects -> the action."""
        return {name: Parts(action) for action, name in self._names.items()}

    @cached_property
    def _names(self) -> dict[str, str]:
        """Action that has objects -> its coarse label.

        That is the label of the action without an object, if there is one.
        """
        own = {part.action: label for label, part in self._fine.items() if not part.object}
        names: dict[str, str] = {}
        for label, part in self.parts.items():
            if part.object:
                names.setdefault(part.action, own.get(part.action) or _spelling(label, part))
        return names


def is_label(text: str) -> bool:
    """Whether a vocabulary can have it."""
    try:
        _check_text("label", text)
    except M2R2Error:
        return False
    return True


def labelled_runs(labels: Sequence[str]) -> list[slice]:
    """The frames between unlabelled ones."""
    runs, start = [], 0
    for is_known, group in groupby(labels, lambda label: label != UNLABELLED):
        end = start + len(list(group))
        runs += [slice(start, end)] if is_known else []
        start = end
    return runs


def _spelling(label: str, part: Parts) -> str:
    """The action as its label writes it: "Insert" of "Insert USB", whose action is "insert"."""
    text = label.removesuffix(f" {part.object}")
    return text if text.lower() == part.action else part.action


def _check_labels(labels: Sequence[Any]) -> None:
    if len(labels) > MAX_LABELS:
        raise M2R2Error(f"names {len(labels)} labels, more than {MAX_LABELS}")
    for label in labels:
        _check_text("label", label)
    if twice := [label for label, count in Counter(labels).items() if count > 1]:
        raise M2R2Error(f"label {brief(twice[0])} is there twice")


def _check_text(what: str, text: Any) -> None:
    if not isinstance(text, str):
        raise M2R2Error(f"{what} {brief(text)} is no text: put it in quotes")
    if not text or len(text) > MAX_LABEL_CHARACTERS or text != text.strip():
        raise M2R2Error(
            f"{what} {brief(text)} must have 1 to {MAX_LABEL_CHARACTERS} characters, no blank at "
            "either end"
        )
    if not text.isprintable():
        raise M2R2Error(f"{what} {brief(text)} holds a character that cannot be printed")
    if text in (UNKNOWN, UNLABELLED):
        raise M2R2Error(f"{what} '{text}' is no class: it says that none is known")


def _check_parts(vocabulary: Vocabulary) -> None:
    """No two labels may have the same action and object."""
    for label, part in vocabulary.parts.items():
        if vocabulary.is_idle(label):
            raise M2R2Error(f"label '{label}' is idle: it has no action and no object")
        _check_text(f"'{label}': action", part.action)
        if part.object != "":
            _check_text(f"'{label}': object", part.object)
    said: dict[Parts, str] = {}
    for label, part in vocabulary._fine.items():
        if part.action and said.setdefault(part, label) != label:
            raise M2R2Error(f"labels '{said[part]}' and '{label}' have the same action and object")
    _check_coarse(vocabulary)


def _check_coarse(vocabulary: Vocabulary) -> None:
    """A segment that lacks its object says its coarse label: it must say nothing else."""
    said: dict[str, str] = {}
    for action, name in vocabulary._names.items():
        if said.setdefault(name, action) != action:
            raise M2R2Error(f"actions '{said[name]}' and '{action}' differ in capitals only")
        if vocabulary._fine.get(name, (action, "")) != (action, ""):
            raise M2R2Error(f"action '{action}' is called like label '{name}', which is not it")


def _check_size(values: Mapping[str, Any]) -> None:
    """Piece by piece: YAML's aliases make a little text endless."""
    size = 0
    try:
        for piece in json.JSONEncoder(allow_nan=False).iterencode(values):
            size += len(piece)
            if size > MAX_CHARACTERS:
                raise M2R2Error(f"longer than {MAX_CHARACTERS} characters as JSON")
    except (TypeError, ValueError, RecursionError) as error:
        raise M2R2Error(f"'world' holds what JSON cannot: {brief(str(error))}") from error


def _texts(name: str, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list):
        raise M2R2Error(f"'{name}' must be a list of labels, got {brief(values)}")
    return tuple(values)


def _entries(name: str, values: Mapping[str, Any]) -> dict[Any, Any]:
    entry = values.get(name, {})
    if not isinstance(entry, dict):
        raise M2R2Error(f"'{name}' must be entries, got {brief(entry)}")
    return entry


def _parts(label: Any, entry: Any) -> Parts:
    if not isinstance(entry, dict) or not set(entry) <= set(Parts._fields):
        raise M2R2Error(
            f"parts of {brief(label)} must be 'action' and 'object', got {brief(entry)}"
        )
    name = entry.get("object")
    return Parts(entry.get("action", label), "" if name is None else name)
