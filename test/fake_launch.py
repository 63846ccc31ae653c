# SPDX-License-Identifier: Apache-2.0
"""As much of `launch` and `launch_ros` as our launch files use, for machines that lack them.

The signatures name the keyword arguments of the real classes (Jazzy and later) that are in use
here, so that a misspelt one fails. Nothing is started: what would be is kept to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

# The processes of the online chain when they run apart.
CHAIN = ("synchronizer", "feature_extractor", "segmenter")


@dataclass
class LaunchContext:
    launch_configurations: dict[str, str] = field(default_factory=dict)


@dataclass
class LaunchDescription:
    entities: list[Any]


@dataclass
class DeclareLaunchArgument:
    name: str
    default_value: str | None = field(default=None, kw_only=True)
    description: str | None = field(default=None, kw_only=True)

    def run(self, context: LaunchContext) -> list[Any]:
        if self.name not in context.launch_configurations:
            if self.default_value is None:
                raise RuntimeError(f"launch argument {self.name} is required")
            context.launch_configurations[self.name] = self.default_value
        return []


@dataclass(kw_only=True)
class OpaqueFunction:
    function: Callable[[LaunchContext], list[Any]]

    def run(self, context: LaunchContext) -> list[Any]:
        return self.function(context)


@dataclass(kw_only=True)
class Shutdown:
    reason: str = "reason not given"


@dataclass(kw_only=True)
class EmitEvent:
    event: Any


@dataclass(kw_only=True)
class ShutdownProcess:
    process_matcher: Callable[[Any], bool]


@dataclass
class ProcessExited:
    returncode: int


def matches_action(target: Any) -> Callable[[Any], bool]:
    return lambda action: action is target


@dataclass(kw_only=True)
class ExecuteProcess:
    cmd: list[Any]
    output: str = "log"
    on_exit: Callable[[ProcessExited, LaunchContext], list[Any] | None] | None = None


@dataclass(kw_only=True)
class Node:
    package: str
    executable: str
    namespace: str | None = None
    parameters: list[Any] = field(default_factory=list)
    ros_arguments: list[str] | None = None
    respawn: bool = False
    respawn_delay: float | None = None
    output: str = "log"
    sigterm_timeout: str = "5"
    on_exit: Callable[[ProcessExited, LaunchContext], list[Any]] | None = None


@dataclass(kw_only=True)
class ExecutableInPackage:
    package: str
    executable: str


def modules() -> dict[str, ModuleType]:
    """The fakes under the names of the real modules, for sys.modules."""
    contents = {
        "launch": [LaunchContext, LaunchDescription],
        "launch.actions": [
            DeclareLaunchArgument,
            EmitEvent,
            ExecuteProcess,
            OpaqueFunction,
            Shutdown,
        ],
        "launch.events": [matches_action],
        "launch.events.process": [ProcessExited, ShutdownProcess],
        "launch_ros": [],
        "launch_ros.actions": [Node],
        "launch_ros.substitutions": [ExecutableInPackage],
    }
    made = {}
    for name, classes in contents.items():
        made[name] = ModuleType(name)
        vars(made[name]).update({cls.__name__: cls for cls in classes})
    return made


def started(description: LaunchDescription, **arguments: str) -> list[Any]:
    """What `ros2 launch FILE name:=value ...` would start, in order."""
    context = LaunchContext(dict(arguments))
    return [entity for step in description.entities for entity in step.run(context)]
