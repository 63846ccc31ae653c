# SPDX-License-Identifier: Apache-2.0
"""Where a Rerun recording goes: to a file, or to a viewer that is opened."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rerun as rr

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing.piped_file import piped_file
from m2r2_ros.viewing.rerun_blueprint import rerun_blueprint

APPLICATION = "m2r2_ros"
SUFFIX = ".rrd"


@contextmanager
def rerun_recording(
    name: str, layout: SensorLayout, file: Path | None
) -> Iterator[tuple[rr.RecordingStream, Callable[[], None]]]:
    """A recording with its views, complete in the file when the block is left.

    Call what is beside it now and then: it ends the block where the disk is full. Without a file a
    viewer is opened. Raises M2R2Error where the file cannot be written.
    """
    recording = rr.RecordingStream(APPLICATION)
    recording.send_recording_name(name)
    blueprint = rerun_blueprint(layout)
    if file is None:
        recording.spawn(default_blueprint=blueprint)
        yield recording, lambda: None
        recording.disconnect()
        return
    # Rerun's own writer waits for ever where a disk is full.
    with partial_file(file) as temporary, piped_file(temporary) as piped:
        recording.save(piped.source, default_blueprint=blueprint)
        try:
            yield recording, piped.check
        finally:
            recording.disconnect()


def check_display() -> None:
    """Raise M2R2Error where no viewer can be opened."""
    is_shown = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform == "linux" and not is_shown:
        raise M2R2Error(
            f"there is no display for Rerun's viewer: --out FILE{SUFFIX} writes what it shows"
        )
