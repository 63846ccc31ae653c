# SPDX-License-Identifier: Apache-2.0
"""The base of all nodes: lifecycle, parameters, diagnostics, errors in one line.

A node fills in `configure`, `activate`, `deactivate` and `cleanup`; each may
raise M2R2Error, which fails the transition, is logged as one line and stays in the diagnostics
until a later `configure` succeeds.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.nodes import parameter_declaration, parameters
from m2r2_ros.nodes.diagnostics import ERROR, OK, Diagnostics, Report
from m2r2_ros.nodes.name_lock import NameLock
from m2r2_ros.nodes.setting import Setting, foreign_names

_LOG_PERIOD_S = 5.0


class ManagedNode(LifecycleNode):
    """A lifecycle node that cannot fail in silence."""

    SETTINGS: ClassVar[tuple[Setting, ...]] = ()
    # Relative name of the topic that it alone may publish, "" where others may, too.
    OWN_TOPIC: ClassVar[str] = ""

    def __init__(self, name: str, values: dict[str, Any] | None = None) -> None:
        """`values` override parameters, as a parameter file does."""
        # A node that cannot even be made is destroyed, too.
        self._locks: list[NameLock] = []
        given = [Parameter(name, value=value) for name, value in (values or {}).items()]
        super().__init__(name, parameter_overrides=given)
        self.fault = ""
        self.is_active = False
        # Called by a node whose work is done, to end its process.
        self.finish: Callable[[], None] = lambda: None
        self._known: dict[str, Setting] = {}
        self._bad_overrides: list[M2R2Error] = []
        self._lasting: frozenset[str] = frozenset()
        self.declare_lasting((parameters.AUTOSTART, *self.SETTINGS))
        self._configured = False
        self._finalized = False
        self._errors = 0
        self._last_error = ""
        self.add_on_set_parameters_callback(self._check_change)
        self.diagnostics = Diagnostics(self, self._report)

    # For subclasses.

    def configure(self, values: dict[str, Any]) -> None:
        """Load and check everything; `values` are the parameters by name."""

    def activate(self) -> None:
        """Start to work."""

    def deactivate(self) -> None:
        """Finish what has begun and stop."""

    def cleanup(self) -> None:
        """Release everything that `configure` made, also after it failed half way."""

    def report(self) -> Report:
        """The state while configured."""
        return Report(OK, "active" if self.is_active else "inactive")

    def change(self, values: dict[str, Any]) -> None:
        """Take new values, checked, of settings that are `live`. Raises M2R2Error to refuse."""

    # Lifecycle.

    @property
    def is_ending(self) -> bool:
        """Whether it is on its way to the final state."""
        return self._finalized

    @property
    def autostart(self) -> bool:
        """Whether the node's own process takes it to active."""
        return bool(self.get_parameter(parameters.AUTOSTART.name).value)

    def declare_lasting(self, settings: Iterable[Setting]) -> None:
        """Declare parameters that stay through cleanup; `configure` fails on a bad value."""
        settings = tuple(settings)
        self._known |= {setting.name: setting for setting in settings}
        self._lasting |= {setting.name for setting in settings}
        self._bad_overrides += parameter_declaration.declare(self, settings)

    def declare_more(self, more: Iterable[Setting]) -> dict[str, Any]:
        """Declare parameters that only `configure` knows (they depend on the models); read them.

        They are taken back at cleanup. Raises M2R2Error on a bad value.
        """
        more = tuple(more)
        errors = parameter_declaration.declare(self, more)
        self._known |= {setting.name: setting for setting in more}
        if errors:
            raise errors[0]
        return parameter_declaration.read(self, more)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.fault, self._errors = "", 0
        result = self._attempt(self._configure)
        if result != TransitionCallbackReturn.SUCCESS:
            self._cleanup()
        self.diagnostics.publish()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._attempt(self.activate)
        self.is_active = result == TransitionCallbackReturn.SUCCESS
        self.diagnostics.publish()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self._deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt(self._cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._finalized = True
        if self.is_active:
            self._attempt(self._deactivate)
            # The final counts.
            self.diagnostics.publish()
        return self._attempt(self._cleanup)

    def shut_down(self) -> None:
        """Go to the final state from whichever state the node is in."""
        if not self._finalized:
            self.trigger_shutdown()

    def guard(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Wrap a callback of ROS: an M2R2Error is counted and shown, and the node goes on.

        Anything else is a fault of ours: the process ends, in order.
        """

        def guarded(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except M2R2Error as error:
                self._errors += 1
                self._last_error = str(error)
                self.get_logger().error(printable(error), throttle_duration_sec=_LOG_PERIOD_S)
            except Exception as error:
                self.fail(error)
                self.finish()

        return guarded

    def fail(self, error: Exception) -> None:
        """Log `error` in one line and keep it in the diagnostics."""
        # What the system refuses (a name too long, a full disk) is the user's to mend.
        if not isinstance(error, M2R2Error | OSError):
            # A fault of the program: its place is needed to mend it.
            for line in "".join(traceback.format_exception(error)).rstrip().split("\n"):
                self.get_logger().error(printable(line))
        self.fault = printable(error) or type(error).__name__
        self.get_logger().error(printable(self.fault))

    def _attempt(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            step()
        except Exception as error:
            self.fail(error)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        if self._bad_overrides:
            raise self._bad_overrides[0]
        self._check_names()
        self._take_names()
        self.configure(parameter_declaration.read(self, (parameters.AUTOSTART, *self.SETTINGS)))
        self._configured = True

    def _check_names(self) -> None:
        """Refuse a misspelt parameter, name those that this package does not know."""
        known = parameters.ALL_NAMES | self._known.keys()
        foreign = foreign_names(parameter_declaration.overrides(self), known)
        if foreign:
            line = f"parameters of other nodes, not used here: {', '.join(foreign)}"
            self.get_logger().info(printable(line))

    def _take_names(self) -> None:
        """The node's own, and that of its topic. Raises M2R2Error where another process has it."""
        if not self.OWN_TOPIC:
            return
        topic = self.resolve_topic_name(self.OWN_TOPIC)
        self._locks = [NameLock(self.get_fully_qualified_name()), NameLock(topic, "topic")]
        for lock in self._locks:
            lock.take()
        if problem := self._locks[0].problem:
            self.get_logger().warning(printable(problem), once=True)

    def _release_names(self) -> None:
        for lock in self._locks:
            lock.release()

    def destroy_node(self) -> None:
        self._release_names()
        super().destroy_node()

    def _deactivate(self) -> None:
        self.is_active = False
        self.deactivate()

    def _cleanup(self) -> None:
        self._configured = False
        self.cleanup()
        self._release_names()
        for name in set(self._known) - self._lasting:
            self.undeclare_parameter(name)
            del self._known[name]

    def _check_change(self, changes: Sequence[Parameter]) -> SetParametersResult:
        live: dict[str, Any] = {}
        for change in changes:
            setting = self._known.get(change.name)
            if setting is None:
                continue
            if self._configured and not setting.live:
                reason = f"{change.name} is read in 'configure': deactivate and clean up first"
                return SetParametersResult(successful=False, reason=reason)
            try:
                live[change.name] = setting.read(change.value)
            except M2R2Error as error:
                return SetParametersResult(successful=False, reason=str(error))
        if self._configured and live:
            self.change(live)
        return SetParametersResult(successful=True)

    def _report(self) -> Report:
        if self.fault:
            return Report(ERROR, self.fault)
        if not self._configured:
            return Report(OK, "unconfigured")
        report = self.report()
        if not self._errors:
            return report
        return Report(ERROR, self._last_error, {**report.values, "errors": self._errors})
