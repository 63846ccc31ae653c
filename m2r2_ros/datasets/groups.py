# SPDX-License-Identifier: Apache-2.0
"""Which recordings belong together: of one person, day or rig. None is trained and scored on both.

`groups.csv`, beside recordings and in a folder of features, has a line for each recording:

recording,group
rgb-01-1,person 01
rgb-01-2,person 01
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error, brief, nearest_name
from m2r2_ros.small_files import read_small_text

GROUPS_FILE = "groups.csv"
_COLUMNS = ("recording", "group")
# A data set of 100,000 recordings; and a group names a folder.
_MOST_BYTES = 20_000_000
_MOST_NAME_BYTES = 200


@dataclass(frozen=True)
class Groups:
    """The group of each recording, by name.

    `assumed` says why each recording is a group of its own, "" where groups are stated.
    """

    of: Mapping[str, str]
    assumed: str = ""

    def members(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Those of these recordings that are in each group; groups in order of name."""
        found: dict[str, list[str]] = {}
        for name in names:
            found.setdefault(self.of[name], []).append(name)
        return dict(sorted(found.items()))

    def among(self, names: Sequence[str], what: str) -> Groups:
        """The groups of these recordings alone; each its own where all are of one group.

        `what` they are called where that is said.
        """
        members = self.members(names)
        if self.assumed or len(members) != 1:
            return Groups({name: self.of[name] for name in names}, self.assumed)
        (group,) = members
        said = f"all {what} are of group '{group}': each is a group of its own"
        return Groups({name: name for name in names}, said)

    def check_apart(self, **parts: Sequence[str]) -> None:
        """Raise M2R2Error, naming it, when a group has recordings in two of these parts.

        Each recording alone is no group.
        """
        if self.assumed:
            return
        members = {part: self.members(names) for part, names in parts.items()}
        for one, other in combinations(members, 2):
            for group in sorted(members[one].keys() & members[other].keys()):
                first, second = members[one][group][0], members[other][group][0]
                raise M2R2Error(
                    f"group '{group}' is in {one} ('{first}') and in {other} ('{second}'): what is "
                    f"learned of it would be scored on it: move its recordings to one side, or "
                    f"correct {GROUPS_FILE}"
                )


def find_groups(folder: Path, names: Sequence[str]) -> Groups:
    """The groups of these recordings of a folder; each alone where the folder says nothing.

    Raises M2R2Error that names the file, also when it lacks one of them.
    """
    path = folder / GROUPS_FILE
    if not path.exists():
        said = f"{folder} has no {GROUPS_FILE}: each recording is a group of its own"
        return Groups({name: name for name in names}, said)
    stated = read_groups(path)
    for name in names:
        if name not in stated:
            near = nearest_name(name, stated)
            raise M2R2Error(f"{path}: has no line for recording '{name}'{near}")
    return Groups({name: stated[name] for name in names}).among(names, "recordings")


def check_split(folder: Path, train: Sequence[str], test: Sequence[str]) -> Groups:
    """The groups of a split. Raises M2R2Error as `find_groups`, and where both sides share one."""
    groups = find_groups(folder, list(dict.fromkeys([*train, *test])))
    groups.check_apart(training=train, test=test)
    return groups


def read_groups(path: Path) -> dict[str, str]:
    """Recording -> group, as the file says. Raises M2R2Error that names file and line."""
    reader = csv.reader(io.StringIO(read_small_text(path, _MOST_BYTES)), strict=True)
    groups: dict[str, str] = {}
    try:
        places = _places(path, next(reader, []))
        for row in filter(any, reader):
            recording, group = _entry(f"{path}: line {reader.line_num}", row, places)
            if recording in groups:
                raise M2R2Error(f"{path}: names {brief(recording)} twice: leave it in once")
            groups[recording] = group
    except csv.Error as error:
        raise M2R2Error(f"{path}: line {reader.line_num}: not CSV: {error}") from error
    if not groups:
        raise M2R2Error(f"{path}: names no recording")
    return groups


