# SPDX-License-Identifier: Apache-2.0
"""Messages that had arrived when a node was told to end, and that its executor has not taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.subscription import Subscription


def last_messages(subscription: Subscription) -> Iterator[Any]:
    """Yield the messages that wait, oldest first, at most as many as the queue holds.

    The bound ends the loop while a publisher goes on.
    """
    handle = subscription.handle
    with handle:
        for _ in range(subscription.qos_profile.depth):
            taken = handle.take_message(subscription.msg_type, False)
            if taken is None:
                return
            yield taken[0]
