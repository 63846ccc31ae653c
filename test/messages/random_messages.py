# SPDX-License-Identifier: Apache-2.0
"""Message types by chance, messages of them by rosbags' own serialiser, and where numbers are."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

NUMBERS = {
    "float64": np.float64,
    "float32": np.float32,
    "int64": np.int64,
    "uint32": np.uint32,
    "int16": np.int16,
    "uint8": np.uint8,
    "int8": np.int8,
    "bool": np.bool_,
}
TOP = "lab_msgs/msg/Top"


@dataclass
class Kinds:
    """A type by chance: the text of its definition, and of all that it needs."""

    seed: int
    lines: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._make("Top", 0)
        self.is_stamped = self._chance.random() < 0.7
        if self.is_stamped:
            self.lines["Top"].insert(0, ("header", "std_msgs/Header"))
        # A list of texts names the entries of every list behind it in the same message.
        for fields in self.lines.values():
            at = self._chance.randrange(len(fields) + 1)
            fields.insert(max(at, self.is_stamped), ("names", "string[]"))

    def _make(self, name: str, depth: int) -> None:
        fields = []
        for index in range(self._chance.randint(1, 5)):
            kind = self._chance.choice([*NUMBERS, "float64", "string", *["nested"] * (depth < 2)])
            if kind == "nested":
                kind = f"{name}{index}"
                self._make(kind, depth + 1)
                kind = f"lab_msgs/{kind}"
            ending = "" if kind == "string" else self._chance.choice(["", "", "[]", "[3]"])
            fields.append((f"f{index}", kind + ending))
        self.lines[name] = fields

    @property
    def text(self) -> str:
        """As rosbag2 writes it into a bag."""
        parts = {n: "\n".join(f"{k} {f}" for f, k in rows) for n, rows in self.lines.items()}
        others = [f"MSG: lab_msgs/{name}\n{body}" for name, body in parts.items() if name != "Top"]
        return f"\n{'=' * 80}\n".join([parts["Top"], *others])

    def store(self) -> Typestore:
        store = get_typestore(Stores.EMPTY)
        common = get_typestore(Stores.ROS2_HUMBLE)
        needed = ("std_msgs/msg/Header", "builtin_interfaces/msg/Time")
        store.register({name: common.fielddefs[name] for name in needed})
        store.register(get_types_from_msg(self.text, TOP))
        return store


class Messages:
    """Messages of one type; `numbers` maps each path to the values that it means."""

    def __init__(self, kinds: Kinds, store: Typestore) -> None:
        self._kinds, self._types = kinds, store.types
        self._chance = random.Random(kinds.seed + 1)

    def make(self, lengths: random.Random, stamp_ns: int) -> tuple[Any, dict[str, list[float]]]:
        """A message; those of equal `lengths` are laid out alike."""
        self._lengths, self._stamp_ns = lengths, stamp_ns
        numbers: dict[str, list[float]] = {}
        message = self._message("Top", "", numbers)
        return message, numbers

    def _message(self, name: str, prefix: str, numbers: dict[str, list[float]]) -> Any:
        values, names = [], []
        for field_name, kind in self._kinds.lines[name]:
            path = prefix + field_name
            if field_name == "names":
                names = [f"joint/{i}.x" for i in range(6)][: self._lengths.randint(3, 6)]
                values.append(list(names))
            elif kind == "std_msgs/Header":
                time = self._types["builtin_interfaces/msg/Time"](*divmod(self._stamp_ns, 10**9))
                values.append(
                    self._types["std_msgs/msg/Header"](time, "f" * self._lengths.randint(0, 9))
                )
            elif kind == "string":
                values.append("t" * self._lengths.randint(0, 9))
            else:
                values.append(self._field(kind, path, names, numbers))
        return self._types[f"lab_msgs/msg/{name}"](*values)

    def _field(
        self, kind: str, path: str, names: list[str], numbers: dict[str, list[float]]
    ) -> Any:
        base, bracket, size = kind.partition("[")
        if not bracket:
            return self._one(base, path, numbers)
        count = int(size[:-1]) if size != "]" else self._lengths.randint(0, 4)
        if base in NUMBERS:
            array = np.array([self._number(base) for _ in range(count)], NUMBERS[base])
            rows = array.astype(np.float64).tolist()
            numbers[path] = rows
            for index, value in enumerate(rows):
                numbers[f"{path}[{index}]"] = [value]
                if index < len(names):
                    numbers[f"{path}[{names[index]}]"] = [value]
            numbers |= {f"{path}[1:{stop}]": rows[1:stop] for stop in range(3, count + 1)}
            return array
        found = []
        for index in range(count):
            below: dict[str, list[float]] = {}
            found.append(self._one(base, f"{path}[{index}]", below))
            numbers.update(below)
            if index < len(names):
                step = f"{path}[{index}]"
                named = f"{path}[{names[index]}]"
                numbers.update({named + k[len(step) :]: v for k, v in below.items()})
        return found

    def _one(self, base: str, path: str, numbers: dict[str, list[float]]) -> Any:
        if base not in NUMBERS:
            return self._message(base.removeprefix("lab_msgs/"), f"{path}.", numbers)
        value = self._number(base)
        numbers[path] = [float(value)]
        return value.item()

    def _number(self, base: str) -> Any:
        kind = NUMBERS[base]
        if base == "bool":
            return kind(self._chance.random() < 0.5)
        if base.startswith("float"):
            return kind(self._chance.uniform(-1e6, 1e6))
        bounds = np.iinfo(kind)
        return kind(self._chance.randint(max(bounds.min, -(2**52)), min(bounds.max, 2**52)))
