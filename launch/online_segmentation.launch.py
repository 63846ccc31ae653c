# SPDX-License-Identifier: Apache-2.0
"""Start the online chain: live topics, or a bag, become /action_segment.

ros2 launch m2r2_ros online_segmentation.launch.py
ros2 launch m2r2_ros online_segmentation.launch.py bag:=my_bag composed:=false
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, Shutdown
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch_ros.actions import Node

PACKAGE = "m2r2_ros"
CONFIG = Path(get_package_share_directory(PACKAGE), "config", "reassemble.yaml")
STATIONS = ("synchronizer", "feature_extractor", "segmenter")

# Longest times for models to load and for queues to empty, on a small and busy machine [s].
LOAD_S = 120.0
FINISH_S = 30

# An empty argument leaves the choice to the parameter file and the nodes' own defaults.
ARGUMENTS = {
    "config": (str(CONFIG), "Parameter file: topics, rates, cameras."),
    "models": ("", "Folder with encoder.onnx and head.onnx."),
    "bag": ("", "A recording to play; without one the sensors are expected to be live."),
    "use_sim_time": ("", "Follow /clock (true or false). With a bag: true."),
    "composed": ("true", "All nodes in one process, or one process each (false)."),
    "require_gpu": ("", "Refuse to run the encoder on the CPU (true or false)."),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the nodes that they ask for."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Node]:
    """Return the processes for the arguments in `context`, downstream first."""
    given = {name: context.launch_configurations[name] for name in ARGUMENTS}
    clocked = truth(given["use_sim_time"] or given["bag"] != "", "use_sim_time")
    parameters: list[Any] = [given["config"], {"use_sim_time": clocked}]
    if given["models"]:
        parameters.append({"models": given["models"]})
    if given["require_gpu"]:
        parameters.append({"require_gpu": truth(given["require_gpu"], "require_gpu")})

    chain = [(name, parameters) for name in STATIONS]
    if truth(given["composed"], "composed"):
        chain = [("online", parameters)]
    if given["bag"]:
        # It begins when all are active, which is after the models are loaded.
        bag = {"bag": given["bag"], "clock": clocked, "wait_s": LOAD_S, "await_nodes": STATIONS}
        chain.insert(0, ("replayer", [bag]))
    processes: list[Node] = []
    for executable, its_parameters in reversed(chain):
        downstream = processes[-1] if processes else None
        processes.append(process(executable, its_parameters, downstream))
    return processes


def process(executable: str, parameters: list[Any], downstream: Node | None) -> Node:
    """One process. When it is done, the next empties its queues and ends; if it fails, all end."""

    def ended(event: ProcessExited, context: LaunchContext) -> list[EmitEvent]:
        if event.returncode or downstream is None:
            return [Shutdown(reason=f"{executable} has ended")]
        return [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(downstream)))]

    return Node(
        package=PACKAGE,
        executable=executable,
        parameters=parameters,
        output="screen",
        sigterm_timeout=str(FINISH_S),
        on_exit=ended,
    )


def truth(value: str | bool, name: str) -> bool:
    """Read a launch argument that is true or false. Raises ValueError."""
    words = {"true": True, "1": True, "false": False, "0": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise ValueError(f"{name}:={value} must be true or false") from None
