# SPDX-License-Identifier: Apache-2.0
"""/diagnostics: printable text whatever a message or a file says, and the latency of each stage."""

from __future__ import annotations

import time

import pytest
from harness import STATIONS, Planner, node_program, started
from robot import TOPICS, Robot, stamp_of

from m2r2_msgs.msg import FramePrediction
from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.diagnostics import WARN, Report
from m2r2_ros.nodes.managed_node import ManagedNode

HOSTILE = "left\x1b[2J\nright\u202e\udcff"
QUANTILES = ("p50", "p95", "p99")
SHOWN = "left\\x1b[2J\\nright\\u202e\\udcff"


@pytest.fixture
def station(ros, monkeypatch):
    station = ManagedNode("hostile")
    sent = []
    monkeypatch.setattr(
        station.diagnostics, "_publisher", type("Kept", (), {"publish": sent.append})
    )
    station.sent = sent
    yield station
    station.destroy_node()


def test_names_from_messages_are_printable_in_diagnostics(station):
    report = Report(WARN, HOSTILE, {HOSTILE: HOSTILE, "n": 3, "x": 0.5})
    station._configured, station.report = True, lambda: report
    station.diagnostics.publish()
    (status,) = station.sent[-1].status
    assert status.message == SHOWN
    assert {v.key: v.value for v in status.values} == {SHOWN: SHOWN, "n": "3", "x": "0.5"}


@pytest.mark.parametrize("kind", [M2R2Error, ValueError])
def test_a_fault_is_printable_in_log_and_diagnostics(station, kind, capfd):
    def configure(values):
        raise kind(HOSTILE)

    station.configure = configure
    station.trigger_configure()
    (status,) = station.sent[-1].status
    assert status.message == SHOWN
    logged = capfd.readouterr().err
    assert SHOWN in logged
    assert logged.replace("\n", "").isprintable()


def test_latency_is_told_stage_by_stage_and_warned_of_beyond_a_window(node, tmp_path, models):
    """Stamps that are 150 ms old when they are sent make every window of 100 ms late."""
    planner, robot = Planner(node), Robot(node)
    robot.shift_ns = -150_000_000
    heard_ms = []
    hear = node.create_subscription(
        FramePrediction,
        "m2r2/frame_prediction",
        lambda message: heard_ms.append((time.time_ns() - stamp_of(message)) / 1e6),
        1000,
    )
    values = {"models": models, **{f"topics.{name}": topic for name, topic in TOPICS.items()}}
    with started(node, planner, node_program(tmp_path, "online", values), *STATIONS):
        said = "predictions come"
        robot.run_until(lambda: said in planner.statuses["segmenter"].message, "the warning")
    node.destroy_subscription(hear)
    assert planner.level("segmenter") == int.from_bytes(WARN, "big")

    def read(station, what):
        return [float(planner.value(station, f"stamp_to_{what}_{q}_ms")) for q in QUANTILES]

    window, feature, prediction = (
        read(station, what)
        for station, what in zip(STATIONS, ("window", "feature", "prediction"), strict=True)
    )
    for quantiles in (window, feature, prediction):
        assert 150 < quantiles[0] < max(heard_ms) and quantiles == sorted(quantiles)
    assert read("segmenter", "segment")[0] > 150
    assert float(planner.value("feature_extractor", "queue_age_ms")) >= 0
    assert float(planner.value("synchronizer", "wrench.queue_age_ms")) > 0
