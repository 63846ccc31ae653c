# SPDX-License-Identifier: Apache-2.0
"""What a killed segmenter left, damaged in any way, and a home that cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from damaged_journals import GOOD, damages

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.nodes.conversions import event_to_ros
from m2r2_ros.nodes.last_event import LastEvent, ended
from m2r2_ros.nodes.name_lock import NameLock

EVENT = SegmentEvent(
    **{**GOOD, "status": SegmentStatus(GOOD["status"]), "outcome": ActionOutcome(GOOD["outcome"])}
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_damaged_one_is_set_aside(home):
    fallen = {}
    tried = 0
    for name, damage in damages():
        tried += 1
        for left in home.iterdir():
            left.rmdir() if left.is_dir() and not left.is_symlink() else left.unlink()
        last = LastEvent("/segmenter")
        damage(last.path)
        try:
            event = last.read()
            assert event is None, f"taken for {event}"
            assert "is damaged" in last.damage
            assert len(last.damage.splitlines()) == 1
            assert os.path.lexists(last.path.with_suffix(".damaged"))
            last.write(EVENT)
            assert LastEvent("/segmenter").read() == EVENT, "not written anew"
        except Exception as error:
            fallen[name] = repr(error)
    print(f"survived {tried - len(fallen)} of {tried}")
    assert tried >= 50
    assert not fallen


def test_every_good_one_can_be_published(home):
    """What is read reaches the planner: no field that passes is one that the message refuses."""
    edges = {
        "segment_id": [0, 2**64 - 2], "class_id": [-1, 2**31 - 1], "end_ns": [1, 2**31 * 10**9 - 1],
        "label": ["", "Größe 大", "x" * 2000], "confidence": [0, 1, 1.0000001],
        "outcome": [0, 1, 2], "outcome_confidence": [0, 1], "progress": [None, 0, 1],
    }  # fmt: skip
    for field, values in edges.items():
        for value in values:
            last = LastEvent("/segmenter")
            last.path.write_text(json.dumps({**GOOD, field: value}), encoding="utf-8")
            event = last.read()
            assert event is not None, (field, value, last.damage)
            assert event_to_ros(ended(event)).segment_id == event.segment_id


def test_the_temporary_file_follows_no_link(home, tmp_path):
    treasure = tmp_path / "treasure"
    treasure.write_text("gold")
    last = LastEvent("/segmenter")
    for name in (last.path.with_suffix(".new"), last.path.with_suffix(f".{os.getpid()}.new")):
        name.symlink_to(treasure)
    last.write(EVENT)
    assert treasure.read_text() == "gold"
    assert last.read() == EVENT
    assert not last.path.is_symlink()


def test_names_that_look_alike_have_files_of_their_own(home):
    names = ["/a/b/segmenter", "/a_b/segmenter", "/a/b_segmenter", "/a_b_segmenter"]
    assert len({LastEvent(name).path for name in names}) == len(names)


HOLD = """
import sys, time
from m2r2_ros.nodes.name_lock import NameLock
lock = NameLock("/segmenter"); lock.take(); print("held", flush=True); sys.stdin.read()
"""


def test_a_name_is_held_until_its_process_ends_in_any_way(home):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(M2R2Error, match=f"/segmenter is in use by process {holder.pid}:"):
            NameLock("/segmenter").take()
        NameLock("/arm2/segmenter").take()
        holder.kill()
    lock = NameLock("/segmenter")
    lock.take()
    assert not lock.problem
    lock.release()


@pytest.mark.parametrize("blocked", ["file", "link", "nowhere"])
def test_without_a_home_a_node_starts_and_says_so(tmp_path, monkeypatch, blocked):
    home = tmp_path / "home"
    if blocked == "file":
        home.write_text("")
    elif blocked == "link":
        home.symlink_to(tmp_path / "none" / "none")
    monkeypatch.setenv("ROS_HOME", "/proc/none" if blocked == "nowhere" else str(home))
    lock, last = NameLock("/segmenter"), LastEvent("/segmenter")
    lock.take()
    assert "would not be noticed" in lock.problem
    assert last.read() is None
    assert not last.damage
    last.write(EVENT)
    assert "cannot be written" in last.problem
    lock.release()
