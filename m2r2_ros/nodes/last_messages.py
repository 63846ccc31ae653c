# SPDX-License-Identifier: Apache-2.0
"""What had reached a node before it was told to end, and waits for an executor that has stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.subscription import Subscription


def last_messages(subscription: Subscription) -> Iterator[Any]:
    """Yield the messages that wait, oldest first, at most as many as the queue holds.

    So it comes to an end while a publisher goes on.
    """
    handle = subscription.handle
    with handle:
        for _ in range(subscription.qos_profile.depth):
            taken = handle.take_message(subscription.msg_type, False)
            if taken is None:
                return
            yield taken[0]
