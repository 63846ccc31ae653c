# SPDX-License-Identifier: Apache-2.0
"""`m2r2 bench simulate`: the right rates, and a word instead of a failure without MuJoCo."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recordings import recording

from m2r2_ros.benchmarks import simulate
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.errors import M2R2Error


def options(folder) -> Options:
    return Options(1.0, 2, folder, folder)


class Simulator:
    """Takes long to draw, and no time for anything else."""

    def record(self, seed, name, settings):
        data = recording(2.0, name, settings.cameras)
        videos = {
            camera: replace(video, frames=self._drawn(video.frames))
            for camera, video in data.videos.items()
        }
        return replace(data, videos=videos)

    def _drawn(self, frames):
        for frame in frames:
            sum(range(100_000))
            yield frame


def test_pictures_cost_and_rates_are_those_of_the_recording(tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "make_simulator", lambda draw: Simulator())
    result = simulate.run(options(tmp_path))
    assert result["ratio"] > 1 and result["repetitions"] == 2
    rates = result["simulated_seconds_in_a_second"]
    assert rates["without_pictures"]["cpu"] > rates["with_pictures"]["cpu"]
    assert rates["with_pictures"]["cpu"] == pytest.approx(1 / result["ours"]["median"], rel=0.01)
    assert {path.name for path in tmp_path.iterdir()} == {"signals.h5", "videos.h5"}


def test_without_the_simulator_the_benchmark_says_so(tmp_path, monkeypatch):
    def fail(draw):
        raise M2R2Error("the simulator needs the Python package 'mujoco'")

    monkeypatch.setattr(simulate, "make_simulator", fail)
    assert "mujoco" in simulate.run(options(tmp_path))["not_measured"]
