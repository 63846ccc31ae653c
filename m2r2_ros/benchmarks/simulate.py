# SPDX-License-Identifier: Apache-2.0
"""The simulated task board: seconds of recording made in a second, with and without pictures.

Ours: a short recording with all that `m2r2 simulate` writes, three videos included. Reference: the
same without the videos, so `ratio` is what drawing and encoding them multiplies the cost by.
"""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median
from typing import Any

from m2r2_ros.benchmarks.comparison import rounded, summarise
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import RecordingData
from m2r2_ros.errors import M2R2Error
from m2r2_ros.simulation.generate import make_simulator
from m2r2_ros.simulation.recording_settings import RecordingSettings

_FIRST_SEED = 900_000
_SETTINGS = RecordingSettings(attempts=1)


def run(options: Options) -> dict[str, Any]:
    """Rates of one process, by the wall's clock and by the CPU's. A recording a repetition.

    Simulation is installed on request only: where it is not, says so instead.
    """
    try:
        simulator = make_simulator(bool(_SETTINGS.cameras))
    except M2R2Error as error:
        return {"not_measured": str(error)}
    costs: dict[str, list[tuple[float, float]]] = {"with_pictures": [], "without_pictures": []}
    for repetition in range(options.repetitions):
        clock = _Clock()
        data = simulator.record(_FIRST_SEED + repetition, "simulate", _SETTINGS)
        write_recording(options.logs / "signals.h5", replace(data, videos={}))
        duration_s = data.actions[-1].end_s
        costs["without_pictures"].append(clock.cost_of(duration_s))
        write_recording(options.logs / "videos.h5", RecordingData(data.name, data.videos))
        costs["with_pictures"].append(clock.cost_of(duration_s))
    cpu = {name: [cpu_s for _, cpu_s in cost] for name, cost in costs.items()}
    return {
        **summarise(cpu["with_pictures"], cpu["without_pictures"]),
        "unit": "s of CPU for a simulated second",
        "simulated_seconds_in_a_second": {
            name: {
                "wall": rounded(1 / median(wall_s for wall_s, _ in cost)),
                "cpu": rounded(1 / median(cpu_s for _, cpu_s in cost)),
            }
            for name, cost in costs.items()
        },
    }


class _Clock:
    """Wall and CPU seconds since it was made, for each of some seconds of recording."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def cost_of(self, duration_s: float) -> tuple[float, float]:
        return (
            (time.perf_counter() - self._wall_s) / duration_s,
            (time.process_time() - self._cpu_s) / duration_s,
        )
