# SPDX-License-Identifier: Apache-2.0
"""How a recording is led from elsewhere: two services, a topic of marks, a joystick's button."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import String
from std_srvs.srv import Trigger

_DEPTH = 10


class Led(Protocol):
    """What can be asked of a recording; each says whether it was done, and what."""

    def start(self) -> tuple[bool, str]: ...

    def stop(self) -> tuple[bool, str]: ...

    def toggle(self) -> tuple[bool, str]: ...

    def mark(self, label: str) -> tuple[bool, str]: ...


class RecordControls:
    """`~/start`, `~/stop` (std_srvs/Trigger), `~/mark` (std_msgs/String), a button of a Joy."""

    def __init__(self, node: Node, led: Led, joystick: tuple[str, int] | None) -> None:
        """`joystick`: topic and number of the button that starts and stops."""
        self._led = led
        node.create_service(Trigger, "~/start", _answered(led.start))
        node.create_service(Trigger, "~/stop", _answered(led.stop))
        node.create_subscription(String, "~/mark", lambda said: led.mark(said.data), _DEPTH)
        self._was_pressed = False
        if joystick is not None:
            topic, self._button = joystick
            node.create_subscription(Joy, topic, self._note_buttons, _DEPTH)

    def _note_buttons(self, message: Joy) -> None:
        is_there = self._button < len(message.buttons)
        is_pressed = is_there and bool(message.buttons[self._button])
        if is_pressed and not self._was_pressed:
            self._led.toggle()
        self._was_pressed = is_pressed


def _answered(
    action: Callable[[], tuple[bool, str]],
) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
    def answer(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = action()
        return response

    return answer
