# SPDX-License-Identifier: Apache-2.0
"""A node for a command, which lives as long as the command looks at the graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.nodes.ros_home import find_log_folder
from m2r2_ros.nodes.transport import use_large_shared_memory


@contextmanager
def own_node(name: str, namespace: str = "", has_parameters: bool = True) -> Iterator[Node]:
    """In a context of its own, whatever else this process does with ROS. Raises M2R2Error."""
    use_large_shared_memory()
    find_log_folder()
    context = rclpy.Context()
    start_ros(context)
    try:
        node = rclpy.create_node(
            name, namespace=namespace, context=context, start_parameter_services=has_parameters
        )
    except ValueError as error:
        context.try_shutdown()
        raise M2R2Error(printable(f"namespace {namespace}: {error}")) from error
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()


def start_ros(context: rclpy.Context | None = None) -> None:
    """Raises M2R2Error where ROS's own settings are wrong; signals stay the command's."""
    try:
        rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy's errors share no base class.
        why = str(error).partition(", at /")[0]
        raise M2R2Error(
            f"ROS cannot start: {why}: see to the environment's variables of ROS"
        ) from error
