# SPDX-License-Identifier: Apache-2.0
"""The service `m2r2/pause` (std_srvs/SetBool): the chain gives up the encoder, and takes it again.

It takes the nodes through their lifecycle as a manager would, wherever they run. What has been seen
by then is segmented first: windows are encoded, and the open segment ends.
"""

from __future__ import annotations

import time
from typing import Any

from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import SetBool

from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.parameters import EXTRACTOR_NODE, SEGMENTER_NODE, SYNCHRONIZER_NODE
from m2r2_ros.nodes.topics import PAUSE_SERVICE

_CHAIN = (SYNCHRONIZER_NODE, EXTRACTOR_NODE, SEGMENTER_NODE)
# From which state each transition starts.
_FROM = {
    "configure": "unconfigured",
    "activate": "inactive",
    "deactivate": "active",
    "cleanup": "inactive",
}
# From upstream to downstream, so that nothing is lost; only the encoder takes memory of a GPU.
_PAUSE = (
    *((name, "deactivate") for name in _CHAIN),
    (EXTRACTOR_NODE, "cleanup"),
)
_RESUME = (
    *((name, "configure") for name in _CHAIN),
    *((name, "activate") for name in reversed(_CHAIN)),
)
# Where each has to be then. A state that no step starts from (a node that was shut down, or that
# somebody else is just taking somewhere) would pass for done.
_PAUSED = {
    SYNCHRONIZER_NODE: ("inactive", "unconfigured"),
    EXTRACTOR_NODE: ("unconfigured",),
    SEGMENTER_NODE: ("inactive", "unconfigured"),
}
_RESUMED = dict.fromkeys(_CHAIN, ("active",))
# An engine of TensorRT takes minutes to build.
_PATIENCE_S = 900.0
# A node that ends meanwhile is noticed so often.
_LOOK_S = 1.0


class ChainPause:
    """Serves pauses from `node`, one at a time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._is_busy = False
        # The node's own transitions have to be possible while one is awaited.
        self._group = ReentrantCallbackGroup()
        self._states = {name: self._client(GetState, f"{name}/get_state") for name in _CHAIN}
        self._changes = {name: self._client(ChangeState, f"{name}/change_state") for name in _CHAIN}
        self._service = node.create_service(
            SetBool, PAUSE_SERVICE, self._answer, callback_group=self._group
        )

    def close(self) -> None:
        self._node.destroy_service(self._service)
        for client in (*self._states.values(), *self._changes.values()):
            self._node.destroy_client(client)

    def _client(self, kind: type, name: str) -> Client:
        return self._node.create_client(kind, name, callback_group=self._group)

    async def _answer(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        word = "paused" if request.data else "resumed"
        if self._is_busy:
            response.message = "it is being paused or resumed"
            return response
        self._is_busy = True
        try:
            done = await self._take(_PAUSE if request.data else _RESUME)
            await self._check(_PAUSED if request.data else _RESUMED)
            response.success = True
            response.message = word if done else f"{word} already"
        except M2R2Error as error:
            response.message = f"not {word}: {error}"
        finally:
            self._is_busy = False
        return response

    async def _take(self, steps: tuple[tuple[str, str], ...]) -> int:
        """Make the transitions that are due; returns how many. Raises M2R2Error.

        Where a node is missing none is made.
        """
        for client in (*self._states.values(), *self._changes.values()):
            if not client.service_is_ready():
                raise M2R2Error(f"{self._full(client)} is not there: is its node running?")
        done = 0
        for name, transition in steps:
            if await self._state(name) != _FROM[transition]:
                continue
            request = ChangeState.Request()
            request.transition.label = transition
            if not (await self._ask(self._changes[name], request)).success:
                raise M2R2Error(f"{name} does not {transition}, see its status in /diagnostics")
            done += 1
        return done

    async def _check(self, wanted: dict[str, tuple[str, ...]]) -> None:
        """Raise M2R2Error where a node is elsewhere."""
        for name, states in wanted.items():
            state = await self._state(name)
            if state not in states:
                raise M2R2Error(f"{name} is {state}, not {' or '.join(states)}")

    async def _state(self, name: str) -> str:
        return (await self._ask(self._states[name], GetState.Request())).current_state.label

    async def _ask(self, client: Client, request: Any) -> Any:
        """The answer of a service. Raises M2R2Error where there is none."""
        future = client.call_async(request)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        latest_s = time.monotonic() + _PATIENCE_S

        def look() -> None:
            if time.monotonic() > latest_s or not client.service_is_ready():
                future.cancel()

        timer = self._node.create_timer(_LOOK_S, look, self._group, steady)
        answer = await future
        self._node.destroy_timer(timer)
        if answer is None and not client.service_is_ready():
            raise M2R2Error(f"{self._full(client)} has gone before it answered")
        if answer is None:
            raise M2R2Error(f"{self._full(client)} has not answered for {_PATIENCE_S:.0f} s")
        return answer

    def _full(self, client: Client) -> str:
        return self._node.resolve_service_name(client.srv_name)
