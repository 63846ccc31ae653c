# SPDX-License-Identifier: Apache-2.0
"""What the pause answers of nodes that are in no state of its way, or that end meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from harness import STATIONS
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.task import Future
from std_srvs.srv import SetBool

from m2r2_ros.nodes import chain_pause
from m2r2_ros.nodes.chain_pause import ChainPause

# Where each transition leads.
LEADS_TO = {
    "configure": "inactive",
    "activate": "active",
    "deactivate": "inactive",
    "cleanup": "unconfigured",
}


class Chain:
    """Nodes by their states, with services that answer at once, but for those in `silent`."""

    def __init__(self, **states: str) -> None:
        self.states, self.silent = states, set[str]()
        self.timers: list[object] = []

    def create_service(self, *_: object, **__: object) -> None: ...

    def create_timer(self, period_s: float, look, *_: object) -> None:
        self.timers.append(look)

    def destroy_timer(self, timer: object) -> None: ...

    def resolve_service_name(self, name: str) -> str:
        return f"/{name}"

    def create_client(self, kind: type, name: str, **_: object) -> SimpleNamespace:
        node = name.partition("/")[0]

        def call(request) -> Future:
            future = Future()
            if node not in self.silent:
                future.set_result(self.answer(node, request))
            return future

        ready = lambda: node in self.states  # noqa: E731
        return SimpleNamespace(srv_name=name, call_async=call, service_is_ready=ready)

    def answer(self, node: str, request):
        if isinstance(request, GetState.Request):
            answer = GetState.Response()
            answer.current_state.label = self.states[node]
            return answer
        self.states[node] = LEADS_TO[request.transition.label]
        return ChangeState.Response(success=True)


def asked(chain: Chain, wanted: bool):
    """The way of an answer, to be gone on with by `send`."""
    return ChainPause(chain)._answer(SetBool.Request(data=wanted), SetBool.Response())


def answer_of(way) -> SetBool.Response:
    with pytest.raises(StopIteration) as ended:
        way.send(None)
    return ended.value.value


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("odd", STATIONS)
@pytest.mark.parametrize("state", ["finalized", "configuring", "activating", "errorprocessing"])
def test_a_node_that_is_elsewhere_is_named(wanted, odd, state):
    chain = Chain(**dict.fromkeys(STATIONS, "active" if wanted else "inactive") | {odd: state})
    answer = answer_of(asked(chain, wanted))
    assert not answer.success and f"{odd} is {state}, not " in answer.message


@pytest.mark.parametrize("wanted", [True, False])
def test_a_chain_that_is_there_answers_as_before(wanted):
    chain = Chain(**dict.fromkeys(STATIONS, "active" if wanted else "unconfigured"))
    word = "paused" if wanted else "resumed"
    for message in (word, f"{word} already"):
        answer = answer_of(asked(chain, wanted))
        assert (answer.success, answer.message) == (True, message)


def test_a_node_that_ends_while_it_is_asked_is_named():
    chain = Chain(**dict.fromkeys(STATIONS, "active"))
    chain.silent = {"feature_extractor"}
    way = asked(chain, True)
    way.send(None)
    chain.timers[-1]()
    way.send(None)
    del chain.states["feature_extractor"]
    chain.timers[-1]()
    answer = answer_of(way)
    assert not answer.success and "/feature_extractor/get_state has gone" in answer.message


def test_a_node_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(chain_pause, "_PATIENCE_S", -1.0)
    chain = Chain(**dict.fromkeys(STATIONS, "active"))
    chain.silent = {"synchronizer"}
    way = asked(chain, True)
    way.send(None)
    chain.timers[-1]()
    assert "has not answered" in answer_of(way).message
