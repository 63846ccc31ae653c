# SPDX-License-Identifier: Apache-2.0
from m2r2_ros.cli.main import run_verb


def test_a_path_that_is_no_utf_8_is_one_line(capsys):
    assert run_verb("replay", ["/data/\udcffbag"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(r"m2r2 replay: /data/\udcffbag: no UTF-8")
