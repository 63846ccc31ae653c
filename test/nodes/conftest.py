# SPDX-License-Identifier: Apache-2.0
"""ROS for the tests of this folder, and a short recording to play."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

RECORDING_S = 5.0


def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.ros)


@pytest.fixture(scope="session")
def ros():
    """rclpy, initialised for the session."""
    rclpy = pytest.importorskip("rclpy")
    from rclpy.signals import SignalHandlerOptions

    from m2r2_ros.nodes.transport import use_large_shared_memory

    use_large_shared_memory()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def node(ros):
    """A node of the test's own."""
    node = ros.create_node(f"tester_{os.getpid()}")
    yield node
    node.destroy_node()


@pytest.fixture(scope="session")
def bag(tmp_path_factory):
    """A short recording of all sensors as a bag folder."""
    from recordings import recording

    from m2r2_ros.datasets.bag_streams import bag_content
    from m2r2_ros.datasets.bag_writer import write_bag
    from m2r2_ros.datasets.reassemble import open_recording
    from m2r2_ros.datasets.reassemble_writer import write_recording

    folder = tmp_path_factory.mktemp("recording")
    data = recording(RECORDING_S)
    file = folder / f"{data.name}.h5"
    write_recording(file, data)
    with open_recording(file) as opened:
        write_bag(bag_content(opened), folder / "bag")
    return folder / "bag"


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Tiny models of random weights for that recording."""
    from tiny_models import write_models

    from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT

    return write_models(tmp_path_factory.mktemp("models"), REASSEMBLE_LAYOUT)
