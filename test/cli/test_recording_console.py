# SPDX-License-Identifier: Apache-2.0
"""What `m2r2 record` shows, with and without a terminal."""

from types import SimpleNamespace

from m2r2_ros.cli import _recording_console
from m2r2_ros.cli._recording_console import RecordingConsole, state_line

STATE = SimpleNamespace(
    take="lid_001",
    seconds=12.34,
    messages=100,
    size=5_000_000,
    label="pick",
    rates={"/wrench": 998.0, "/front": 0.0},
    silent={"/front": 1.25},
    lost=0,
    dropped=3,
    free_bytes=60 * 10**9,
)


def test_the_line_says_what_is_wrong_before_what_is_right():
    line = state_line(STATE)
    said = "lid_001 12.3 s 5.0 MB | [pick] | 60 GB free | 3 dropped | /front SILENT 1.2 s | "
    assert line == said + "/wrench 998"
    waiting = SimpleNamespace(**{**vars(STATE), "take": "", "dropped": 0, "silent": {}})
    assert state_line(waiting).startswith("waiting | 60 GB free | /wrench")


def test_without_a_terminal_the_state_is_a_line_now_and_then(capsys, monkeypatch):
    console = RecordingConsole()
    now = 100.0
    monkeypatch.setattr(_recording_console.time, "monotonic", lambda: now)
    console._logged_s = now
    console.show(STATE)
    assert capsys.readouterr().err == ""
    now += _recording_console._LOG_S
    console.show(STATE)
    console.say("a\x1bb")
    error = capsys.readouterr().err
    assert error.count("lid_001") == 1 and "\x1b" not in error and "\r" not in error
    assert console.pressed() == ""
