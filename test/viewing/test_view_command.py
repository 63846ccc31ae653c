# SPDX-License-Identifier: Apache-2.0
"""`m2r2 view`: bad input, and the layouts that ship."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shown import shown_recording
from source_tree import ROOT

from m2r2_ros.cli import main as command
from m2r2_ros.sensing.signal import Signal
from m2r2_ros.shipped import shipped
from m2r2_ros.viewing.foxglove_schemas import signal_schema
from m2r2_ros.viewing.streams import column_names

DEMO = ROOT / "recordings" / "taskboard_demo.h5"


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    with shown_recording(folder):
        return folder / "shown.h5"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.h5"], "no such file"),
        ([__file__], "neither a REASSEMBLE .h5 nor a bag"),
        (["DEMO", "--out", "x.rrd"], "add --rerun"),
        (["DEMO", "--rerun", "--out", "x.mp4"], "end in .rrd"),
        (["DEMO", "--rerun", "--out", f"{__file__}/x.rrd"], f"{__file__}"),
        (["DEMO", "--results", "nothing.mcap"], "no such bag"),
        (["DEMO", "--results", __file__], "cannot read this bag"),
        (["--results", "DEMO"], "name it, too"),
        (["DEMO", "--text"], "leave the recording out"),
        (["DEMO", "--port", "70000"], "--port below 65536"),
        (["DEMO", "--port", "-1"], "--port below 65536"),
        (["DEMO", "--port", "TAKEN"], "choose another --port"),
        (["DEMO", "--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
        (["DEMO", "--models", "nowhere"], "nowhere"),
        (["DEMO", "--layout", "nowhere.yaml"], "nowhere.yaml"),
        (["DEMO", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["DEMO", "--panels", f"{__file__}/x.json"], f"{__file__}"),
        (["DEMO", "--panels", "DEMO"], "would take its place"),
        (["DEMO", "--config", "UR"], "none of the configured topics is in the recording"),
    ],
)
def test_bad_input_is_one_line(recording, arguments, said, capsys):
    robot = str(shipped("config/franka_ros2.yaml"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = {"DEMO": str(recording), "UR": robot, "TAKEN": str(taken.getsockname()[1])}
        assert command.main(["view", *(words.get(word, word) for word in arguments)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert said in lines[-1], lines
    assert sum(line.startswith("m2r2 view: ") for line in lines) == 1


def test_what_is_missing_to_show_it_is_named(monkeypatch, recording, tmp_path, capsys):
    for package, arguments in (
        ("foxglove", []),
        ("rerun", ["--rerun", "--out", str(tmp_path / "x.rrd")]),
    ):
        for name in [name for name in sys.modules if name.startswith("m2r2_ros.viewing.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)
        assert command.main(["view", str(recording), *arguments]) == 2
        assert f"pip install {package}-sdk" in capsys.readouterr().err


def test_neither_torch_nor_ros_is_needed_for_a_recording():
    program = (
        "import sys; sys.modules.update(torch=None, rclpy=None, m2r2_msgs=None)\n"
        "import m2r2_ros.cli.view, m2r2_ros.viewing.recording_view\n"
        "import m2r2_ros.viewing.foxglove_server, m2r2_ros.viewing.recorded_show\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


# Names that a schema has, or its making, and those that an odd one is given.
TAKEN = st.sampled_from(["header", "title", "properties", "self", "a", "a_2", "header_0", "c1"])


@settings(max_examples=100)
@given(st.lists(TAKEN | st.text(max_size=12), min_size=1, max_size=12))
def test_columns_are_words_of_their_own(columns):
    signal = Signal("any", "", len(columns), tuple(columns), ("",) * len(columns))
    names = column_names(signal)
    assert len(set(names)) == len(columns)
    assert all(re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) for name in names)
    schema = signal_schema(signal)
    assert schema["title"] == "m2r2.Signal.any"
    assert list(schema["properties"]) == ["header", *names]
    assert "stamp" in schema["properties"]["header"]["properties"]


def test_the_foxglove_layout_that_ships_is_that_of_the_default_robot(tmp_path, capsys):
    panels = tmp_path / "panels.json"
    assert command.main(["view", "nothing.h5", "--panels", str(panels)]) == 2
    assert json.loads(panels.read_text()) == json.loads(
        shipped("config/viewing/foxglove.json").read_text()
    )


def field_exists(name: str, path: list[str]) -> bool:
    """Whether a message of m2r2_msgs has a field; of other packages there is `header` only."""
    text = (ROOT / "m2r2_msgs" / "msg" / f"{name}.msg").read_text()
    fields = dict(reversed(m) for m in re.findall(r"^([\w/\[\]]+)\s+(\w+)\s*$", text, re.M))
    return path[0] in fields and (len(path) == 1 or "/" in fields[path[0]])


def test_the_plotjuggler_layout_names_fields_that_there_are():
    tree = ElementTree.parse(shipped("config/viewing/plotjuggler.xml"))
    curves = [curve.get("name") for curve in tree.iter("curve")]
    messages = {
        "/m2r2/frame_prediction": "FramePrediction",
        "/action_segment": "ActionSegment",
    }
    assert len(curves) >= 6
    for curve in curves:
        topic = next(topic for topic in messages if curve.startswith(f"{topic}/"))
        path = curve.removeprefix(f"{topic}/").split("/")
        assert field_exists(messages[topic], path), curve
    assert not field_exists("ActionSegment", ["nonsense"])
