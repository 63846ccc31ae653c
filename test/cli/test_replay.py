# SPDX-License-Identifier: Apache-2.0
import threading

from m2r2_ros.cli import replay
from m2r2_ros.cli.main import run_verb


def test_a_path_that_is_no_utf_8_is_one_line(capsys):
    assert run_verb("replay", ["/data/\udcffbag"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(r"m2r2 replay: /data/\udcffbag: no UTF-8")


class PastTheEnd:
    """A replayer whose clock has ticked on; `seen` is set once that was drawn."""

    duration_ns = 10**9

    def __init__(self) -> None:
        self.seen = threading.Event()
        self.asked = 0

    @property
    def position_ns(self) -> int:
        self.asked += 1
        if self.asked > 1:
            self.seen.set()
        return 2 * 10**9


def test_the_bar_does_not_complain_of_a_clock_past_the_end(capsys, monkeypatch):
    monkeypatch.setattr(replay, "_REFRESH_S", 0.01)
    monkeypatch.setattr("m2r2_ros.parallel.progress.LINE_INTERVAL_S", 0.0)
    player = PastTheEnd()
    with replay._progress([player]):
        assert player.seen.wait(60)
    said = capsys.readouterr().err
    assert "100%" in said and "TqdmWarning" not in said
