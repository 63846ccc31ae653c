# SPDX-License-Identifier: Apache-2.0
"""What is wrong with ROS's own settings is one line of a command."""

from __future__ import annotations

import pytest

from m2r2_ros.cli.main import main

ROBOT = "/**: {ros__parameters: {topics: {wrench: /wrench}}}"


@pytest.mark.parametrize("verb", ["doctor", "record"])
def test_a_domain_that_is_no_number_is_one_line(verb, tmp_path, monkeypatch, capsys):
    (tmp_path / "robot.yaml").write_text(ROBOT)
    monkeypatch.setenv("ROS_DOMAIN_ID", "banana")
    given = ["--config", str(tmp_path / "robot.yaml"), "--out", str(tmp_path / "takes")]
    assert main([verb, *(given if verb == "record" else [])]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"m2r2 {verb}: ROS cannot start: ") and "ROS_DOMAIN_ID" in line
    assert "/src/" not in line
