# SPDX-License-Identifier: Apache-2.0
"""What the pause answers of nodes that are in no state of its way, or that end meanwhile."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from harness import STATIONS
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.task import Future
from std_srvs.srv import SetBool

from m2r2_ros.nodes import chain_pause
from m2r2_ros.nodes.chain_pause import ChainPause
from m2r2_ros.nodes.pause_mark import PauseMark

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
        self.lives = dict.fromkeys(states, 1)
        self.timers: list[object] = []
        self.warnings: list[str] = []

    def create_service(self, *_: object, **__: object) -> None: ...

    def create_timer(self, period_s: float, look, *_: object) -> None:
        self.timers.append(look)

    def destroy_timer(self, timer: object) -> None: ...

    def resolve_service_name(self, name: str) -> str:
        return f"/{name}"

    resolve_topic_name = resolve_service_name

    def get_fully_qualified_name(self) -> str:
        return "/synchronizer"

    def get_publishers_info_by_topic(self, topic: str) -> list[SimpleNamespace]:
        """The last life of a node that was killed is there for a while."""
        name = topic.split("/")[1]
        return [SimpleNamespace(endpoint_gid=[n]) for n in range(self.lives.get(name, 0))]

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(warning=lambda line, **_: self.warnings.append(line))

    def start_again(self, node: str, state: str) -> None:
        self.lives[node] += 1
        self.states[node] = state

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


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_HOME", str(tmp_path))


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


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("node", STATIONS)
def test_a_node_that_is_found_a_moment_later_is_waited_for(wanted, node):
    chain = Chain(**dict.fromkeys(STATIONS, "active" if wanted else "inactive"))
    state = chain.states.pop(node)
    way = asked(chain, wanted)
    way.send(None)
    chain.timers[-1]()
    way.send(None)
    chain.states[node] = state
    chain.timers[-1]()
    answer = answer_of(way)
    assert answer.success, answer.message


def test_a_node_that_is_missing_is_named_and_no_other_is_moved():
    chain = Chain(synchronizer="active", feature_extractor="active")
    way = asked(chain, True)
    for _ in range(chain_pause._LOOKS_TO_FIND):
        way.send(None)
        chain.timers[-1]()
    answer = answer_of(way)
    assert not answer.success and "/segmenter/get_state is not there" in answer.message
    assert set(chain.states.values()) == {"active"}


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("node", STATIONS)
def test_a_node_that_is_started_again_while_it_is_asked_is_taken_on(wanted, node):
    """What its last life was asked is never answered, and the service never is away."""
    chain = Chain(**dict.fromkeys(STATIONS, "active" if wanted else "inactive"))
    chain.silent = {node}
    way = asked(chain, wanted)
    way.send(None)
    chain.silent.clear()
    chain.start_again(node, "unconfigured" if wanted else "active")
    chain.timers[-1]()
    answer = answer_of(way)
    assert answer.success, answer.message
    at_work = ("inactive", "unconfigured") if wanted else ("active",)
    assert all(state in at_work for state in chain.states.values())


@pytest.mark.parametrize("is_made", [True, False])
def test_a_transition_whose_answer_is_lost_is_seen_by_the_state(is_made):
    chain = Chain(**dict.fromkeys(STATIONS, "active"))
    answer, lost = chain.answer, []

    def lose(node, request):
        if node == "segmenter" and hasattr(request, "transition") and not lost:
            lost.append(request)
            return answer(node, request) and None if is_made else None
        return answer(node, request)

    chain.answer = lose
    create = chain.create_client

    def client(kind, name, **more):
        made = create(kind, name, **more)
        call = made.call_async

        def call_or_lose(request):
            future = call(request)
            return Future() if future.done() and future.result() is None else future

        made.call_async = call_or_lose
        return made

    chain.create_client = client
    way = asked(chain, True)
    way.send(None)
    for _ in range(2):
        chain.timers[-1]()
    done = answer_of(way)
    assert done.success and lost, done.message
    assert chain.states["segmenter"] == "inactive"


def one_look(pause: ChainPause) -> None:
    with pytest.raises(StopIteration):
        pause._keep_paused().send(None)


@pytest.mark.parametrize("node", STATIONS)
@pytest.mark.parametrize("on_its_way", ["unconfigured", "configuring", "inactive"])
def test_a_node_that_is_started_again_while_the_chain_is_paused_is_paused_too(node, on_its_way):
    chain = Chain(**dict.fromkeys(STATIONS, "active"))
    pause = ChainPause(chain)
    pause.end()
    assert answer_of(pause._answer(SetBool.Request(data=True), SetBool.Response())).success
    paused = dict(chain.states)
    one_look(pause)
    chain.start_again(node, on_its_way)
    one_look(pause)
    assert chain.states == paused | {node: on_its_way} and not chain.warnings
    chain.states[node] = "active"
    one_look(pause)
    assert chain.states == paused
    assert chain.warnings == [
        f"{node} was started again while the chain is paused: it is paused, too"
    ]
    # Whoever makes it active by hand now is not disturbed.
    chain.states[node] = "active"
    one_look(pause)
    assert chain.states[node] == "active"
    assert answer_of(pause._answer(SetBool.Request(data=False), SetBool.Response())).success
    chain.start_again(node, "active")
    one_look(pause)
    assert set(chain.states.values()) == {"active"} and len(chain.warnings) == 1


def test_a_process_that_takes_the_place_of_a_killed_one_is_paused_as_that_was():
    """All nodes in one process, which makes them active when it starts."""
    chain = Chain(**dict.fromkeys(STATIONS, "active"))
    answer_of(asked(chain, True))
    anew = Chain(**dict.fromkeys(STATIONS, "active"))
    pause = ChainPause(anew)
    pause.end()
    one_look(pause)
    assert list(anew.states.values()) == ["inactive", "unconfigured", "inactive"]
    assert len(anew.warnings) == 3
    # By hand: the pause is over, for a later process as well.
    pause.end()
    anew.states = dict.fromkeys(STATIONS, "active")
    one_look(pause)
    assert set(anew.states.values()) == {"active"}
    assert not PauseMark("/synchronizer").is_there()


def test_a_mark_that_is_old_or_no_plain_file_is_none(tmp_path):
    mark = PauseMark("/synchronizer")
    mark.write()
    assert mark.is_there() and not mark.problem
    os.utime(mark.path, (0, 0))
    assert not mark.is_there()
    mark.remove()
    other = tmp_path / "other"
    other.write_text("kept")
    os.utime(other, (0, 0))
    mark.path.symlink_to(other)
    mark.write()
    assert "cannot be written" in mark.problem
    assert not mark.is_there() and other.stat().st_mtime == 0


def test_a_node_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(chain_pause, "_PATIENCE_S", -1.0)
    chain = Chain(**dict.fromkeys(STATIONS, "active"))
    chain.silent = {"synchronizer"}
    way = asked(chain, True)
    way.send(None)
    chain.timers[-1]()
    assert "has not answered" in answer_of(way).message


def test_a_pause_that_cannot_be_kept_for_a_successor_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("where a folder should be")
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "file"))
    chain = Chain(**dict.fromkeys(STATIONS, "active"))
    assert answer_of(asked(chain, True)).success
    (said,) = chain.warnings
    assert "cannot be written" in said and said.endswith("if this process is killed")
