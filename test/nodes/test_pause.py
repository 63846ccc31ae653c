# SPDX-License-Identifier: Apache-2.0
"""Pausing the chain and giving it other models: ids go on, what is open ends, nothing is lost."""

from __future__ import annotations

import gc
import weakref
from contextlib import ExitStack

import pytest
from harness import (
    STATIONS,
    Planner,
    call,
    change_state,
    check_ids,
    node_program,
    state,
)
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from robot import TOPICS, Robot
from std_srvs.srv import SetBool
from tiny_models import write_models

from m2r2_msgs.srv import GetSegments
from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.inference.segment_events import SegmentStatus
from m2r2_ros.nodes.feature_extractor import FeatureExtractor

PAUSED = ["inactive", "unconfigured", "inactive"]


class Cell:
    """A robot, the chain's nodes and a planner."""

    def __init__(self, node, folder, models, composed):
        self.node, self.robot, self.planner = node, Robot(node), Planner(node)
        topics = {f"topics.{name}": topic for name, topic in TOPICS.items()}
        self._folder, self._values = folder, {"models": models, **topics}
        names = ["online"] if composed else reversed(STATIONS)
        self.programs = [self.program(name) for name in names]

    def program(self, name):
        return node_program(self._folder, name, self._values)

    def until(self, done, what):
        self.robot.run_until(done, what)

    def open_segment(self):
        """Wait for a segment that is new and goes on."""
        known = len(self.planner.events)

        def there():
            new = [event.status for event in self.planner.events[known:]]
            return SegmentStatus.STARTED in new and new[-1] != SegmentStatus.ENDED

        self.until(there, "a segment")

    def ask(self, kind, name, request):
        """Call a service while the robot goes on."""
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, name)
        future = client.call_async(request)
        self.until(future.done, f"an answer of {name}")
        self.node.destroy_client(client)
        return future.result()

    def pause(self, wanted):
        return self.ask(SetBool, "/m2r2/pause", SetBool.Request(data=wanted))

    def states(self):
        return [state(self.node, name) for name in STATIONS]


@pytest.fixture(params=[True, False], ids=["composed", "apart"])
def cell(request, node, tmp_path, models):
    made = Cell(node, tmp_path, models, request.param)
    with ExitStack() as stack:
        for program in made.programs:
            stack.enter_context(program)
        made.open_segment()
        yield made


def test_a_pause_ends_what_is_open_and_ids_go_on(cell):
    answer = cell.pause(True)
    assert (answer.success, answer.message) == (True, "paused")
    assert cell.states() == PAUSED
    frames, events = len(cell.planner.frames), cell.planner.events
    assert events[-1].status == SegmentStatus.ENDED
    # The last window before the pause has been segmented.
    assert cell.planner.frames[-1].stamp_ns == events[-1].stamp_ns
    cell.until(lambda: "paused for" in cell.planner.statuses["synchronizer"].message, "the word")
    assert cell.pause(True).message == "paused already"
    assert len(cell.planner.frames) == frames
    answer = cell.pause(False)
    assert (answer.success, answer.message) == (True, "resumed")
    assert cell.states() == ["active"] * 3
    cell.open_segment()
    assert check_ids(events) >= 2
    first = cell.planner.frames[frames]
    started = next(event for event in events if event.stamp_ns >= first.stamp_ns)
    assert first.index == 0 and started.status == SegmentStatus.STARTED
    # Nothing is claimed of the time in between.
    assert started.start_ns >= first.stamp_ns
    assert cell.planner.value("synchronizer", "pauses") == "1"
    assert float(cell.planner.value("synchronizer", "paused_s")) > 0
    output = "".join(program.output for program in cell.programs)
    assert "windows were not made" in output and "Traceback" not in output


def test_a_node_that_is_killed_while_the_chain_is_paused_comes_back_paused(node, tmp_path, models):
    cell = Cell(node, tmp_path, models, composed=False)
    with ExitStack() as stack:
        programs = [stack.enter_context(program) for program in cell.programs]
        cell.open_segment()
        assert cell.pause(True).success
        frames = len(cell.planner.frames)
        named = dict(zip(reversed(STATIONS), programs, strict=True))
        victim = named["feature_extractor"].process
        victim.kill()
        victim.wait()
        stack.enter_context(cell.program("feature_extractor"))
        said = "feature_extractor was started again while the chain is paused: it is paused, too"
        cell.until(lambda: said in named["synchronizer"].output, "the word")
        assert cell.states() == PAUSED and len(cell.planner.frames) == frames
        assert cell.pause(False).success
        assert cell.states() == ["active"] * 3
        cell.open_segment()
        check_ids(cell.planner.events)


def set_models(node, name, folder):
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(folder))
    request = SetParameters.Request(parameters=[Parameter(name="models", value=value)])
    return call(node, SetParameters, f"/{name}/set_parameters", request).results[0]


def test_other_models_go_on_with_ids_and_history(node, tmp_path, models):
    other = write_models(tmp_path / "other", REASSEMBLE_LAYOUT, gain=4.0)
    cell = Cell(node, tmp_path, models, composed=True)
    with cell.programs[0] as online:
        cell.open_segment()
        assert not set_models(node, "segmenter", other).successful
        for transition in ("deactivate", "cleanup"):
            assert all(change_state(node, name, transition) for name in STATIONS)
        assert all(set_models(node, name, other).successful for name in STATIONS)
        assert all(change_state(node, name, "configure") for name in STATIONS), online.output
        assert all(change_state(node, name, "activate") for name in reversed(STATIONS))
        ended = [e for e in cell.planner.events if e.status == SegmentStatus.ENDED]
        cell.open_segment()
        check_ids(cell.planner.events)
        known = cell.ask(GetSegments, "/segmenter/get_segments", GetSegments.Request()).segments
        ids = [segment.segment_id for segment in known]
        assert ids == list(range(len(ids))) and len(ids) > len(ended) > 0
        path = str(other / "head.onnx")
        cell.until(lambda: cell.planner.value("segmenter", "head") == path, "the other head")
        assert online.interrupt() == 0 and "Traceback" not in online.output


def test_a_pause_without_a_neighbour_is_refused_by_name(node, tmp_path, models):
    with node_program(tmp_path, "synchronizer", {"models": models}) as alone:
        request = SetBool.Request(data=True)
        answer = call(node, SetBool, "/m2r2/pause", request, server="synchronizer")
        assert not answer.success and "/feature_extractor/get_state is not there" in answer.message
        assert state(node, "synchronizer") == "active"
        assert alone.interrupt() == 0, alone.output


def test_a_cleaned_up_extractor_holds_no_encoder(ros, models):
    station = FeatureExtractor(values={"models": str(models)})
    station.trigger_configure()
    encoder = weakref.ref(station._encoder)
    station.trigger_activate()
    station.trigger_deactivate()
    station.trigger_cleanup()
    gc.collect()
    assert encoder() is None
    station.shut_down()
    station.destroy_node()
