# SPDX-License-Identifier: Apache-2.0
"""What a message or a file says reaches /diagnostics and the log as printable text only."""

from __future__ import annotations

import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.diagnostics import WARN, Report
from m2r2_ros.nodes.managed_node import ManagedNode

HOSTILE = "left\x1b[2J\nright\u202e\udcff"
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
