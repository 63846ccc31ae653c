# SPDX-License-Identifier: Apache-2.0
"""Whether another node is active, asked of its lifecycle service."""

from __future__ import annotations

from collections.abc import Callable

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.node import Node
from rclpy.task import Future


def activity_probe(node: Node, name: str) -> Callable[[], bool]:
    """Return a function that tells, as long as `node` spins, whether node `name` is active."""
    client = node.create_client(GetState, f"/{name}/get_state")
    answers: list[Future] = []

    def is_active() -> bool:
        if answers and answers[-1].done():
            return answers.pop().result().current_state.id == State.PRIMARY_STATE_ACTIVE
        if not answers and client.service_is_ready():
            answers.append(client.call_async(GetState.Request()))
        return False

    return is_active
