# SPDX-License-Identifier: Apache-2.0
"""The README's workspace: a clone, a link beside it, a plain `colcon build`, and what can run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from source_tree import ROOT, executables

# One worker builds the workspace once.
pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """The folder src of a workspace; a link stands for the clone."""
    folder = tmp_path_factory.mktemp("workspace") / "src"
    folder.mkdir()
    (folder / "m2r2_ros").symlink_to(ROOT)
    (folder / "m2r2_msgs").symlink_to("m2r2_ros/m2r2_msgs")
    return folder


def colcon(sources: Path, *arguments: str) -> str:
    """What a colcon command prints in the workspace."""
    result = subprocess.run(
        [sys.executable, "-m", "colcon", *arguments],
        env=with_environment_active(),
        cwd=sources.parent,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def workspace(sources) -> Path:
    """The install folder of a fresh build; the wheels' CMake files name another Python."""
    python = ("--cmake-args", f"-DPython3_EXECUTABLE={sys.executable}")
    assert "2 packages finished" in colcon(sources, "build", *python)
    return sources.parent / "install"


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


def test_the_link_lets_the_habitual_commands_find_both_packages(sources):
    listed = {line.split("\t")[0] for line in colcon(sources, "list").splitlines()}
    assert listed == {"m2r2_ros", "m2r2_msgs"}
    # What rosdep looks for below --from-paths, and leaves out with --ignore-src.
    from catkin_pkg.packages import find_packages

    found = {package.name: package for package in find_packages(str(sources)).values()}
    assert found.keys() == {"m2r2_ros", "m2r2_msgs"}
    assert "m2r2_msgs" in {need.name for need in found["m2r2_ros"].exec_depends}


def test_what_pip_installs_is_what_has_no_other_key():
    """README's one pip command covers rosdep's pip keys, which a marked Python refuses."""
    readme = (ROOT / "README.md").read_text("utf-8")
    (command,) = re.findall(r"^pip install ([\w ]+?) *(?:#.*)?$", readme, re.MULTILINE)
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    keys = [e.text for e in package if e.tag.endswith("depend") and not e.get("condition")]
    by_pip = {key.removeprefix("python3-").removesuffix("-pip") for key in keys if "-pip" in key}
    assert by_pip and by_pip <= set(command.split())
    assert {"av", "soxr"} <= set(command.split())


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
