# SPDX-License-Identifier: Apache-2.0
"""The topic of a microphone, and the one beside it that says what its bytes are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.common_audio import AUDIO_INFO, needs_info
from m2r2_ros.nodes.topic_input import TopicInput

_INFO_DEPTH = 10


class AudioInput(TopicInput):
    """As TopicInput; it also follows the AudioInfo of a driver that publishes bytes."""

    def __init__(self, node: Node, topic: str, info: str, *arguments: Any, **options: Any) -> None:
        """`info`: the topic of the AudioInfo."""
        super().__init__(node, topic, *arguments, **options)
        # A driver says it once, when it starts.
        self._info = TopicInput(node, info, _check_info, _INFO_DEPTH, keeps_last=True)

    def follow(self) -> bool:
        is_new = super().follow()
        if needs_info(self.type_name):
            self._info.follow()
        return is_new

    def take_info(self, note: Callable[[bytes], None]) -> None:
        """Hand the newest AudioInfo to `note`, if one has come."""
        for message in self._info.take()[-1:]:
            note(message)

    def close(self) -> None:
        super().close()
        self._info.close()


def _check_info(type_name: str) -> None:
    if type_name != AUDIO_INFO:
        raise MessageError(f"needs {AUDIO_INFO}, not {type_name}")
