# SPDX-License-Identifier: Apache-2.0
"""Blocks a thread until something has been heard, whoever spins the node.

Where an executor holds the node, its threads hear; the waiting one sleeps. Where none does, as in a
plain script, the waiting thread spins the node itself. Where the waiting thread is the one that
would have to hear, waiting would never end, and that is said at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sys import _getframe

import rclpy.task
from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from rclpy.node import Node

from m2r2_ros.errors import M2R2Error

# A clock that has been set, or a node that has been taken over, is noticed within this time.
_LOOK_S = 0.1


class CannotWait(M2R2Error):
    """Nobody would hear while this thread waits."""


class BlockingWait:
    """Waits on behalf of `node` for what `changed` is notified of."""

    def __init__(self, node: Node, changed: threading.Condition) -> None:
        self._node = node
        self._changed = changed
        self._own_callback = threading.local()
        self._spinning = threading.Lock()
        self._own: Executor | None = None
        self._waiting_in_callbacks = 0

    @contextmanager
    def in_own_callback(self) -> Iterator[None]:
        """Mark this thread as the one that hears."""
        self._own_callback.is_running = True
        try:
            yield
        finally:
            self._own_callback.is_running = False

    def until(self, done: Callable[[], bool]) -> bool:
        """Return once `done()`; whether anybody spun the node meanwhile, if there was a meanwhile.

        Raises CannotWait, and ExternalShutdownException when ROS shuts down.
        """
        spun = threading.Event()
        asked: Executor | None = None
        with self._counted():
            if done():
                return True
            while not done():
                if not self._node.context.ok():
                    raise ExternalShutdownException()
                holder = self._holder()
                if holder is None and self._spinning.acquire(blocking=False):
                    try:
                        spun.set()
                        self._spin_until(done)
                    finally:
                        self._spinning.release()
                    continue
                if holder is not None and holder is not asked:
                    asked = holder
                    holder.create_task(spun.set)
                self._sleep_until(done)
        return spun.is_set()

    def close(self) -> None:
        """Give up the executor of its own."""
        if self._own is not None:
            self._own.shutdown()

    def _holder(self) -> Executor | None:
        """The executor of somebody else that holds the node."""
        executor = self._node.executor
        if executor is None or executor is self._own or self._node not in executor.get_nodes():
            return None
        # One that was shut down keeps its nodes.
        return None if getattr(executor, "_is_shutdown", False) else executor

    def _sleep_until(self, done: Callable[[], bool]) -> None:
        with self._changed:
            if not done():
                self._changed.wait(_LOOK_S)

    def _spin_until(self, done: Callable[[], bool]) -> None:
        """Spin the node until `done()` or somebody else takes it over."""
        if self._own is None:
            self._own = SingleThreadedExecutor(context=self._node.context)
        self._own.add_node(self._node)
        try:
            while not done() and self._node.context.ok() and self._node.executor is self._own:
                self._own.spin_once(timeout_sec=_LOOK_S)
        finally:
            self._own.remove_node(self._node)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Refuse what would never end; callbacks that wait take the threads that would hear."""
        if getattr(self._own_callback, "is_running", False):
            raise CannotWait(f"on_start or on_end has called a function that waits; {_REMEDY}")
        executor = _executor_of_this_callback()
        if executor is None or executor is not self._node.executor:
            yield
            return
        threads = _threads(executor)
        with self._changed:
            if self._waiting_in_callbacks + 1 >= threads:
                raise CannotWait(
                    f"a callback waits for segments, and of the executor's {threads} thread(s) "
                    f"none is left to hear them; {_REMEDY}"
                )
            self._waiting_in_callbacks += 1
        try:
            yield
        finally:
            with self._changed:
                self._waiting_in_callbacks -= 1


_REMEDY = (
    "use on_start, on_end, waiting() or the action AwaitAction, or wait in a thread of your own"
)


def _threads(executor: Executor) -> int:
    if not isinstance(executor, MultiThreadedExecutor):
        return 1
    return getattr(executor._executor, "_max_workers", 1)


def _executor_of_this_callback() -> Executor | None:
    """The executor whose callback this thread is in, by the frames of its stack.

    rclpy runs each callback as a task, and tells nobody that it does.
    """
    frame = _getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == rclpy.task.__file__:
            owner = frame.f_locals.get("self")
            if isinstance(owner, rclpy.task.Task):
                return owner._executor()
        frame = frame.f_back
    return None
