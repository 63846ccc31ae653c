# SPDX-License-Identifier: Apache-2.0
"""`colcon build` of both packages, and what a workspace that was built so can run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from source_tree import ROOT, executables

# One worker builds the workspace once.
pytestmark = [pytest.mark.ros, pytest.mark.xdist_group("colcon")]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """The install folder of a fresh build."""
    folder = tmp_path_factory.mktemp("workspace")
    bases = ["--build-base", folder / "build", "--install-base", folder / "install"]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "colcon", "--log-base", folder / "log", "build"),
            *("--base-paths", ROOT, ROOT / "m2r2_msgs", *bases),
            *("--cmake-args", f"-DPython3_EXECUTABLE={sys.executable}"),
        ],
        env=with_environment_active(),
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 packages finished" in result.stdout
    return folder / "install"


def with_environment_active() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run_in(workspace: Path, command: str) -> str:
    """Run a shell command where the workspace is sourced and the environment active."""
    result = subprocess.run(
        ["bash", "-c", f". {workspace}/local_setup.bash && {command}"],
        env=with_environment_active(),
        cwd=workspace,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_every_executable_is_where_ros2_run_looks(workspace):
    folder = workspace / "m2r2_ros" / "lib" / "m2r2_ros"
    assert {path.name for path in folder.iterdir()} == executables().keys()
    for path in folder.iterdir():
        assert path.read_text().startswith("#!/usr/bin/env python3\n")
        assert os.access(path, os.X_OK)


def test_a_verb_runs_from_the_workspace(workspace):
    assert "usage: m2r2 segment" in run_in(workspace, "m2r2_ros/lib/m2r2_ros/segment --help")


def test_the_workspace_brings_its_own_package_interfaces_and_files(workspace):
    program = (
        "import m2r2_ros, m2r2_msgs.msg; from m2r2_ros.shipped import shipped;"
        "print(m2r2_ros.__file__, m2r2_msgs.__file__, shipped('models'),"
        "shipped('config/reassemble.yaml'), shipped('launch'), sep='\\n')"
    )
    for path in run_in(workspace, f'python -c "{program}"').splitlines():
        assert path.startswith(f"{workspace}/m2r2_"), path


def test_a_message_of_the_workspace_survives_serialisation(workspace):
    program = (
        "from rclpy.serialization import deserialize_message as load, serialize_message as dump;"
        "from m2r2_msgs.msg import ActionSegment as A;"
        "print(load(dump(A(label='insert usb', status=A.ENDED)), A).label)"
    )
    assert run_in(workspace, f'python -c "{program}"') == "insert usb"
