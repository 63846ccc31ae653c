# SPDX-License-Identifier: Apache-2.0
"""What recording a whole robot costs, and whether anything is lost on the way to the disk.

Three cameras of 640x480 at 30 Hz, three signals at 1 kHz and 48 kHz audio come from another
process, with pictures as JPEG and raw; `m2r2 record` writes them. What is lost is what was
published and is not in the bag.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from m2r2_ros.benchmarks.comparison import rounded
from m2r2_ros.benchmarks.options import READY, Options
from m2r2_ros.benchmarks.programs import LOAD, cpu_seconds, last_line
from m2r2_ros.datasets.bag_reader import open_bag
from m2r2_ros.errors import M2R2Error
from m2r2_ros.parallel.child_programs import ChildProgram

CAMERAS, CAMERA_HZ = ("left", "right", "hand"), 30.0
OTHERS = ("audio", "wrench", "pose", "twist")
_FORMS = ("jpeg", "raw")
_LOOK_S, _PATIENCE_S = 0.1, 60.0
# Ended by hand: longer than any load.
_SECONDS = "1000000"


def run(options: Options) -> dict[str, Any]:
    """For pictures of each form: messages, lost ones, part of a core, megabytes a second."""
    found = {}
    for form in _FORMS:
        turns = [_turn(options, form, number) for number in range(options.repetitions)]
        found[form] = {
            "messages": sum(turn["messages"] for turn in turns),
            "lost": sum(turn["lost"] for turn in turns),
            "core_fraction": [turn["core_fraction"] for turn in turns],
            "mb_per_s": [turn["mb_per_s"] for turn in turns],
        }
    return found


def _turn(options: Options, form: str, number: int) -> dict[str, Any]:
    from m2r2_ros.benchmarks.load import JPEG

    words = [f"{camera}={JPEG}" if form == JPEG else camera for camera in CAMERAS]
    out = options.logs / f"record_{form}_{number}"
    logs = {name: options.logs / f"{name}_{form}_{number}.log" for name in ("load", "recorder")}
    command = [sys.executable, "-m", "m2r2_ros.cli.main", "record", "--seconds", _SECONDS]
    command += ["--config", str(_robot_file(options.logs)), "--out", str(out), "--name", "bag"]
    asked = (str(options.seconds), str(CAMERA_HZ), *words, *OTHERS)
    load_command = [sys.executable, "-m", LOAD, *asked]
    with ExitStack() as stack:
        load = stack.enter_context(ChildProgram("load", load_command, logs["load"], True))
        recorder = stack.enter_context(ChildProgram("recorder", command, logs["recorder"]))
        _wait(lambda: READY in logs["load"].read_text(), recorder)
        _wait(lambda: ": recording" in logs["recorder"].read_text(), recorder)
        used_s, began_s = -cpu_seconds(recorder), time.monotonic()
        load.end_input()
        _wait(load.ended, recorder, 10 * options.seconds + _PATIENCE_S)
        elapsed_s = time.monotonic() - began_s
        used_s += cpu_seconds(recorder)
        recorder.ask_to_end()
        _wait(recorder.ended)
    published = last_line(logs["load"])["messages"]
    with open_bag(out / "bag") as bag:
        recorded = sum(topic.count for topic in bag.topics.values())
    size = sum(path.stat().st_size for path in (out / "bag").iterdir())
    shutil.rmtree(out)
    return {
        "messages": sum(published.values()),
        "lost": sum(published.values()) - recorded,
        "core_fraction": rounded(used_s / elapsed_s),
        "mb_per_s": rounded(size / elapsed_s / 1e6),
    }


def _robot_file(folder: Path) -> Path:
    """A parameter file with the load's topics."""
    from m2r2_ros.benchmarks.load import topic

    path = folder / "recorded_robot.yaml"
    topics = {name: topic(name) for name in (*CAMERAS, *OTHERS)}
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"topics": topics}}}), "utf-8")
    return path


def _wait(
    done: Callable[[], Any], running: ChildProgram | None = None, patience_s: float = _PATIENCE_S
) -> None:
    deadline = time.monotonic() + patience_s
    while not done():
        if running is not None:
            running.check_running()
        if time.monotonic() > deadline:
            raise M2R2Error("a load of the benchmark did not come to an end")
        time.sleep(_LOOK_S)
