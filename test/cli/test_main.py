# SPDX-License-Identifier: Apache-2.0
"""The `m2r2` command line, driven with small verbs written for the test."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from m2r2_ros.cli import main as command
from m2r2_ros.errors import M2R2Error


def add_verb(monkeypatch: pytest.MonkeyPatch, name: str, body) -> None:
    """Install a verb whose `main` is `body`."""
    module = types.ModuleType(f"m2r2_ros.cli.{name}")
    module.__doc__ = f"Do {name}.\n\nExamples:\n    m2r2 {name} --count 3\n"
    module.add_arguments = lambda parser: parser.add_argument("--count", type=int, default=1)
    module.main = body
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(command, "verbs", lambda: dict.fromkeys((name, "segment"), Path()))


def raising(error: BaseException):
    def body(args):
        raise error

    return body


def test_verb_gets_its_arguments_and_gives_the_status(monkeypatch):
    add_verb(monkeypatch, "probe", lambda args: args.count)
    assert command.main(["probe", "--count", "7"]) == 7


def test_program_name_is_the_verb_under_ros2_run(monkeypatch):
    add_verb(monkeypatch, "probe", lambda args: args.count)
    monkeypatch.setattr(sys, "argv", ["/opt/ws/lib/m2r2_ros/probe", "--count", "4"])
    assert command.verb_main() == 4


def test_help_of_a_verb_keeps_the_lines_of_its_examples(monkeypatch, capsys):
    add_verb(monkeypatch, "probe", lambda args: 0)
    with pytest.raises(SystemExit) as stop:
        command.main(["probe", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "usage: m2r2 probe" in text
    assert "Examples:\n    m2r2 probe --count 3" in text


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (M2R2Error("cannot read 'a.h5'"), "m2r2 probe: cannot read 'a.h5'\n"),
        (PermissionError(13, "Permission denied", "/x"), "m2r2 probe: /x: Permission denied\n"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            "m2r2 probe: needs the Python package 'torch': install it\n",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_2(monkeypatch, capsys, error, line):
    add_verb(monkeypatch, "probe", raising(error))
    assert command.main(["probe"]) == 2
    output = capsys.readouterr()
    assert output.err == line
    assert output.out == ""


@pytest.mark.parametrize(
    "error",
    [ValueError("a defect"), ModuleNotFoundError("gone", name="m2r2_ros.gone")],
)
def test_our_own_defects_keep_their_traceback(monkeypatch, error):
    add_verb(monkeypatch, "probe", raising(error))
    with pytest.raises(type(error)):
        command.main(["probe"])


def test_ctrl_c_is_quiet(monkeypatch, capsys):
    add_verb(monkeypatch, "probe", raising(KeyboardInterrupt()))
    assert command.main(["probe"]) == 130
    assert capsys.readouterr().err == ""


def test_typo_names_the_nearest_verb(monkeypatch, capsys):
    add_verb(monkeypatch, "probe", lambda args: 0)
    assert command.main(["sgement"]) == 2
    line = "m2r2: unknown verb 'sgement' (did you mean 'segment'?)\n"
    assert capsys.readouterr().err == line


def test_bad_option_is_status_2(monkeypatch, capsys):
    add_verb(monkeypatch, "probe", lambda args: 0)
    with pytest.raises(SystemExit) as stop:
        command.main(["probe", "--count", "many"])
    assert stop.value.code == 2
    assert "--count" in capsys.readouterr().err


def test_no_verb_shows_the_overview(capsys):
    assert command.main([]) == 2
    assert "usage: m2r2 VERB" in capsys.readouterr().err


def test_overview_lists_every_verb_with_its_summary_and_no_helper(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--help"])
    assert stop.value.code == 0
    table = capsys.readouterr().out.partition("verbs:\n")[2].partition("\n\n")[0]
    summaries = dict(line.split(maxsplit=1) for line in table.splitlines())
    assert summaries["demo"].startswith("Play a recording over DDS")
    assert not {"main", "__init__", "_live"} & set(summaries)
    assert all(summary.endswith(".") for summary in summaries.values()), summaries


def test_overview_imports_nothing_heavy():
    program = (
        "import sys; from m2r2_ros.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'torch', 'rclpy', 'onnxruntime', 'h5py'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_reader_that_goes_away_leaves_no_traceback(tmp_path):
    program = (
        "import sys, types\n"
        "from m2r2_ros.cli import main as command\n"
        "probe = types.ModuleType('m2r2_ros.cli.probe')\n"
        "probe.add_arguments = lambda parser: None\n"
        "probe.main = lambda args: [print('line') for _ in range(100_000)] and 0\n"
        "sys.modules[probe.__name__] = probe\n"
        "command.verbs = lambda: {'probe': ''}\n"
        "sys.exit(command.main(['probe']))"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr.read() == b""
    writer.stderr.close()
    assert writer.wait(timeout=30) == 141


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "2>/dev/full"])
def test_a_program_without_a_place_to_speak_still_gives_its_status(redirection):
    program = (
        "import sys; from m2r2_ros.cli import main as command;"
        "body = lambda arguments: print('done') or print('odd', file=sys.stderr) or 3;"
        "command.load_verb = lambda verb: body;"
        "sys.exit(command.run_verb(sys.argv[1], []))"
    )
    # The unknown verb complains.
    for verb, status in (("segment", 2 if "full" in redirection else 3), ("none", 2)):
        line = f'"$0" -c "$1" {verb} {redirection}'
        run = subprocess.run(["sh", "-c", line, sys.executable, program], capture_output=True)
        assert run.returncode == status and b"Traceback" not in run.stdout + run.stderr
