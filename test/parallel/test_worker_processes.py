# SPDX-License-Identifier: Apache-2.0
"""Pieces of work in other processes: what they give, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.processes import in_processes, told_in_processes
from m2r2_ros.parallel.progress import Progress

WAITING = """
import os, sys, time
from pathlib import Path
from m2r2_ros.parallel.processes import in_processes

def wait(folder):
    try:
        (Path(folder) / f"{os.getpid()}.begun").touch()
        time.sleep(120)
    finally:
        (Path(folder) / f"{os.getpid()}.unwound").touch()

if __name__ == "__main__":
    list(in_processes(wait, [sys.argv[1]] * 3, 2))
"""


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize("workers", [1, 2])
def test_every_piece_gives_its_result(workers):
    assert sorted(in_processes(abs, [-3, 1, -2], workers)) == [1, 2, 3]


def count_to(number: int) -> int:
    return sum(1 for _ in Progress(range(number), mininterval=0))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_listener_is_told_how_far_each_piece_is(workers):
    told: dict[int, list[float]] = {}

    def listen(piece, done):
        told.setdefault(piece, []).append(done)

    assert sorted(told_in_processes(count_to, [2, 3], workers, listen)) == [2, 3]
    assert set(told) == {0, 1}
    assert all(parts == sorted(parts) and parts[-1] == 1 for parts in told.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_work_raises_is_raised_here(workers):
    with pytest.raises(ValueError, match="nonsense"):
        list(in_processes(int, ["nonsense", "1"], workers))


def test_a_killed_worker_is_one_clear_error():
    with pytest.raises(M2R2Error, match="try fewer --workers"):
        list(in_processes(os._exit, [9, 9], 2))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_workers_end_with_their_parent(tmp_path, number):
    program = tmp_path / "waiting.py"
    program.write_text(WAITING)
    command = [sys.executable, str(program), str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as parent:
        wait_for(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
        workers = [int(path.stem) for path in tmp_path.glob("*.begun")]
        parent.send_signal(number)
        parent.wait(60)
    wait_for(lambda: not any(map(is_alive, workers)))
    # Interrupted, they leave nothing half done.
    unwound = {int(path.stem) for path in tmp_path.glob("*.unwound")}
    assert unwound == (set(workers) if number == signal.SIGINT else set())
