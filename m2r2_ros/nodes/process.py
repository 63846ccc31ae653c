# SPDX-License-Identifier: Apache-2.0
"""The life of a process that holds one or more nodes: start, spin, end.

rclpy's own signal handlers end the context at once. Ours only end the spinning: the nodes still
shut down in order, so that the last segment's ENDED reaches everyone.
"""

from __future__ import annotations

import argparse
import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from rclpy.utilities import remove_ros_args

from m2r2_ros.errors import printable
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.ros_home import find_log_folder
from m2r2_ros.nodes.transport import use_large_shared_memory

EXIT_FAULT = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Pictures are worked on in a thread, which gets Python's lock within this time.
_SWITCH_S = 0.0001
# A monitor that runs already finds a new node within this time, also on a busy machine.
_LAST_WORDS_S = 5.0


def run(
    build: Callable[[], Sequence[ManagedNode]],
    description: str,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the nodes that `build` makes, given from upstream to downstream.

    Returns 0 after a signal or when a node has finished, 2 when one could not start or failed.
    `description` is the text of `--help`.
    """
    arguments = list(sys.argv if arguments is None else arguments)
    stop: Future = Future()
    _await_signals(stop)
    sys.setswitchinterval(_SWITCH_S)
    use_large_shared_memory()
    try:
        _parse_plain_arguments(description, arguments)
        if no_log_folder := find_log_folder():
            print(f"{arguments[0]}: {no_log_folder}", file=sys.stderr)
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        nodes = build()
    except Exception as error:  # rclpy's errors about bad arguments share no base class.
        print(printable(f"{arguments[0]}: {_one_line(error)}"), file=sys.stderr)
        rclpy.try_shutdown()
        return EXIT_FAULT
    try:
        return _run_nodes(nodes, stop)
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
        # Python removes its handlers before it ends; ignored signals stay ignored.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _parse_plain_arguments(description: str, arguments: Sequence[str]) -> None:
    """--help is the only argument of its own; the rest belongs to ROS."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog="Parameters are given as to any ROS node: --ros-args -p NAME:=VALUE "
        "--params-file FILE. `ros2 param describe` tells what each one does.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(remove_ros_args(arguments)[1:])


def _await_signals(stop: Future) -> None:
    """Complete `stop` on a signal, in any thread and while the main thread waits.

    Later signals have no effect.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)

    def wait(_keep_open: socket.socket = writing) -> None:
        while reading.recv(1):
            _finish(stop)

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _finish(stop: Future) -> None:
    if not stop.done():
        stop.set_result(None)


def _run_nodes(nodes: Sequence[ManagedNode], stop: Future) -> int:
    executor = SingleThreadedExecutor()
    for node in nodes:
        node.finish = lambda: _finish(stop)
        executor.add_node(node)
    try:
        if _autostart(nodes):
            # What is there now stays: a look through all of it takes longer than a window has.
            gc.collect()
            gc.freeze()
            executor.spin_until_future_complete(stop)
    except ExternalShutdownException:
        return 0
    for node in nodes:
        node.shut_down()
    return EXIT_FAULT if any(node.fault for node in nodes) else 0


def _autostart(nodes: Sequence[ManagedNode]) -> bool:
    """Configure all, then activate from downstream to upstream, so that no message is lost."""
    nodes = [node for node in nodes if node.autostart]
    configure = [(node, node.trigger_configure) for node in nodes]
    activate = [(node, node.trigger_activate) for node in reversed(nodes)]
    for node, transition in configure + activate:
        if transition() != TransitionCallbackReturn.SUCCESS:
            node.diagnostics.publish_last_words(_LAST_WORDS_S)
            return False
    return True


def _one_line(error: Exception) -> str:
    text = " ".join((str(error) or type(error).__name__).split())
    # rcl appends the places in its own source.
    return text.partition(", at /")[0]
