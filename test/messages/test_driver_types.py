# SPDX-License-Identifier: Apache-2.0
"""The table of docs/sensors.md over DDS: types of drivers' own packages, which colcon builds here.

`test/nodes/driver_rows.py` holds the tests; they run where the workspace is sourced. They wait for
messages, none keeps time with the clock: compiling them need not hold up the tests that do.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from drivers import AUDIO_ARRAYS, AUDIO_BYTES, DYNAMIC, FILES, INTERFACE, PACKET, VIDEO, XARM
from message_packages import build_messages, sourced
from source_tree import ROOT

ROWS = ROOT / "test" / "nodes" / "driver_rows.py"
# Two packages are both called audio_common_msgs: a workspace each.
OTHERS = {name: FILES[name] for name in (XARM, INTERFACE, DYNAMIC, PACKET, VIDEO)}
WORKSPACES = {"bytes": OTHERS | AUDIO_BYTES, "arrays": AUDIO_ARRAYS}
TESTS = {"bytes": 14, "arrays": 1}


@pytest.mark.ros
@pytest.mark.parametrize("name", WORKSPACES)
def test_types_of_drivers_over_dds(tmp_path, name):
    pytest.importorskip("rclpy")
    installed = build_messages(tmp_path, WORKSPACES[name])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", f"_{name}"]
    done = subprocess.run(
        [*command, f"--basetemp={tmp_path / 'rows'}", str(ROWS)],
        env={**os.environ, **sourced(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"\b{TESTS[name]} passed", done.stdout), done.stdout
    assert "skipped" not in done.stdout
