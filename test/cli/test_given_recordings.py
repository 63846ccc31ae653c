# SPDX-License-Identifier: Apache-2.0
"""A command takes the recordings of a folder, and says which it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from m2r2_ros.cli._recordings import given_recordings


def put(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return sorted(folder / name for name in names)


def test_what_lies_deeper_than_others_is_named(tmp_path, capsys) -> None:
    taken = put(tmp_path, "a.h5", "b.h5")
    left = put(tmp_path / "monday", "c.h5", "d.h5")
    assert given_recordings([tmp_path]) == taken
    said = capsys.readouterr().err
    assert f"left out 2 in its folders, as {left[0]}" in said and said.count("\n") == 1


@pytest.mark.parametrize("deeper", [True, False])
def test_nothing_is_said_where_all_are_taken(tmp_path, capsys, deeper) -> None:
    folder = tmp_path / "monday" if deeper else tmp_path
    taken = put(folder, "a.h5", "b.h5")
    assert given_recordings([tmp_path]) == taken
    assert given_recordings(taken) == taken
    assert capsys.readouterr().err == ""


def test_a_folder_of_bags_with_a_file_beside_them_is_not_one_bag(tmp_path) -> None:
    bags = [tmp_path / name for name in ("a", "b")]
    for bag in bags:
        put(bag, "metadata.yaml", f"{bag.name}_0.mcap")
    assert given_recordings([tmp_path]) == bags
    (tmp_path / "c.mcap").touch()
    assert given_recordings([tmp_path]) == [*bags, tmp_path / "c.mcap"]
    # Parts of one recording, with folders that are none.
    put(tmp_path / "d", "d_0.mcap", "d_1.mcap")
    put(tmp_path / "d" / "notes", "x.txt")
    assert given_recordings([tmp_path / "d"]) == [tmp_path / "d"]
