# SPDX-License-Identifier: Apache-2.0
"""Names and QoS of the topics between the nodes and to their users."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from m2r2_ros.messages import output_topics
from m2r2_ros.sensing.memory_budget import MEGABYTE

WINDOW_TOPIC = output_topics.WINDOW_TOPIC
FEATURE_TOPIC = output_topics.FEATURE_TOPIC
PREDICTION_TOPIC = output_topics.PREDICTION_TOPIC
SEGMENT_TOPIC = output_topics.SEGMENT_TOPIC
# What goes on now as a line of text, for overlays in RViz.
TEXT_TOPIC = output_topics.TEXT_TOPIC
DIAGNOSTICS_TOPIC = output_topics.DIAGNOSTICS_TOPIC
PAUSE_SERVICE = output_topics.PAUSE_SERVICE
AWAIT_ACTION = "await_action"

# From node to node: nothing may be lost while one of them is busy for a few seconds.
CHAIN_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
_FEWEST_WINDOWS = 4
DIAGNOSTICS_QOS = QoSProfile(depth=10)


def window_qos(buffer_mb: float, largest_bytes: int) -> QoSProfile:
    """For windows, of which as many wait as `CHAIN_QOS` says, or as fit into half of the buffer."""
    fitting = int(buffer_mb / 2 * MEGABYTE // largest_bytes)
    depth = max(_FEWEST_WINDOWS, min(CHAIN_QOS.depth, fitting))
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def segment_qos(depth: int = 1) -> QoSProfile:
    """Transient local: whoever joins late gets the current segment.

    The publisher keeps that one message; a subscriber keeps `depth` until it looks.
    """
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
