# SPDX-License-Identifier: Apache-2.0
"""What killed programs left in shared memory is told from what living ones use."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from m2r2_ros.diagnosis import leftovers, machine
from m2r2_ros.diagnosis.leftovers import left_behind

_SPIN = """
import rclpy
rclpy.init()
node = rclpy.create_node("holder")
print("up", flush=True)
rclpy.spin(node)
"""


@pytest.fixture
def shared(tmp_path):
    """Three segments of 1000, 2000 and 3000 bytes; the last one is in use."""
    for size in (1000, 2000, 3000):
        (tmp_path / f"fastdds_{size}").write_bytes(bytes(size))
        (tmp_path / f"fastdds_{size}_el").touch()
    with (tmp_path / "fastdds_3000_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield tmp_path


def test_what_is_in_use_is_not_counted(shared):
    assert left_behind(shared) == (2, 3000)


def test_locks_without_a_segment_and_other_files_are_passed_over(shared):
    (shared / "fastdds_gone_el").touch()
    (shared / "other").touch()
    (shared / "other_el").touch()
    (shared / "fastdds_link").touch()
    (shared / "fastdds_link_el").symlink_to(shared / "other")
    assert left_behind(shared) == (2, 3000)


def test_a_pipe_in_place_of_a_lock_holds_nobody_up(shared):
    (shared / "fastdds_pipe").touch()
    os.mkfifo(shared / "fastdds_pipe_el")
    assert left_behind(shared)[1] == 3000


def test_many_are_said_with_the_remedy(shared, monkeypatch):
    monkeypatch.setattr(machine, "_SHARED", shared)
    assert not any("left by" in remark.text for remark in machine.machine_remarks({}, True))
    monkeypatch.setattr(machine, "_LEFT_BEHIND_BYTES", 2999)
    said = [remark.text for remark in machine.machine_remarks({}, True)]
    assert any("2 segments" in text and "fastdds shm clean" in text for text in said)


@pytest.mark.ros
def test_a_killed_node_leaves_its_segment_and_a_living_one_does_not():
    pytest.importorskip("rclpy")
    with subprocess.Popen([sys.executable, "-c", _SPIN], stdout=subprocess.PIPE) as node:
        node.stdout.readline()
        mine = _mapped(node.pid)
        assert mine
        assert not mine & _left()
        node.send_signal(signal.SIGKILL)
    assert mine <= _left()
    for name in mine:
        (machine._SHARED / name).unlink()
        (machine._SHARED / f"{name}_el").unlink()


def _mapped(pid):
    with open(f"/proc/{pid}/maps") as maps:
        paths = {line.split()[-1] for line in maps if "/dev/shm/fastdds_" in line}
    names = {os.path.basename(path) for path in paths}
    return {name for name in names if "port" not in name and not name.endswith("_el")}


def _left():
    """Names of all segments that `left_behind` counts, each looked at alone."""
    locks = machine._SHARED.glob("fastdds_*_el")
    return {lock.name.removesuffix("_el") for lock in locks if leftovers._is_free(lock)}
