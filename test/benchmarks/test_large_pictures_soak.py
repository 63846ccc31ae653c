# SPDX-License-Identifier: Apache-2.0
"""One camera of 12 megapixels beside all the others: memory stays bounded, predictions go on.

    python -m pytest -m soak test/benchmarks/test_large_pictures_soak.py

M2R2_SOAK_SECONDS sets another length than ten minutes. It needs a machine with nothing else to do:
pictures of 36 MB at 3 Hz take about half a core, their transport included.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from m2r2_ros.sensing.limits import SensingLimits

pytestmark = [pytest.mark.soak, pytest.mark.ros, pytest.mark.timeout(7200)]
SECONDS = float(os.environ.get("M2R2_SOAK_SECONDS", "600"))
# What the process takes without any sensor: ROS, onnxruntime and the models.
BARE_MB = 250.0


def test_ten_minutes_of_twelve_megapixels(tmp_path: Path):
    pytest.importorskip("rclpy")
    from m2r2_ros.benchmarks.large_pictures import LARGE, measure
    from m2r2_ros.benchmarks.options import Options
    from m2r2_ros.benchmarks.programs import monitoring
    from m2r2_ros.shipped import shipped

    options = Options(SECONDS, 1, shipped("models/taskboard_compact"), tmp_path)
    with monitoring() as monitor:
        done = measure(monitor, options, "hand", LARGE)
    print(f"\n{done}")
    assert done["largest_mb"] < BARE_MB + SensingLimits.buffer_mb
    assert done["predictions_hz"] >= 9.0
    assert set(done["lost"]) <= {"hand"}
    assert "4000 x 3000" in done["notice"]
