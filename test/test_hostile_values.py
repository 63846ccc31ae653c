# SPDX-License-Identifier: Apache-2.0
"""A value that has no end, in a file that people write, is refused in one short line.

A YAML file of a hundred bytes can hold a list whose text would fill a disk: lists of one list nine
times, twenty levels deep. It is no harm until somebody prints it.
"""

from __future__ import annotations

import random
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from source_tree import PACKAGE

from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.simulation.recipe import load_recipe
from m2r2_ros.training.heads.causal import CausalSettings
from m2r2_ros.training.settings import PretrainSettings, load_settings

# What an error may take: it cuts longer texts in the middle.
LONGEST_LINE = 6000


def bomb(seed: int) -> str:
    """A value in YAML's flow style that is short to write and endless to print."""
    chance = random.Random(seed)
    kind = seed % 4
    if kind == 0:
        levels = [f"&a0 [{', '.join(['lol'] * 9)}]"]
        for level in range(1, chance.randint(15, 40)):
            levels.append(f"&a{level} [{', '.join([f'*a{level - 1}'] * chance.randint(5, 12))}]")
        return f"[{', '.join(levels)}]"
    if kind == 1:
        levels = ["&a0 {k: lol, l: lol}"]
        for level in range(1, chance.randint(20, 40)):
            keys = ", ".join(f"k{i}: *a{level - 1}" for i in range(chance.randint(3, 9)))
            levels.append(f"&a{level} {{{keys}}}")
        return f"[{', '.join(levels)}]"
    if kind == 2:
        # More digits than Python agrees to print, though it reads them.
        return "0x" + "F" * chance.randint(5_000, 50_000)
    return '"' + "x" * chance.randint(10**5, 10**6) + '"'


def numbers(kind: type, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path to every entry of (nested) settings."""
    found = []
    for entry in fields(kind):
        value = getattr(kind(), entry.name)
        path = (*prefix, entry.name)
        found += numbers(type(value), path) if is_dataclass(value) else [path]
    return found


def parameter_file(path: tuple[str, ...], value: str) -> str:
    return f"/**:\n  ros__parameters:\n    {nested(path, value)}\n"


def nested(path: tuple[str, ...], value: str) -> str:
    for name in reversed(path):
        value = f"{{{name}: {value}}}"
    return value


def recipe(path: tuple[str, ...], value: str) -> str:
    return f"name: a\nsplits: {{one: {{recordings: 1, seed: 1}}}}\n{path[0]}: {value}\n"


PARAMETERS = [
    (entry.name,) for kind in (SensingLimits, TrackerConfig, TopicMap) for entry in fields(kind)
] + [("topics", "hama1"), ("topics", "audio"), ("actions",)]
READERS = {
    "parameters": (Deployment.load, parameter_file, PARAMETERS),
    "pretrain": (
        lambda path: load_settings(PretrainSettings, path),
        nested,
        numbers(PretrainSettings),
    ),
    "head": (lambda path: load_settings(CausalSettings, path), nested, numbers(CausalSettings)),
    "recipe": (
        load_recipe,
        recipe,
        [("attempts",), ("cameras",), ("frame_rate_hz",), ("splits",), ("name",)],
    ),
}
# What names a file, a topic or data may be long, and a long text is one line, cut short.
CASES = [
    pytest.param(reader, path, seed, id=f"{reader}-{'.'.join(path)}-{seed}")
    for reader, (_, _, paths) in READERS.items()
    for seed, path in enumerate([path for path in paths for _ in range(2)])
]


def test_there_are_enough_of_them():
    assert len(CASES) >= 50


@pytest.mark.parametrize(("reader", "path", "seed"), CASES)
def test_a_value_without_end_is_one_short_line(reader, path, seed, tmp_path: Path):
    read, write, _ = READERS[reader]
    file = tmp_path / "values.yaml"
    file.write_text(write(path, bomb(seed)))
    try:
        read(file)
    except M2R2Error as error:
        assert len(str(error)) < LONGEST_LINE + len(str(file))
        assert "\n" not in str(error)


def test_messages_show_foreign_values_by_the_one_helper_that_is_bounded():
    for path in PACKAGE.rglob("*.py"):
        assert "!r" not in path.read_text(), f"{path}: errors.brief shows a value"
