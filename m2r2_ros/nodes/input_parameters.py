# SPDX-License-Identifier: Apache-2.0
"""What a node's parameters say of the sensors: `topics.<sensor>` and `signals.<sensor>.<key>`."""

from __future__ import annotations

from collections.abc import Sequence

from m2r2_ros.datasets.reassemble_rig import DEFAULT_TOPICS
from m2r2_ros.datasets.sensor_input import is_entry
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.nodes import parameter_declaration, parameters
from m2r2_ros.nodes.managed_node import ManagedNode


def declare_inputs(node: ManagedNode) -> bool:
    """Declare what the parameter file names; returns whether the default topics apply instead."""
    given = parameter_declaration.overrides(node)
    topics = [name.removeprefix("topics.") for name in given if name.startswith("topics.")]
    known = [name for name in given if is_entry(name)]
    is_default = not topics and not any(name.endswith(".topic") for name in known)
    default = DEFAULT_TOPICS if is_default else dict.fromkeys(topics, "")
    node.declare_lasting(parameters.topic_settings(default))
    node.declare_lasting(parameters.signal_settings(known))
    return is_default


def read_inputs(node: ManagedNode, gripper_joints: Sequence[str]) -> TopicMap:
    """The inputs that the parameters name. Raises M2R2Error."""
    given = {
        f"{group}.{name}": parameter.value
        for group in ("topics", "signals")
        for name, parameter in node.get_parameters_by_prefix(group).items()
    }
    signals = {s.name: s.read(given[s.name]) for s in parameters.signal_settings(given)}
    return TopicMap.from_parameters(given | signals | {"gripper_joints": gripper_joints})