def _places(path: Path, header: Sequence[str]) -> tuple[int, int]:
    columns = [column.strip().lower() for column in header]
    for wanted in _COLUMNS:
        if columns.count(wanted) != 1:
            near = nearest_name(wanted, columns)
            raise M2R2Error(
                f"{path}: its first line must name the columns {','.join(_COLUMNS)}, and has "
                f"'{wanted}' {columns.count(wanted)} times{near if wanted not in columns else ''}"
            )
    return columns.index(_COLUMNS[0]), columns.index(_COLUMNS[1])


def _entry(where: str, row: Sequence[str], places: tuple[int, int]) -> tuple[str, str]:
    if len(row) <= max(places):
        raise M2R2Error(f"{where}: {brief(','.join(row))} has no {' and '.join(_COLUMNS)}")
    recording, group = (row[place].strip() for place in places)
    if not recording:
        raise M2R2Error(f"{where}: names no recording")
    check_group(where, group)
    return recording, group


def check_group(where: str, group: str) -> None:
    """Raise M2R2Error unless a folder can be called like the group."""
    plain = group.isprintable() and Path(group).name == group and group not in ("", ".", "..")
    if not plain or "\\" in group or len(group.encode()) > _MOST_NAME_BYTES:
        raise M2R2Error(
            f"{where}: {brief(group)} is no name of a group: up to {_MOST_NAME_BYTES} bytes "
            "without slashes"
        )
    if group == "0":
        raise M2R2Error(f"{where}: a group cannot be called 0, which means none: call it 00")


def write_groups(folder: Path, groups: Mapping[str, str]) -> None:
    """Write a folder's groups, to appear when they are complete."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *sorted(groups.items())])
    with partial_file(folder / GROUPS_FILE) as temporary:
        temporary.write_text(text.getvalue(), "utf-8")


def check_groups(folder: Path, groups: Mapping[str, str]) -> None:
    """Raise M2R2Error when a folder that is there has one of these recordings in another group."""
    path = folder / GROUPS_FILE
    there = read_groups(path) if path.exists() else {}
    for name in sorted(there.keys() & groups.keys()):
        if there[name] != groups[name]:
            raise M2R2Error(
                f"{path}: '{name}' is in group '{there[name]}' there and in '{groups[name]}' where "
                "its recording lies: correct one, or choose another folder"
            )


def add_groups(folder: Path, groups: Mapping[str, str]) -> None:
    """Write a folder's groups, besides those that it has. Raises M2R2Error as `check_groups`."""
    check_groups(folder, groups)
    path = folder / GROUPS_FILE
    write_groups(folder, (read_groups(path) if path.exists() else {}) | dict(groups))


def recorded_groups(recordings: Mapping[str, Path], given: Iterable[Path]) -> dict[str, str]:
    """The groups of recordings by name, {} where none is stated.

    A `groups.csv` beside a recording says it, or one in the folder that was given; else the folder
    below that one in which the recording lies. Raises M2R2Error when some recordings are in none.
    """
    roots, tables = [path for path in given if path.is_dir()], {}
    found: dict[str, str] = {}
    for name, path in recordings.items():
        root = next((root for root in roots if root in path.parents), path.parent)
        group = _recorded_group(name, path, root, tables)
        if group is not None:
            found[name] = group
    if lacking := sorted(set(recordings) - set(found)) if found else []:
        raise M2R2Error(
            f"{recordings[lacking[0]]}: is in no group, and others are: put it in a folder, or all "
            f"in {GROUPS_FILE}"
        )
    return found


def _recorded_group(
    name: str, path: Path, root: Path, tables: dict[Path, dict[str, str]]
) -> str | None:
    for folder in (root, path.parent):
        file = folder / GROUPS_FILE
        if file not in tables:
            tables[file] = read_groups(file) if file.exists() else {}
        if tables[file]:
            if name not in tables[file]:
                near = nearest_name(name, tables[file])
                raise M2R2Error(f"{file}: has no line for recording '{name}'{near}")
            return tables[file][name]
    below = path.relative_to(root).parts if root in path.parents else ()
    if len(below) < 2:
        return None
    check_group(str(path), below[0])
    return below[0]
