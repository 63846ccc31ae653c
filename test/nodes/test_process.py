# SPDX-License-Identifier: Apache-2.0
"""A node ends in order however often it is told to."""

from __future__ import annotations

import signal
import time

import pytest
from harness import STATIONS, Planner, node_program, started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_more_signals_while_it_ends_change_nothing(node, tmp_path, models, number):
    planner = Planner(node)
    online = node_program(tmp_path, "online", {"models": models})
    with started(node, planner, online, *STATIONS):
        sent = 0
        while not online.ended:
            online.process.send_signal(number)
            sent += 1
            time.sleep(0.0005)
        assert online.end() == 0, online.output
    assert sent > 1
    for text in ("Traceback", "Exception", "Error"):
        assert text not in online.output
