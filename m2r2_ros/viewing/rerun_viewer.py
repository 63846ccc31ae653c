# SPDX-License-Identifier: Apache-2.0
"""Rerun's viewer, opened for one recording: whether it is still there is known."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import rerun as rr
import rerun.blueprint as rrb

from m2r2_ros.errors import M2R2Error

SUFFIX = ".rrd"
# Of this very environment, whatever is in PATH.
_VIEWER = (sys.executable, "-m", "rerun_cli")
_LOCALHOST = "127.0.0.1"
_LOOK_S = 0.1
_REMEDY = f"--out FILE{SUFFIX} writes what it shows"


class _ViewerClosed(Exception):
    """Its user has seen enough."""


@contextmanager
def rerun_viewer(
    recording: rr.RecordingStream, blueprint: rrb.Blueprint
) -> Iterator[Callable[[], None]]:
    """Open a viewer that shows the recording, and stays when the block is left.

    Call what is given now and then: it ends the block once the viewer is closed. Raises M2R2Error
    where it cannot be opened.
    """
    port = _free_port()
    viewer = _opened(port)

    def check() -> None:
        if viewer.poll() == 0:
            raise _ViewerClosed
        _check_runs(viewer)

    recording.connect_grpc(f"rerun+http://{_LOCALHOST}:{port}/proxy", default_blueprint=blueprint)
    try:
        yield check
        check()
    except _ViewerClosed:
        pass
    finally:
        recording.disconnect()


def check_display() -> None:
    """Raise M2R2Error where no viewer can be opened."""
    is_shown = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform == "linux" and not is_shown:
        raise M2R2Error(f"there is no display for Rerun's viewer: {_REMEDY}")


def _opened(port: int) -> subprocess.Popen[bytes]:
    """A viewer that listens. Raises M2R2Error where it ends before."""
    # Ctrl-C is for the command alone.
    viewer = subprocess.Popen([*_VIEWER, "--port", str(port)], start_new_session=True)
    try:
        while not _listens(port):
            _check_runs(viewer)
            time.sleep(_LOOK_S)
    except BaseException:
        # The program and what it has started.
        with suppress(ProcessLookupError):
            os.killpg(viewer.pid, signal.SIGTERM)
        raise
    return viewer


def _check_runs(viewer: subprocess.Popen[bytes]) -> None:
    if (status := viewer.poll()) is not None:
        raise M2R2Error(f"Rerun's viewer has ended with status {status}: {_REMEDY}")


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind((_LOCALHOST, 0))
        return trial.getsockname()[1]


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((_LOCALHOST, port)) == 0
