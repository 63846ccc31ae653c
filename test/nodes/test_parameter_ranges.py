# SPDX-License-Identifier: Apache-2.0
"""At both ends of every range, and at random corners, a node configures or refuses in one line."""

from __future__ import annotations

import random

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.await_server import AwaitServer
from m2r2_ros.nodes.feature_extractor import FeatureExtractor
from m2r2_ros.nodes.microphone import Microphone
from m2r2_ros.nodes.replayer import Replayer
from m2r2_ros.nodes.segmenter import Segmenter
from m2r2_ros.nodes.synchronizer import Synchronizer

KINDS = {
    "synchronizer": (Synchronizer, parameters.SYNCHRONIZER),
    "feature_extractor": (FeatureExtractor, parameters.FEATURE_EXTRACTOR),
    "segmenter": (Segmenter, parameters.SEGMENTER),
    "microphone": (Microphone, parameters.MICROPHONE),
    "await_server": (AwaitServer, parameters.AWAIT_SERVER),
    "replayer": (Replayer, parameters.REPLAYER),
}
CORNERS = 50


def numeric(kind):
    return [s for s in KINDS[kind][1] if type(s.default) in (int, float)]


ENDS = [
    pytest.param(
        kind, {setting.name: type(setting.default)(end)}, id=f"{kind}-{setting.name}-{end:g}"
    )
    for kind in KINDS
    for setting in numeric(kind)
    for end in (setting.minimum, setting.maximum)
]


def corner(seed):
    """Every number of the synchronizer at one of its ends, or as it is."""
    chance = random.Random(seed)
    return {
        s.name: float(chance.choice((s.minimum, s.maximum, s.default)))
        for s in numeric("synchronizer")
    }


@pytest.fixture(scope="module")
def nodes(ros, tmp_path_factory):
    """One node of each kind, used again and again."""
    sound = {"file": str(tmp_path_factory.mktemp("none") / "none.wav")}
    made = {
        kind: create(values=sound if kind == "microphone" else {})
        for kind, (create, _) in KINDS.items()
    }
    yield made
    for node in made.values():
        node.destroy_node()


def check(node, values):
    """Configure with `values`; whatever comes of it, the node says so in one line and lives on."""
    before = {name: node.get_parameter(name).value for name in values}
    results = node.set_parameters([Parameter(n, value=v) for n, v in values.items()])
    assert all(result.successful for result in results), results
    try:
        done = node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        if done:
            assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS, node.fault
            assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS, node.fault
            assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS, node.fault
        else:
            assert node.fault and "\n" not in node.fault
            assert "Error" not in node.fault
        return done
    finally:
        node.set_parameters([Parameter(n, value=v) for n, v in before.items()])


def test_every_number_has_a_range():
    for kind in KINDS:
        for setting in numeric(kind):
            assert setting.is_bounded, f"{kind}: {setting.name}"


@pytest.mark.parametrize(("kind", "values"), ENDS)
def test_both_ends_configure_or_are_refused_in_one_line(nodes, kind, values):
    check(nodes[kind], values)


@pytest.mark.parametrize("seed", range(CORNERS))
def test_corners_configure_or_are_refused_in_one_line(nodes, seed):
    check(nodes["synchronizer"], corner(seed))
