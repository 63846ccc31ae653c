# SPDX-License-Identifier: Apache-2.0
"""The live graph in either viewer, and as a line of text for RViz."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from m2r2_ros.nodes.view_inputs import ViewInputs, viewing_node
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.parallel.priority import program_gives_way
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing.live_show import LiveShow, show_live
from m2r2_ros.viewing.screen import Screen

Say = Callable[[str], None]


class GraphView:
    """What is shown of which robot, and for how long; its program gives way to a chain."""

    def __init__(
        self,
        layout: SensorLayout,
        deployment: Deployment,
        has_ended: Callable[[], bool],
        say: Say,
        warn: Say,
    ) -> None:
        """`say` is told what is served where, `warn` what cannot be shown."""
        self._layout, self._deployment = layout, deployment
        self._has_ended, self._say, self._warn = has_ended, say, warn

    def in_foxglove(self, host: str, port: int) -> None:
        """Serve it. Raises M2R2Error."""
        from m2r2_ros.viewing.foxglove_screen import FoxgloveScreen
        from m2r2_ros.viewing.foxglove_server import foxglove_server

        screen = FoxgloveScreen(self._layout)
        with (
            self._inputs() as inputs,
            foxglove_server(screen, "m2r2_ros", host, port) as server,
        ):
            self._say(f"open {server.url}")
            self._show(inputs, screen, server.tell_time)

    def in_rerun(self, file: Path | None) -> None:
        """Into a file, or a viewer that is opened. Raises M2R2Error."""
        from m2r2_ros.viewing.rerun_recording import rerun_recording
        from m2r2_ros.viewing.rerun_screen import RerunScreen

        with (
            self._inputs() as inputs,
            rerun_recording("m2r2_ros", self._layout, file) as (recording, check),
        ):
            self._say(f"recording into {file or 'the viewer'}: Ctrl-C ends")
            self._show(inputs, RerunScreen(recording, self._layout, None), check)

    def as_text(self) -> None:
        """Only the line of text."""
        with self._inputs() as inputs:
            self._say("publishing the current segment as text")
            self._show(inputs, None)

    @contextmanager
    def _inputs(self) -> Iterator[ViewInputs]:
        # Before ROS starts its threads.
        program_gives_way()
        deployment = self._deployment
        with viewing_node(deployment.namespace or "/") as node:
            inputs = ViewInputs(node, self._layout, deployment.topics, deployment.limits)
            try:
                yield inputs
            finally:
                inputs.close()

    def _show(
        self, inputs: ViewInputs, screen: Screen | None, after: Callable[[], None] = lambda: None
    ) -> None:
        show = LiveShow(inputs, self._layout, screen)
        show_live(show, inputs, self._has_ended, after, self._warn)
