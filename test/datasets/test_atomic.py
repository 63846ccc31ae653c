# SPDX-License-Identifier: Apache-2.0
"""Outputs appear whole or not at all, and nothing is left lying about."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from m2r2_ros.datasets.atomic import partial_file, partial_folder
from m2r2_ros.errors import M2R2Error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_at_the_end(tmp_path):
    with partial_file(tmp_path / "deep" / "a.txt") as path:
        path.write_text("new")
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert (tmp_path / "deep" / "a.txt").read_text() == "new"
    assert names(tmp_path / "deep") == ["a.txt"]


def test_a_folder_replaces_the_one_that_was_there(tmp_path):
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "old").write_text("")
    with partial_folder(tmp_path / "bag") as path:
        path.mkdir()
        (path / "new").write_text("")
    assert names(tmp_path) == ["bag"] and names(tmp_path / "bag") == ["new"]


@pytest.mark.parametrize("failure", [ZeroDivisionError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path, failure):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(failure), partial_file(tmp_path / "a.txt") as path:
        path.write_text("half")
        raise failure
    with pytest.raises(failure), partial_folder(tmp_path / "bag") as path:
        path.mkdir()
        (path / "half").write_text("")
        raise failure
    assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.parametrize("place", ["", ".", "/", "folder", "pipe", "link"])
def test_only_a_file_is_replaced(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    before = names(tmp_path)
    with pytest.raises(M2R2Error, match="cannot write"), partial_file(Path(place)) as path:
        path.write_text("new")
    assert names(tmp_path) == before and (tmp_path / "pipe").is_fifo()


def test_a_link_to_nothing_is_replaced(tmp_path):
    (tmp_path / "a.txt").symlink_to("nowhere")
    with partial_file(tmp_path / "a.txt") as path:
        path.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_full_disk_is_one_line(tmp_path):
    text = r"cannot write .*a\.txt: .*No space left"
    with pytest.raises(M2R2Error, match=text), partial_file(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")


def test_what_a_killed_process_left_is_swept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".a.txt.{dead.pid}.partial").write_text("half")
    (tmp_path / f".bag.{dead.pid}.partial").mkdir()
    (tmp_path / f".bag.{os.getppid()}.partial").mkdir()
    with partial_file(tmp_path / "a.txt") as path:
        path.write_text("")
    with partial_folder(tmp_path / "bag") as path:
        path.mkdir()
    assert names(tmp_path) == [f".bag.{os.getppid()}.partial", "a.txt", "bag"]


@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "mine/1"])
def test_what_stands_for_an_open_file_is_not_replaced(tmp_path, monkeypatch, capfd, place):
    """Also where a file is open there, as in `--json /dev/stdout > scores.json`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").symlink_to("/dev/fd")
    assert Path(place).is_file()
    with pytest.raises(M2R2Error, match="cannot write"), partial_file(Path(place)) as path:
        path.write_text("new")


@pytest.mark.parametrize("name", ["x" * 255, "\N{GREEK SMALL LETTER ALPHA}" * 127, "x" * 221])
def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path, name):
    for text in ("old", "new"):
        with partial_file(tmp_path / name) as path:
            path.write_text(text)
    with partial_folder(tmp_path / f"{name[1:]}d") as path:
        path.mkdir()
    assert (tmp_path / name).read_text() == "new"
    assert names(tmp_path) == sorted([name, f"{name[1:]}d"])
