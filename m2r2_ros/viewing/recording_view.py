# SPDX-License-Identifier: Apache-2.0
"""A recording in either viewer, with what was published about it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

from m2r2_ros.datasets.recording_source import RecordingSource, vocabulary_of
from m2r2_ros.errors import printable
from m2r2_ros.inference.models import Models
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing.recorded_show import batch_calls, truth_calls
from m2r2_ros.viewing.results import Results

Say = Callable[[str], None]

_SHAPE = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s of recording"


def recorded_results(
    path: Path, source: RecordingSource, models: Models | None, deployment: Deployment, say: Say
) -> Results:
    """What models say of it now, else what the bag at `path` holds. Raises M2R2Error."""
    if models is not None:
        run = segment_source(source, models, deployment)
        return Results.of_run(run, models.head.labels)
    results = Results.of_recording(path)
    for problem in results.problems:
        say(f"{path.name}: {problem}")
    if not results.events:
        say(f"{path.name}: holds no published segments: --models DIR computes them")
    return results


def recording_in_foxglove(
    source: RecordingSource,
    layout: SensorLayout,
    results: Results,
    address: tuple[str, int],
    has_ended: Callable[[], bool],
    say: Say,
    warn: Say,
) -> None:
    """Serve it at host and port until `has_ended`.

    `say` is told the address, `warn` what cannot be shown. Raises M2R2Error.
    """
    from m2r2_ros.viewing.foxglove_screen import FoxgloveScreen
    from m2r2_ros.viewing.foxglove_server import foxglove_server
    from m2r2_ros.viewing.playback import Playback
    from m2r2_ros.viewing.recorded_player import play_recording
    from m2r2_ros.viewing.recorded_show import RecordedShow

    screen = FoxgloveScreen(layout)
    # The end is the last sample's stamp, which is shown, too.
    playback = Playback(source.start_ns, source.end_ns + 1)
    show = RecordedShow(source, layout, results, screen, warn)
    with foxglove_server(screen, printable(source.name), *address, playback) as server:
        say(f"open {server.url}")
        play_recording(show, screen, server, playback, has_ended)


def recording_in_rerun(
    source: RecordingSource,
    layout: SensorLayout,
    results: Results,
    deployment: Deployment,
    file: Path | None,
    warn: Say,
) -> None:
    """Write all of it to a file, or into a viewer that is opened.

    `warn` is told what cannot be shown. Raises M2R2Error.
    """
    from m2r2_ros.viewing.rerun_recording import rerun_recording
    from m2r2_ros.viewing.rerun_screen import RerunScreen

    batches = source.batches(layout, deployment.limits)
    total_s = (source.end_ns - source.start_ns) / 1e9
    with (
        rerun_recording(printable(source.name), layout, file) as (recording, check),
        Progress(desc=printable(source.name), total=total_s, bar_format=_SHAPE) as bar,
    ):
        screen = RerunScreen(recording, layout, vocabulary_of(source))
        calls = [*results.calls(screen), *truth_calls(source, screen)]
        waiting = deque(sorted(calls, key=itemgetter(0)))
        for batch in batches:
            check()
            calls = sorted(batch_calls(batch, screen), key=itemgetter(0))
            for stamp_ns, call in calls:
                # What is published at a frame's stamp is written on that frame.
                while waiting and waiting[0][0] <= stamp_ns:
                    waiting.popleft()[1]()
                call()
            if calls:
                bar.update(max(0.0, (calls[-1][0] - source.start_ns) / 1e9 - bar.n))
        for _, call in waiting:
            call()
    for problem in (*source.problems, *screen.problems.values()):
        warn(f"{source.name}: {problem}")
