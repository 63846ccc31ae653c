# SPDX-License-Identifier: Apache-2.0
"""The nodes' parameter file, read without ROS, so that offline runs do what the robot does."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.topics import TopicMap, load_topics, read_parameters
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.inference.tracker import TrackerConfig
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

    @classmethod
    def load(cls, path: Path | None) -> Deployment:
        """Read a ROS 2 parameter file; defaults without one. Raises M2R2Error that names it."""
        if path is None:
            return cls()
        topics, parameters = load_topics(path), read_parameters(path)
        try:
            _check_spelling(parameters)
            tracker = _subset(parameters, TrackerConfig)
            TrackerConfig.from_dict(tracker)
            limits = SensingLimits(**_subset(parameters, SensingLimits))
            reference = topics.reference_camera if "reference_camera" in parameters else ""
            actions = _texts(parameters.get("actions") or (), "actions")
        except M2R2Error as error:
            raise M2R2Error(f"{path}: {error}") from error
        return cls(topics, limits, reference, tracker, actions)

    def tracker_config(self, defaults: TrackerConfig) -> TrackerConfig:
        """The head's defaults, changed by the file."""
        return replace(defaults, **self.tracker)


def _check_spelling(parameters: Mapping[str, Any]) -> None:
    """Name what is almost certainly a slip; other parameters are the nodes' own."""
    known = [entry.name for kind in (TrackerConfig, SensingLimits) for entry in fields(kind)]
    for name in parameters:
        close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.8)
        if name not in known and close:
            raise M2R2Error(f"unknown parameter '{name}'{nearest_name(str(name), close)}")


def _texts(values: Any, name: str) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
        raise M2R2Error(f"{name} must be a list of texts, got {values!r:.80}")
    return tuple(values)


def _subset(parameters: Mapping[str, Any], kind: type) -> dict[str, Any]:
    names = [entry.name for entry in fields(kind)]
    return {name: parameters[name] for name in names if name in parameters}
