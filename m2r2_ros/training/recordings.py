# SPDX-License-Identifier: Apache-2.0
"""Windows of recordings for training, as the nodes would see them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from m2r2_ros.datasets.mstcn import frame_labels
from m2r2_ros.datasets.recording_source import gap_label
from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import reference_camera
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow

_log = logging.getLogger(__name__)


def labelled_windows(
    path: Path,
    layout: SensorLayout,
    max_pixels: int | None = None,
    robot: Deployment | None = None,
) -> Iterator[tuple[SensorWindow, str]]:
    """Every window with the label of its middle, as `m2r2 extract` labels it.

    `robot` says which topics carry what, as it does to the nodes; pictures of more than
    `max_pixels` are made smaller, as they are for the encoder. What is missing or odd in the
    recording is logged at the end. Raises M2R2Error when it cannot be read or has no labels.
    """
    robot = robot or Deployment()
    with open_source(path, robot.topics) as source:
        if source.actions is None:
            raise M2R2Error(f"{path}: has no labels to train on")
        reference = reference_camera(layout, robot)
        for window in windows(source, layout, robot.limits, reference, max_pixels):
            middle_ns = (window.start_ns + window.end_ns) // 2
            time_s = (middle_ns - source.start_ns) / 1e9
            (label,) = frame_labels(source.actions, [time_s], gap_label(source))
            yield window, label
        for problem in source.problems:
            _log.warning("%s", printable(f"{source.name}: {problem}"))


def cache_of(cache: Path, robot: Deployment) -> Path:
    """The folder for recordings read with the topics and limits of `robot`."""
    if robot == Deployment():
        return cache
    signals = robot.topics.signals
    inputs = [dict(robot.topics.topics), list(robot.topics.gripper_joints), robot.reference_camera]
    inputs += [{n: each.to_dict() for n, each in signals.items()}] if signals else []
    text = json.dumps([*inputs, asdict(robot.limits)])
    return cache / hashlib.sha256(text.encode()).hexdigest()[:16]
