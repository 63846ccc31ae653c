# SPDX-License-Identifier: Apache-2.0
"""Start the online chain: live topics, or a recording, become /action_segment.

ros2 launch m2r2_ros online_segmentation.launch.py config:=my_robot.yaml models:=my_models
ros2 launch m2r2_ros online_segmentation.launch.py recording:=my_bag composed:=false
ros2 launch m2r2_ros online_segmentation.launch.py namespace:=arm1 respawn:=true
ros2 launch m2r2_ros online_segmentation.launch.py record:=true record_events:=true
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
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
NODES = ("synchronizer", "feature_extractor", "segmenter")
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")

# Longest times for models to load and for queues to empty, on a small and busy machine [s].
LOAD_S = 120.0
FINISH_S = 30
# A driver that ends takes a moment until it can be started again [s].
RESPAWN_S = 2.0

# An empty argument leaves the choice to the parameter file and the nodes' own defaults.
ARGUMENTS = {
    "config": (str(CONFIG), "Parameter file: topics, rates, cameras."),
    "models": ("", "Folder with encoder.onnx and head.onnx, or org/name@revision of a hub."),
    "recording": ("", "A bag to play; without one the sensors are expected to be live."),
    "bag": ("", "The former name of `recording`."),
    "use_sim_time": ("", "Follow /clock (true or false). With a recording: true."),
    "composed": ("true", "All nodes in one process, or one process each (false)."),
    "await_action": ("false", "Serve the action that planners await, too (true or false)."),
    "record": ("false", "Record segments, predictions and diagnostics (true or false)."),
    "record_events": (
        "false",
        "Keep all sensors around unknown, failed and unsure segments (true or false).",
    ),
    "record_to": ("recordings", "Folder for these recordings."),
    "require_gpu": ("", "Refuse to run the encoder on the CPU (true or false)."),
    "namespace": ("", "Namespace of the nodes, their topics and services: one a robot."),
    "log_level": ("info", f"What the nodes log: {', '.join(LOG_LEVELS)}."),
    "respawn": ("false", "Start a process again that has ended (true or false)."),
    "enclave": ("", "SROS 2: the enclave of the nodes; apart, each has one below it."),
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
    given["recording"] = given["recording"] or given["bag"]
    check(given)
    clocked = truth(given["use_sim_time"] or given["recording"] != "", "use_sim_time")
    composed = truth(given["composed"], "composed")
    parameters: list[Any] = [given["config"], {"use_sim_time": clocked}]
    if given["models"]:
        parameters.append({"models": given["models"]})
    if given["require_gpu"]:
        parameters.append({"require_gpu": truth(given["require_gpu"], "require_gpu")})

    chain = [(name, parameters) for name in NODES]
    if composed:
        chain = [("online", parameters)]
    if truth(given["await_action"], "await_action"):
        chain.append(("await_server", parameters))
    # Last, so that they hear the others' last words.
    folder = {"record_to": given["record_to"]}
    if truth(given["record"], "record"):
        chain.append(("result_recorder", [*parameters, folder]))
    if truth(given["record_events"], "record_events"):
        chain.append(("event_recorder", [*parameters, inputs(given), folder]))
    if given["recording"]:
        # It begins when all are active, which is after the models are loaded.
        bag = {"bag": given["recording"], "clock": clocked}
        bag |= {"wait_s": LOAD_S, "await_nodes": NODES}
        chain.insert(0, ("replayer", [bag]))
    processes: list[Node] = []
    for executable, its_parameters in reversed(chain):
        downstream = processes[-1] if processes else None
        processes.append(process(executable, its_parameters, downstream, given))
    return processes


def inputs(given: Mapping[str, str]) -> dict[str, Any]:
    """What the parameter file says of sensors, also where it says it to the synchronizer alone."""
    from m2r2_ros.datasets.parameter_file import ParameterFile

    file = ParameterFile.read(Path(given["config"]).expanduser())
    namespace = given["namespace"].strip("/")
    found = file.of(f"/{namespace}/synchronizer" if namespace else "/synchronizer")
    wanted = ("topics.", "signals.", "gripper_joints")
    # Of an empty list launch cannot tell the type.
    return {k: v for k, v in found.items() if k.startswith(wanted) and v not in ([], ())}


def check(given: Mapping[str, str]) -> None:
    """Raise ValueError for what launch itself would pass over. It returns 1 then."""
    if not Path(given["config"]).expanduser().is_file():
        raise ValueError(f"config:={given['config']} is not a file")
    if given["log_level"].lower() not in LOG_LEVELS:
        raise ValueError(f"log_level:={given['log_level']} must be one of {', '.join(LOG_LEVELS)}")
    if given["recording"] and truth(given["respawn"], "respawn"):
        raise ValueError("respawn:=true is for live sensors: a recording comes to an end")


def process(
    executable: str, parameters: list[Any], downstream: Node | None, given: Mapping[str, str]
) -> Node:
    """One process. Unless it is started again, its end is that of the others, too."""
    respawn = truth(given["respawn"], "respawn")
    ros_arguments = ["--log-level", given["log_level"]]
    if given["enclave"]:
        own = "" if executable == "online" else f"/{executable}"
        ros_arguments += ["--enclave", given["enclave"].rstrip("/") + own]
    return Node(
        package=PACKAGE,
        executable=executable,
        namespace=given["namespace"] or None,
        parameters=parameters,
        ros_arguments=ros_arguments,
        output="screen",
        sigterm_timeout=str(FINISH_S),
        respawn=respawn,
        respawn_delay=RESPAWN_S,
        on_exit=None if respawn else when_ended(executable, downstream),
    )


def when_ended(executable: str, downstream: Node | None) -> Callable[..., list[Any]]:
    """When it is done, the next empties its queues and ends; if it fails, all end.

    launch returns 0 whatever its processes returned, and after a Shutdown. It returns 1 after an
    exception from one of its event handlers, and shuts down in order then, too (LaunchService's
    `run_async` in launch 1.0 to 3.7).
    """

    def ended(event: ProcessExited, context: LaunchContext) -> list[Any]:
        # SIGINT: the user's, before the program could take it as a wish to end.
        if event.returncode not in (0, -signal.SIGINT):
            raise RuntimeError(f"{executable} has failed, exit status {event.returncode}")
        if downstream is None:
            return [Shutdown(reason=f"{executable} has ended")]
        return [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(downstream)))]

    return ended


def truth(value: str | bool, name: str) -> bool:
    """Read a launch argument that is true or false. Raises ValueError."""
    words = {"true": True, "1": True, "false": False, "0": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise ValueError(f"{name}:={value} must be true or false") from None
