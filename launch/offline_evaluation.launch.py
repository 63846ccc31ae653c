# SPDX-License-Identifier: Apache-2.0
"""Segment a recording without ROS topics, score a model on a data set, or both.

ros2 launch m2r2_ros offline_evaluation.launch.py models:=M recording:=R out:=results
ros2 launch m2r2_ros offline_evaluation.launch.py models:=M data:=features split:=2

Writes segments.json and timeline.png for the recording, metrics.json for the data set.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.events.process import ProcessExited
from launch_ros.substitutions import ExecutableInPackage

# None: the argument must be given.
ARGUMENTS = {
    "models": (None, "Folder with encoder.onnx and head.onnx, or org/name@revision of a hub."),
    "recording": ("", "REASSEMBLE .h5 or bag to segment."),
    "config": ("", "Parameter file of the nodes: topics, limits, tracker."),
    "data": ("", "Features in the MS-TCN layout to score the model on."),
    "split": ("1", "Number of the split of `data`."),
    "out": ("offline_evaluation", "Folder for the results."),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the commands that they ask for."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[ExecuteProcess]:
    """Return the processes for the arguments in `context`; they end by themselves."""
    given = {name: context.launch_configurations[name] for name in ARGUMENTS}
    if not given["recording"] and not given["data"]:
        raise ValueError("give recording:=..., data:=..., or both")
    if given["config"] and not Path(given["config"]).expanduser().is_file():
        raise ValueError(f"config:={given['config']} is not a file")
    out = Path(given["out"]).expanduser()
    out.mkdir(parents=True, exist_ok=True)
    processes = []
    if given["recording"]:
        config = ["--config", given["config"]] if given["config"] else []
        results = ["--json", str(out / "segments.json"), "--plot", str(out / "timeline.png")]
        arguments = [given["recording"], "--models", given["models"], *results, *config]
        processes.append(process("segment", arguments))
    if given["data"]:
        data = ["--data", given["data"], "--split", given["split"]]
        results = ["--json", str(out / "metrics.json")]
        processes.append(process("evaluate", [*data, "--model", given["models"], *results]))
    return processes


def process(verb: str, arguments: list[str]) -> ExecuteProcess:
    """`m2r2 VERB ...`; a plain command, which would not understand --ros-args."""
    executable = ExecutableInPackage(package="m2r2_ros", executable=verb)
    return ExecuteProcess(cmd=[executable, *arguments], output="screen", on_exit=when_ended(verb))


def when_ended(verb: str) -> Callable[[ProcessExited, LaunchContext], None]:
    """Let launch return 1 if the command fails: see online_segmentation.launch.py."""

    def ended(event: ProcessExited, context: LaunchContext) -> None:
        if event.returncode:
            raise RuntimeError(f"{verb} has failed, exit status {event.returncode}")

    return ended
