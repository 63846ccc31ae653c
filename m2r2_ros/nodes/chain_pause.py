# SPDX-License-Identifier: Apache-2.0
"""The service `m2r2/pause` (std_srvs/SetBool): the chain gives up the encoder, and takes it again.

It takes the nodes through their lifecycle as a manager would, wherever they run. What has been seen
by then is segmented first: windows are encoded, and the open segment ends. A node that is started
again while the chain is paused is brought there, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from rclpy.timer import Timer
from std_srvs.srv import SetBool

from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.nodes.parameters import EXTRACTOR_NODE, SEGMENTER_NODE, SYNCHRONIZER_NODE
from m2r2_ros.nodes.pause_mark import PauseMark
from m2r2_ros.nodes.topics import PAUSE_SERVICE

_CHAIN = (SYNCHRONIZER_NODE, EXTRACTOR_NODE, SEGMENTER_NODE)
# From which state each transition starts, and where it leads.
_WAYS = {
    "configure": ("unconfigured", "inactive"),
    "activate": ("inactive", "active"),
    "deactivate": ("active", "inactive"),
    "cleanup": ("inactive", "unconfigured"),
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
# A node that ends meanwhile, or is started again, is noticed so often.
_LOOK_S = 1.0
# A node that has just been started, or that this one has just come to, is found after so many.
_LOOKS_TO_FIND = 5
# A node that says so often where it stands will no longer answer what it was asked before that: it
# has been started again, or the answer was lost.
_ENOUGH = 2
# Nodes that are started again while the chain is taken somewhere are gone back to so often.
_ROUNDS = 3
_PRIMARY = ("unconfigured", "inactive", "active", "finalized")
_MADE, _REFUSED, _UNANSWERED = "made", "refused", "unanswered"
_WARN_S = 5.0
_Steps = Sequence[tuple[str, str]]


class ChainPause:
    """Serves pauses from `node`, one at a time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._is_busy = False
        # Requests that wait for their answers.
        self._asked: list[Future] = []
        self._mark = PauseMark(node.get_fully_qualified_name())
        # A predecessor of this process that was killed has left the chain so.
        self._is_paused, self._is_new = self._mark.is_there(), True
        # Each node's lives that have been seen to be where a pause wants them.
        self._lives: dict[str, set[bytes]] = {}
        # The node's own transitions have to be possible while one is awaited.
        self._group = ReentrantCallbackGroup()
        self._states = {name: self._client(GetState, f"{name}/get_state") for name in _CHAIN}
        self._changes = {name: self._client(ChangeState, f"{name}/change_state") for name in _CHAIN}
        self._service = node.create_service(
            SetBool, PAUSE_SERVICE, self._answer, callback_group=self._group
        )
        self._watch = self._every_look(self._keep_paused)

    def close(self) -> None:
        self._node.destroy_timer(self._watch)
        self._node.destroy_service(self._service)
        for client in (*self._states.values(), *self._changes.values()):
            self._node.destroy_client(client)

    def end(self) -> None:
        """The node has become active by somebody's wish, or ends in order: no pause is left."""
        if not self._is_new:
            self._is_paused = False
            self._mark.remove()
        self._is_new = False

    def _client(self, kind: type, name: str) -> Client:
        return self._node.create_client(kind, name, callback_group=self._group)

    def _every_look(self, callback: Callable[[], Any]) -> Timer:
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        return self._node.create_timer(_LOOK_S, callback, self._group, steady)

    async def _answer(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        word = "paused" if request.data else "resumed"
        if self._is_busy:
            response.message = "it is being paused or resumed"
            return response
        self._is_busy = True
        try:
            if request.data:
                done = await self._bring(_PAUSE, _PAUSED)
                self._note_paused()
            else:
                self._is_paused = False
                self._mark.remove()
                done = await self._bring(_RESUME, _RESUMED)
            response.success = True
            response.message = word if done else f"{word} already"
        except M2R2Error as error:
            response.message = f"not {word}: {error}"
        finally:
            self._is_busy = False
        return response

    def _note_paused(self) -> None:
        self._is_paused, self._is_new = True, False
        self._lives = {name: self._lives_of(name) for name in _CHAIN}
        self._mark.write()
        if self._mark.problem:
            self._warn(self._mark.problem)

    async def _keep_paused(self) -> None:
        """Bring a node that was started again, and has become active, to where the others are."""
        if not self._is_paused or self._is_busy:
            return
        self._is_busy = True
        try:
            self._mark.write()
            for name in _CHAIN:
                lives = self._lives_of(name)
                is_new = lives - self._lives.get(name, set())
                is_there = self._states[name].service_is_ready()
                if not (is_new and is_there and await self._state(name) == "active"):
                    continue
                steps = [step for step in _PAUSE if step[0] == name]
                await self._bring(steps, {name: _PAUSED[name]}, [name])
                self._lives[name] = lives
                self._warn(f"{name} was started again while the chain is paused: it is paused, too")
        except M2R2Error as error:
            self._warn(f"the chain is no longer paused as a whole: {error}")
        finally:
            self._is_busy = False

    def _warn(self, line: str) -> None:
        self._node.get_logger().warning(printable(line), throttle_duration_sec=_WARN_S)

    def _lives_of(self, name: str) -> set[bytes]:
        """A node that is started again has publishers of its own beside those of its last life."""
        topic = self._node.resolve_topic_name(f"{name}/transition_event")
        found = self._node.get_publishers_info_by_topic(topic)
        return {bytes(each.endpoint_gid) for each in found}

    async def _bring(
        self, steps: _Steps, wanted: Mapping[str, Sequence[str]], names: Sequence[str] = _CHAIN
    ) -> int:
        """Make the transitions that are due; returns how many. Raises M2R2Error.

        Where a node is missing none is made.
        """
        for name in names:
            for client in (self._states[name], self._changes[name]):
                await self._find(client)
        done = 0
        for round_ in range(_ROUNDS):
            for name, transition in steps:
                done += await self._step(name, transition)
            try:
                await self._check(wanted)
                break
            except M2R2Error:
                if round_ == _ROUNDS - 1:
                    raise
        return done

    async def _find(self, client: Client) -> None:
        """Raise M2R2Error where the service does not appear."""
        if client.service_is_ready():
            return
        looked: Future = Future()
        looks = 0

        def look() -> None:
            nonlocal looks
            looks += 1
            if client.service_is_ready() or looks >= _LOOKS_TO_FIND:
                looked.set_result(None)

        timer = self._every_look(look)
        await looked
        self._node.destroy_timer(timer)
        if not client.service_is_ready():
            raise M2R2Error(f"{self._full(client)} is not there: is its node running?")

    async def _step(self, name: str, transition: str) -> bool:
        """Whether the transition was due, and is made. Raises M2R2Error."""
        if await self._state(name) != _WAYS[transition][0]:
            return False
        await self._change(name, transition)
        return True

    async def _check(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Raise M2R2Error where a node is elsewhere."""
        for name, states in wanted.items():
            state = await self._state(name)
            if state not in states:
                raise M2R2Error(f"{name} is {state}, not {' or '.join(states)}")

    async def _state(self, name: str) -> str:
        """Asked again and again: a service may be found before it has found the client."""
        told: Future = Future()

        def ask() -> None:
            self._ask_state(name, lambda state: told.done() or told.set_result(state))

        ask()
        return await self._awaited(self._states[name], told, ask)

    async def _change(self, name: str, transition: str) -> None:
        """Returns once a state is known that follows. Raises M2R2Error where it is refused."""
        made: Future = Future()
        request = ChangeState.Request()
        request.transition.label = transition
        told = 0

        def answered(future: Future) -> None:
            if not (future.cancelled() or made.done()):
                made.set_result(_MADE if future.result().success else _REFUSED)

        def heard(state: str) -> None:
            nonlocal told
            told = told + 1 if state in _PRIMARY else 0
            if told >= _ENOUGH and not made.done():
                made.set_result(_UNANSWERED)

        asked = self._changes[name].call_async(request)
        self._asked.append(asked)
        asked.add_done_callback(answered)
        again = partial(self._ask_state, name, heard)
        if await self._awaited(self._changes[name], made, again) == _REFUSED:
            raise M2R2Error(f"{name} does not {transition}, see its status in /diagnostics")

    def _ask_state(self, name: str, tell: Callable[[str], object]) -> None:
        def answered(future: Future) -> None:
            if not future.cancelled():
                tell(future.result().current_state.label)

        asked = self._states[name].call_async(GetState.Request())
        self._asked.append(asked)
        asked.add_done_callback(answered)

    async def _awaited(self, client: Client, wanted: Future, again: Callable[[], None]) -> str:
        """The result, `again` called meanwhile. Raises M2R2Error where there will be none."""
        latest_s = time.monotonic() + _PATIENCE_S

        def look() -> None:
            if time.monotonic() > latest_s or not client.service_is_ready():
                wanted.cancel()
            else:
                again()

        timer = self._every_look(look)
        result = await wanted
        self._node.destroy_timer(timer)
        for asked in self._asked:
            asked.cancel()
        self._asked.clear()
        if result is None and not client.service_is_ready():
            raise M2R2Error(f"{self._full(client)} has gone before it answered")
        if result is None:
            raise M2R2Error(f"{self._full(client)} has not answered for {_PATIENCE_S:.0f} s")
        return result

    def _full(self, client: Client) -> str:
        return self._node.resolve_service_name(client.srv_name)
