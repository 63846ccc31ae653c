# SPDX-License-Identifier: Apache-2.0
"""Parameters: tolerant of 1 for 1.0, strict about everything else, errors that help."""

from __future__ import annotations

from dataclasses import fields

import pytest
from rclpy.parameter import Parameter

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.nodes import parameters
from m2r2_ros.nodes.managed_node import ManagedNode
from m2r2_ros.nodes.setting import Setting
from m2r2_ros.sensing.limits import SensingLimits

NUMBER = Setting("speed", 1.5, "How fast.", 0.0, 10.0)
COUNT = Setting("count", 3, "How many.", 1, 10)
TEXTS = Setting("joints", ("a",), "Which.")
LIVE = Setting("patience", 1.0, "How long.", 0.0, 10.0, live=True)


class Tool(ManagedNode):
    SETTINGS = (NUMBER, COUNT, TEXTS, LIVE)

    def __init__(self, values):
        super().__init__("tool", values)
        self.read = None

    def configure(self, values):
        self.read = values

    def change(self, values):
        self.read |= values


@pytest.fixture
def tool(ros):
    made = []

    def make(**values):
        made.append(Tool(values))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


@pytest.mark.parametrize(
    ("setting", "given", "read"),
    [
        (NUMBER, 2, 2.0),
        (NUMBER, 2.5, 2.5),
        (COUNT, 4.0, 4),
        (TEXTS, ["x", "y"], ("x", "y")),
        (TEXTS, [], ()),
    ],
)
def test_values_that_mean_the_right_thing_are_read(setting, given, read):
    assert setting.read(given) == read
    assert type(setting.read(given)) is type(read)


@pytest.mark.parametrize(
    ("setting", "given", "message"),
    [
        (NUMBER, "fast", "parameter speed must be a number, got 'fast'"),
        (NUMBER, True, "parameter speed must be a number, got True"),
        (NUMBER, 11.0, r"parameter speed must be in \[0, 10\], got 11.0"),
        (NUMBER, float("nan"), r"parameter speed must be in \[0, 10\], got nan"),
        (COUNT, 2.5, "parameter count must be a whole number, got 2.5"),
        (COUNT, 0, r"parameter count must be in \[1, 10\], got 0"),
        (TEXTS, "x", "parameter joints must be a list of texts, got 'x'"),
        (TEXTS, [1], "parameter joints must be a list of texts"),
    ],
)
def test_others_are_refused_by_name(setting, given, message):
    with pytest.raises(M2R2Error, match=message):
        setting.read(given)


def test_overrides_and_defaults_reach_the_node(tool):
    node = tool(speed=2)
    node.trigger_configure()
    assert node.fault == ""
    assert node.read == {
        "autostart": True,
        "speed": 2.0,
        "count": 3,
        "joints": ("a",),
        "patience": 1.0,
    }
    assert node.describe_parameter("speed").description == "How fast. Read in configure."
    assert node.describe_parameter("speed").floating_point_range[0].to_value == 10.0


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"speed": "fast"}, "parameter speed must be a number, got 'fast'"),
        ({"count": 99}, "parameter count must be in [1, 10], got 99"),
        ({"autostrat": True}, "unknown parameter 'autostrat' (did you mean 'autostart'?)"),
        ({"max_wait": 1.0}, "unknown parameter 'max_wait' (did you mean 'max_wait_s'?)"),
    ],
)
def test_a_bad_override_fails_configure_and_is_kept_for_the_diagnostics(tool, values, fault):
    node = tool(**values)
    node.trigger_configure()
    assert node.fault == fault
    assert node.read is None


def test_parameters_of_other_nodes_are_no_typos(tool):
    node = tool(**{"confirm_s": 1.0, "topics.front": "/front", "rate": 2.0})
    node.trigger_configure()
    assert node.fault == ""


def test_changes_are_checked_and_refused_while_configured(tool):
    node = tool()
    assert node.set_parameters([Parameter("speed", value=4)])[0].successful
    refused = node.set_parameters([Parameter("speed", value=40.0)])[0]
    assert not refused.successful
    assert "out of range" in refused.reason
    node.trigger_configure()
    assert node.read["speed"] == 4.0
    refused = node.set_parameters([Parameter("speed", value=5.0)])[0]
    assert not refused.successful
    assert "clean up first" in refused.reason
    node.trigger_cleanup()
    assert node.set_parameters([Parameter("speed", value=5.0)])[0].successful


def test_live_parameters_change_at_once(tool):
    node = tool()
    node.trigger_configure()
    assert "Can change at run time." in node.describe_parameter("patience").description
    assert node.set_parameters([Parameter("patience", value=2)])[0].successful
    assert node.read["patience"] == 2.0
    refused = node.set_parameters([Parameter("patience", value="long")])[0]
    assert not refused.successful
    assert "must be a number" in refused.reason
    assert node.read["patience"] == 2.0


def test_defaults_are_the_core_s():
    limits = {field.name: field.default for field in fields(SensingLimits)}
    assert {s.name: s.default for s in parameters.SENSING} == limits
    assert all(setting.description for setting in parameters.SENSING)
    tracker = {field.name: field.default for field in fields(TrackerConfig)}
    assert {s.name: s.default for s in parameters.tracker_settings(TrackerConfig())} == tracker
