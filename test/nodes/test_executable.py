# SPDX-License-Identifier: Apache-2.0
"""A start where something is not built or installed is one line that says what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest
from source_tree import executables, setup_arguments

NODES = [name for name, (module, _) in executables().items() if ".nodes." in module]


def start_without(package, program, arguments):
    """Run an entry point in an interpreter that does not have `package`."""
    module, function = executables()[program]
    code = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = {[program, *arguments]!r};"
        f"from {module} import {function}; sys.exit({function}())"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("program", [*NODES, "replay"])
def test_interfaces_that_are_not_built_are_one_line(program):
    arguments = ["a_bag"] if program == "replay" else []
    result = start_without("m2r2_msgs", program, arguments)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "the ROS package m2r2_msgs is not built or not sourced: in the workspace run" in line
    assert "`ln -s m2r2_ros/m2r2_msgs src/m2r2_msgs && colcon build && source" in line


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("rclpy", "no ROS 2 is sourced: run `source /opt/ros/<distribution>/setup.bash`"),
        ("onnxruntime", "needs the Python package 'onnxruntime': install it"),
    ],
)
def test_what_else_is_missing_is_one_line(package, text):
    result = start_without(package, "segmenter", [])
    assert result.returncode == 2
    assert result.stderr.splitlines() == [f"segmenter: {text}"]


def test_every_node_is_a_program():
    assert set(NODES) >= {"online", "synchronizer", "feature_extractor", "segmenter", "replayer"}
    assert setup_arguments()["name"] == "m2r2_ros"


def test_a_node_starts_by_its_entry_point():
    result = start_without("no_such_package", "online", ["--help"])
    assert result.returncode == 0, result.stderr
    assert "usage: online" in result.stdout
