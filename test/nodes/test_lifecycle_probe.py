# SPDX-License-Identifier: Apache-2.0
"""Whether a node is active is found out even where an answer gets lost."""

from __future__ import annotations

import pytest
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.task import Future

from m2r2_ros.nodes import lifecycle_probe


class Service:
    """Stands for the node that asks and the client it makes; answers when it is told to."""

    def __init__(self):
        self.asked, self.forgotten, self.ready = [], [], True

    def create_client(self, kind, name):
        assert (kind, name) == (GetState, "segmenter/get_state")
        return self

    def service_is_ready(self):
        return self.ready

    def call_async(self, request):
        self.asked.append(Future())
        return self.asked[-1]

    def remove_pending_request(self, answer):
        self.forgotten.append(answer)

    def answer(self, state):
        response = GetState.Response()
        response.current_state.id = state
        self.asked[-1].set_result(response)


@pytest.fixture
def clock(monkeypatch):
    times = [100.0]
    monkeypatch.setattr(lifecycle_probe.time, "monotonic", lambda: times[0])
    return times


def test_an_answer_that_gets_lost_is_asked_for_again(clock):
    service = Service()
    is_active = lifecycle_probe.activity_probe(service, "segmenter")
    assert not is_active() and not is_active()
    assert len(service.asked) == 1
    clock[0] += 1.1
    assert not is_active()
    assert len(service.asked) == 2 and service.forgotten == service.asked[:1]
    service.answer(State.PRIMARY_STATE_ACTIVE)
    assert is_active()


def test_a_node_is_asked_until_it_is_active(clock):
    service = Service()
    service.ready = False
    is_active = lifecycle_probe.activity_probe(service, "segmenter")
    assert not is_active() and not service.asked
    service.ready = True
    for state in (State.PRIMARY_STATE_INACTIVE, State.PRIMARY_STATE_ACTIVE):
        assert not is_active()
        service.answer(state)
        assert is_active() == (state == State.PRIMARY_STATE_ACTIVE)
    assert len(service.asked) == 2 and not service.forgotten
