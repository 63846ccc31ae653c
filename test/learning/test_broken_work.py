# SPDX-License-Identifier: Apache-2.0
"""What a power cut leaves of the notes of a run is made again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from m2r2_ros.learning import looking
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.stopwatch import Stopwatch

FOUND = Finding("kind", "text", "remedy")
BROKEN = ["", "[", "7", "[{}]", '[{"of": "another version"}]', "\0" * 9]


@pytest.mark.parametrize("left", BROKEN)
def test_findings_that_cannot_be_read_are_looked_for_again(tmp_path, monkeypatch, left):
    file = tmp_path / "findings.json"
    file.write_text(left)
    monkeypatch.setattr(looking, "told_in_processes", lambda *_: [])
    monkeypatch.setattr(looking, "examine", lambda *_: [FOUND])
    study = SimpleNamespace(recordings={}, vocabulary=None, absent=())
    for _ in range(2):
        assert looking.find_problems(study, file, 1, print) == [FOUND]


@pytest.mark.parametrize("left", ["", "soon", "\0" * 9])
def test_a_clock_that_cannot_be_read_begins_anew(tmp_path, left):
    (tmp_path / "seconds").write_text(left)
    assert Stopwatch(tmp_path / "seconds").seconds < 3600
