# SPDX-License-Identifier: Apache-2.0
"""The nodes' parameter file, read without ROS, so that offline runs do what the robot does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.parameter_file import ParameterFile
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.setting import Setting, foreign_names
from m2r2_ros.sensing.limits import SensingLimits


@dataclass(frozen=True)
class Deployment:
    """What a parameter file says about inputs, windows and the segment tracker."""

    topics: TopicMap = field(default_factory=TopicMap)
    limits: SensingLimits = field(default_factory=SensingLimits)
    # The camera whose frames end the windows; empty: the encoder's first.
    reference_camera: str = ""
    tracker: Mapping[str, Any] = field(default_factory=dict)
    # Recognised by their texts instead of a trained head.
    actions: tuple[str, ...] = ()
    # What the file holds that nothing here uses, a line each.
    notes: tuple[str, ...] = ()
    # Of the robot's nodes, "" for the root.
    namespace: str = ""

    @classmethod
    def load(cls, path: Path | None) -> Deployment:
        """Read a ROS 2 parameter file; defaults without one. Raises M2R2Error that names it."""
        if path is None:
            return cls()
        file = ParameterFile.read(path)
        namespace = file.namespace(parameters.NODES)
        inputs = file.of(f"{namespace}/{parameters.SYNCHRONIZER_NODE}")
        segmentation = file.of(f"{namespace}/{parameters.SEGMENTER_NODE}")
        try:
            foreign = foreign_names(inputs | segmentation, parameters.ALL_NAMES)
            sensing = _read(inputs, parameters.SYNCHRONIZER)
            signals = _read(inputs, parameters.signal_settings(inputs))
            labels = _read(segmentation, parameters.SEGMENTER)
            tracker = _read(segmentation, parameters.tracker_settings(TrackerConfig()))
            limits = {e.name: sensing[e.name] for e in fields(SensingLimits) if e.name in sensing}
            return cls(
                TopicMap.from_parameters(inputs | sensing | signals, namespace),
                SensingLimits(**limits),
                sensing.get("reference_camera", ""),
                tracker,
                labels.get("actions", ()),
                (*_notes(path, foreign, sensing), *file.doubts(parameters.NODES)),
                namespace,
            )
        except M2R2Error as error:
            raise M2R2Error(f"{path}: {error}") from error

    def tracker_config(self, defaults: TrackerConfig) -> TrackerConfig:
        """The head's defaults, changed by the file."""
        return replace(defaults, **self.tracker)


def _read(given: Mapping[str, Any], settings: Iterable[Setting]) -> dict[str, Any]:
    """The given values of these settings. Raises M2R2Error on the first that a node refuses."""
    return {s.name: s.read(given[s.name]) for s in settings if s.name in given}


def _notes(path: Path, foreign: list[str], sensing: Mapping[str, Any]) -> list[str]:
    notes = []
    if foreign:
        notes.append(f"{path}: parameters of other nodes, not used here: {', '.join(foreign)}")
    if sensing.get("camera_sync", parameters.HELD) != parameters.HELD:
        notes.append(
            f"{path}: camera_sync '{sensing['camera_sync']}' is the running nodes': a recording's "
            "windows show the newest frame not after the reference frame"
        )
    return notes
