# SPDX-License-Identifier: Apache-2.0
"""Where a Rerun recording goes: to a file, or to a viewer that is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import rerun as rr

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing.piped_file import piped_file
from m2r2_ros.viewing.rerun_blueprint import rerun_blueprint
from m2r2_ros.viewing.rerun_viewer import rerun_viewer

_APPLICATION = "m2r2_ros"


@contextmanager
def rerun_recording(
    name: str, layout: SensorLayout, file: Path | None
) -> Iterator[tuple[rr.RecordingStream, Callable[[], None]]]:
    """A recording with its views, complete in the file when the block is left.

    Without a file a viewer is opened. Call what is beside it now and then: it ends the block where
    the disk is full or the viewer is closed. Raises M2R2Error where either cannot be had.
    """
    recording = rr.RecordingStream(_application(layout))
    recording.send_recording_name(name)
    blueprint = rerun_blueprint(layout)
    if file is None:
        with rerun_viewer(recording, blueprint) as check:
            yield recording, check
        return
    # Rerun's own writer waits for ever where a disk is full.
    with partial_file(file) as temporary, piped_file(temporary) as piped:
        recording.save(piped.source, default_blueprint=blueprint)
        try:
            yield recording, piped.check
        finally:
            recording.disconnect()


def _application(layout: SensorLayout) -> str:
    """One for each set of sensors: the viewer keeps an application's views once they changed."""
    sensors = "\n".join(layout.modalities).encode()
    return f"{_APPLICATION}-{hashlib.sha256(sensors).hexdigest()[:8]}"
