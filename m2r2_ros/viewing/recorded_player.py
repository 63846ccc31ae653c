# SPDX-License-Identifier: Apache-2.0
"""A recording played into Foxglove while somebody looks."""

from __future__ import annotations

import time
from collections.abc import Callable

from m2r2_ros.viewing.foxglove_screen import FoxgloveScreen
from m2r2_ros.viewing.foxglove_server import FoxgloveServer
from m2r2_ros.viewing.playback import Playback
from m2r2_ros.viewing.recorded_show import RecordedShow

STEP_S, IDLE_S = 0.04, 0.2
# What took longer to read is played later, not left out.
_LONGEST_STEP_S = 0.2


def play_recording(
    show: RecordedShow,
    screen: FoxgloveScreen,
    server: FoxgloveServer,
    playback: Playback,
    has_ended: Callable[[], bool],
) -> None:
    """Play until `has_ended`; time stands still while nobody looks."""
    then_s = time.monotonic()
    while not has_ended():
        if not screen.is_watched:
            time.sleep(IDLE_S)
            then_s = time.monotonic()
            continue
        jumped, newcomers = playback.has_jumped(), screen.has_newcomers()
        if jumped or newcomers:
            show.restore(playback.now.position_ns)
        now_s = time.monotonic()
        start_ns, end_ns = playback.advance(min(now_s - then_s, _LONGEST_STEP_S))
        then_s = now_s
        if start_ns < end_ns:
            show.show(start_ns, end_ns)
        server.tell_time()
        server.tell_end(playback)
        time.sleep(max(0.0, STEP_S - (time.monotonic() - now_s)))
