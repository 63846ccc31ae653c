# SPDX-License-Identifier: Apache-2.0
"""Nothing grows: not over an hour of replay, not over lifecycles, not over parameter changes.

    python -m pytest -m soak test/nodes/test_soak.py

M2R2_SOAK_SECONDS sets another length of the replay than an hour.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import numpy as np
import pytest
from harness import STATIONS, Planner, node_program, replay_program, spin_until, started
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from m2r2_ros.nodes.feature_extractor import FeatureExtractor
from m2r2_ros.nodes.segmenter import Segmenter
from m2r2_ros.nodes.synchronizer import Synchronizer

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]
SECONDS = float(os.environ.get("M2R2_SOAK_SECONDS", "3600"))
# Caches of the middleware, the allocator and onnxruntime fill in the beginning.
WARM_UP = 0.2
MEGABYTE = 2**20


def resident_bytes(pid="self"):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def handles():
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def test_memory_is_flat_over_a_long_replay(node, tmp_path, bag, models):
    """The resident set once a second; its slope after the first fifth, as growth in an hour."""
    planner = Planner(node)
    online = node_program(tmp_path, "online", {"models": models})
    replay = replay_program(tmp_path, bag, "--loop", "--rate", "10")
    samples = []
    with started(node, planner, online, *STATIONS), replay:
        spin_until(node, lambda: planner.frames[10:], "the first windows")
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < SECONDS:
            assert not online.ended, online.output
            second = time.monotonic() + 1.0
            spin_until(node, lambda end=second: time.monotonic() > end, "a second")
            samples.append((elapsed, resident_bytes(online.process.pid)))
            # What was heard is kept here, not there.
            planner.frames.clear(), planner.events.clear(), planner.features.clear()
        windows = int(planner.value("synchronizer", "windows"))
        resets = int(planner.value("synchronizer", "resets"))
        assert online.interrupt() == 0, online.output
    times, sizes = np.array([s for s in samples if s[0] >= WARM_UP * SECONDS]).T
    slope = np.polyfit(times, sizes, 1)[0] * 3600 / MEGABYTE
    print(
        f"\n{SECONDS:.0f} s at 10x: {windows} windows, {resets} jumps; resident "
        f"{sizes[0] / MEGABYTE:.1f} MB, then {sizes[-1] / MEGABYTE:.1f} MB, "
        f"largest {sizes.max() / MEGABYTE:.1f} MB, slope {slope:.1f} MB an hour"
    )
    assert sizes[-1] - sizes[0] < 5 * MEGABYTE
    assert windows > SECONDS


def make(models):
    values = {"models": str(models)}
    segmenter = Segmenter(composed=True, values=values)
    extractor = FeatureExtractor(on_feature=segmenter.accept, values=values)
    return [Synchronizer(on_windows=extractor.accept, values=values), extractor, segmenter]


def test_lifecycles_leave_nothing_behind(ros, models):
    stations = make(models)
    sizes = []
    try:
        for cycle in range(120):
            for step in ("configure", "activate", "deactivate", "cleanup"):
                for station in stations:
                    result = getattr(station, f"trigger_{step}")()
                    assert result == TransitionCallbackReturn.SUCCESS, station.fault
            if cycle in (19, 119):
                gc.collect()
                sizes.append((resident_bytes(), *handles()))
    finally:
        for station in stations:
            station.destroy_node()
    (before, *made), (after, *left) = sizes
    print(f"\n100 lifecycles: {(after - before) / MEGABYTE:.1f} MB, {made} -> {left} handles")
    assert left == made
    assert after - before < 20 * MEGABYTE


def test_parameter_changes_leave_nothing_behind(ros, models):
    stations = make(models)
    segmenter = stations[-1]
    try:
        segmenter.trigger_configure()
        sizes = []
        for number in range(11_000):
            value = 0.1 + number % 10 / 10
            assert segmenter.set_parameters([Parameter("confirm_s", value=value)])[0].successful
            assert not segmenter.set_parameters([Parameter("confirm_s", value=-1.0)])[0].successful
            if number in (999, 10_999):
                gc.collect()
                sizes.append((resident_bytes(), *handles()))
        assert segmenter._sequence.tracker.config.confirm_s == value
    finally:
        for station in stations:
            station.destroy_node()
    (before, *made), (after, *left) = sizes
    print(f"\n10,000 changes: {(after - before) / MEGABYTE:.1f} MB, {made} -> {left} handles")
    assert left == made
    assert after - before < 5 * MEGABYTE
