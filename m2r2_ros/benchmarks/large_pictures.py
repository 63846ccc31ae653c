# SPDX-License-Identifier: Apache-2.0
"""What one camera of 12 megapixels at 3 Hz costs beside all the others: memory and predictions.

The online nodes in one process under the load of a whole robot, whose last camera sends raw
pictures of 4000 x 3000. Reference: the same with its usual pictures of 640 x 480.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from m2r2_ros.benchmarks.comparison import rounded
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.benchmarks.programs import LoadRun, Monitor, monitoring, run_load
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata

ONLINE = ["m2r2_ros.nodes.online"]
LARGE = "4000x3000@3"
CAMERA_HZ = 10.0


def run(options: Options) -> dict[str, Any]:
    """Resident set [MB] and predictions a second, `large` and `usual`; `ratio` of the latter."""
    camera = read_encoder_metadata(options.models / ENCODER_FILE).layout.cameras[-1]
    with monitoring() as monitor:
        large = [measure(monitor, options, camera, LARGE) for _ in range(options.repetitions)]
        usual = [measure(monitor, options, camera, "") for _ in range(options.repetitions)]
    rates = [median(each["predictions_hz"] for each in side) for side in (large, usual)]
    return {"ratio": rounded(rates[0] / rates[1]), "large": large, "usual": usual}


def measure(monitor: Monitor, options: Options, camera: str, size: str) -> dict[str, Any]:
    """One turn; `size` as "4000x3000@3", "" for the usual pictures."""
    own = {camera: size} if size else {}
    done = run_load(monitor, ONLINE, "synchronizer", options, CAMERA_HZ, own=own)
    synchronizer = done.diagnostics["synchronizer"]
    return {
        "predictions_hz": rounded(len(done.prediction_ms) / done.elapsed_s),
        "seconds": rounded(done.elapsed_s),
        "resident_mb": _over_time(done),
        "largest_mb": rounded(max(done.resident_mb)),
        "published": done.published[camera],
        "lost": {name: count for name, count in done.lost.items() if count},
        "reduced": int(synchronizer[f"{camera}.reduced"]),
        "dropped": int(synchronizer[f"{camera}.dropped"]),
        "masked": int(synchronizer[f"{camera}.masked"]),
        "notice": synchronizer[f"{camera}.notice"],
        "core_fraction": rounded(done.cpu_s / done.elapsed_s),
    }


def _over_time(done: LoadRun) -> list[float]:
    """The resident set at ten times from the beginning to the end."""
    step = max(1, len(done.resident_mb) // 10)
    return [rounded(size) for size in done.resident_mb[::step]]
