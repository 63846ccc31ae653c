# SPDX-License-Identifier: Apache-2.0
"""Whether another node is active, asked of its lifecycle service."""

from __future__ import annotations

import time
from collections.abc import Callable

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.node import Node
from rclpy.task import Future

# An answer can be lost: a service may be found before it has found the client. Ask again then.
_PATIENCE_S = 1.0


def activity_probe(node: Node, name: str) -> Callable[[], bool]:
    """Return a function that tells, as long as `node` spins, whether node `name` is active.

    It stands in the namespace of `node`, unless `name` begins with a slash.
    """
    client = node.create_client(GetState, f"{name}/get_state")
    answer: Future | None = None
    asked_s = 0.0

    def is_active() -> bool:
        nonlocal answer, asked_s
        if answer is not None and answer.done():
            state, answer = answer.result().current_state, None
            return state.id == State.PRIMARY_STATE_ACTIVE
        now_s = time.monotonic()
        if answer is not None and now_s > asked_s + _PATIENCE_S:
            client.remove_pending_request(answer)
            answer = None
        if answer is None and client.service_is_ready():
            answer, asked_s = client.call_async(GetState.Request()), now_s
        return False

    return is_active
