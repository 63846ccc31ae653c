# SPDX-License-Identifier: Apache-2.0
"""Programs in the background end with the block, however they behave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel import child_programs
from m2r2_ros.parallel.child_programs import ChildProgram

SLEEP = "import time; print('ready', flush=True); time.sleep(60)"
DEAF = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]\n" + SLEEP


def companion(program: str, folder) -> ChildProgram:
    return ChildProgram("node", [sys.executable, "-c", program], folder / "node.log")


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("program", [SLEEP, DEAF], ids=["obedient", "deaf"])
def test_leaving_the_block_ends_it(tmp_path, monkeypatch, program):
    quick = [(number, patience and 0.3) for number, patience in child_programs._PERSUASION]
    monkeypatch.setattr(child_programs, "_PERSUASION", quick)
    log = tmp_path / "node.log"
    with pytest.raises(RuntimeError), companion(program, tmp_path) as node:
        wait_for(lambda: "ready" in log.read_text())
        node.check_running()
        raise RuntimeError
    assert not is_alive(node._process.pid)


def test_failure_is_reported_with_its_last_line(tmp_path):
    with companion("import sys; print('a'); sys.exit('no such topic')", tmp_path) as node:
        node._process.wait(30)
        with pytest.raises(M2R2Error, match=r"the node failed: no such topic \(log: .*node\.log"):
            node.ended()


def test_a_ros_log_line_loses_its_prefix(tmp_path):
    program = "import sys; sys.exit('[ERROR] [1795298399.250522143] [synchronizer]: no model')"
    with companion(program, tmp_path) as node:
        node._process.wait(30)
        with pytest.raises(M2R2Error, match="the node failed: no model"):
            node.ended()


def test_an_early_end_is_told_from_a_failure(tmp_path):
    with companion("", tmp_path) as node:
        wait_for(node.ended)
        with pytest.raises(M2R2Error, match="ended too early"):
            node.check_running()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_it_starts_ends_it_too(tmp_path, monkeypatch, number):
    """As if the signal came between the start of the program and the first sight of it."""
    started = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            started.append(self.pid)
            os.kill(os.getpid(), number)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = signal.signal(number, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), companion(SLEEP, tmp_path):
            pass
    finally:
        signal.signal(number, before)
    assert not is_alive(started[0])


def test_the_input_stays_open_until_it_is_ended(tmp_path):
    program = "import sys; print('ready', flush=True); sys.stdin.read(); print('went on')"
    log = tmp_path / "node.log"
    with ChildProgram("node", [sys.executable, "-c", program], log, has_input=True) as node:
        wait_for(lambda: "ready" in log.read_text())
        node.check_running()
        assert is_alive(node.pid)
        node.end_input()
        wait_for(node.ended)
    assert log.read_text().split("\n")[1] == "went on"


def test_without_an_input_there_is_nothing_to_wait_for(tmp_path):
    with companion("import sys; sys.exit(len(sys.stdin.read()))", tmp_path) as node:
        wait_for(node.ended)
