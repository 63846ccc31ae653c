# SPDX-License-Identifier: Apache-2.0
"""Two versions of m2r2_msgs on one graph: DDS connects neither, and says nothing."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo


def other_version(node: Node, topic: str, message_type: Any) -> str:
    """One line where others on `topic` have another definition of its message, else "".

    A middleware that tells no hash of types is passed over.
    """
    ends = node.get_publishers_info_by_topic(topic) + node.get_subscriptions_info_by_topic(topic)
    mine = {_hash(end) for end in ends if _is_of(end, node)}
    if not mine - {""}:
        return ""
    others = sorted({_full_name(end) for end in ends if _hash(end) and _hash(end) not in mine})
    if not others:
        return ""
    package, name = message_type.__module__.partition(".")[0], message_type.__name__
    return (
        f"{topic}: {', '.join(others)} has another version of {package}/{name}, and no message "
        f"gets through: build and source the same {package} on both sides"
    )


def _is_of(end: TopicEndpointInfo, node: Node) -> bool:
    return (end.node_namespace, end.node_name) == (node.get_namespace(), node.get_name())


def _full_name(end: TopicEndpointInfo) -> str:
    """A node is found a moment before its name is."""
    if end.node_name.startswith("_NODE_NAME_UNKNOWN"):
        return "a node"
    return f"{end.node_namespace.rstrip('/')}/{end.node_name}"


def _hash(end: TopicEndpointInfo) -> str:
    """The hash of the type's definition (REP 2011), "" where it is not told."""
    text = str(end.topic_type_hash)
    return text if text.startswith("RIHS") else ""
