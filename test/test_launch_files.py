# SPDX-License-Identifier: Apache-2.0
"""What the launch files name must exist; where `launch` is installed they are run for real."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import fake_launch
import pytest
import yaml
from source_tree import ROOT, executables

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.datasets.reassemble_topics import TOPICS
from m2r2_ros.offline.deployment import Deployment

ONLINE = ROOT / "launch" / "online_segmentation.launch.py"
OFFLINE = ROOT / "launch" / "offline_evaluation.launch.py"
# Of robots; the other one is for diagnostic_aggregator.
CONFIGS = sorted({*(ROOT / "config").glob("*.yaml")} - {ROOT / "config" / "analyzers.yaml"})
EXECUTABLES = executables()
HAS_LAUNCH = importlib.util.find_spec("launch_ros") is not None


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem.replace(".", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def launched(monkeypatch):
    """Run a launch file against the fakes: launched(path, name=value, ...) -> what it starts."""
    for name, module in fake_launch.modules().items():
        monkeypatch.setitem(sys.modules, name, module)

    def run(path: Path, **arguments: str):
        return fake_launch.started(load(path).generate_launch_description(), **arguments)

    return run


def parameters(node) -> dict:
    """The node's parameters that are given by value, later ones winning."""
    values = [entry for entry in node.parameters if isinstance(entry, dict)]
    return {name: value for entry in values for name, value in entry.items()}


ONLINE_CASES = {
    "live": ({}, ["online"]),
    "separate": ({"composed": "false"}, ["segmenter", "feature_extractor", "synchronizer"]),
    "recording": ({"recording": "my_bag"}, ["online", "replayer"]),
    "its former name": ({"bag": "my_bag"}, ["online", "replayer"]),
    "for planners": ({"await_action": "true"}, ["await_server", "online"]),
    "all": (
        {"recording": "b", "composed": "False", "models": "m", "require_gpu": "true"},
        ["segmenter", "feature_extractor", "synchronizer", "replayer"],
    ),
    "recorded": (
        {"recording": "b", "record": "true", "record_events": "True", "record_to": "runs"},
        ["event_recorder", "result_recorder", "online", "replayer"],
    ),
}


@pytest.mark.parametrize("arguments, expected", ONLINE_CASES.values(), ids=ONLINE_CASES)
def test_online_launch_starts_executables_that_exist(launched, arguments, expected):
    nodes = launched(ONLINE, **arguments)
    assert [node.executable for node in nodes] == expected
    for node in nodes:
        assert node.package == "m2r2_ros"
        assert node.executable in EXECUTABLES


@pytest.mark.parametrize("arguments, _", ONLINE_CASES.values(), ids=ONLINE_CASES)
def test_parameter_files_exist(launched, arguments, _):
    for node in launched(ONLINE, **arguments):
        for path in [entry for entry in node.parameters if not isinstance(entry, dict)]:
            assert set(yaml.safe_load(Path(path).read_text())) == {"/**"}


@pytest.mark.ros
@pytest.mark.parametrize("arguments, _", ONLINE_CASES.values(), ids=ONLINE_CASES)
def test_nodes_know_the_parameters_that_are_set(launched, arguments, _):
    from m2r2_ros.nodes.parameters import ALL_NAMES

    for node in launched(ONLINE, **arguments):
        names = {n for n in parameters(node) if not n.startswith(("topics.", "signals."))}
        assert names <= ALL_NAMES | {"use_sim_time"}


def test_a_bag_brings_its_own_clock_unless_told_otherwise(launched):
    assert parameters(launched(ONLINE)[0])["use_sim_time"] is False
    online, replayer = launched(ONLINE, recording="my_bag")
    assert parameters(replayer)["bag"] == "my_bag"
    assert parameters(online)["use_sim_time"] is parameters(replayer)["clock"] is True
    online, replayer = launched(ONLINE, recording="my_bag", use_sim_time="false")
    assert parameters(online)["use_sim_time"] is parameters(replayer)["clock"] is False


def test_only_what_was_asked_for_overrides_the_parameter_file(launched):
    (online,) = launched(ONLINE)
    assert parameters(online).keys() == {"use_sim_time"}
    (online,) = launched(ONLINE, models="my_models", require_gpu="True")
    assert parameters(online)["models"] == "my_models"
    assert parameters(online)["require_gpu"] is True


@pytest.mark.parametrize("arguments, _", ONLINE_CASES.values(), ids=ONLINE_CASES)
def test_processes_end_from_upstream_to_downstream(launched, arguments, _):
    nodes = launched(ONLINE, **arguments)
    context = fake_launch.LaunchContext()
    for upstream, downstream in zip(nodes[:0:-1], nodes[-2::-1], strict=True):
        (action,) = upstream.on_exit(fake_launch.ProcessExited(0), context)
        assert [node for node in nodes if action.event.process_matcher(node)] == [downstream]
    (action,) = nodes[0].on_exit(fake_launch.ProcessExited(0), context)
    assert isinstance(action, fake_launch.Shutdown)


@pytest.mark.parametrize("arguments, _", ONLINE_CASES.values(), ids=ONLINE_CASES)
def test_a_process_that_fails_ends_all_and_launch_returns_1(launched, arguments, _):
    """launch shuts down and returns 1 when a handler raises, and only then."""
    for node in launched(ONLINE, **arguments):
        for status in (2, 1, -9, -11):
            expected = f"{node.executable} has failed, exit status {status}"
            with pytest.raises(RuntimeError, match=expected):
                node.on_exit(fake_launch.ProcessExited(status), fake_launch.LaunchContext())


def test_a_program_that_did_not_live_to_hear_the_interrupt_has_not_failed(launched):
    (online,) = launched(ONLINE)
    (action,) = online.on_exit(fake_launch.ProcessExited(-2), fake_launch.LaunchContext())
    assert isinstance(action, fake_launch.Shutdown)


REFUSED = {
    "truth": ({"composed": "maybe"}, "composed:=maybe must be true or false"),
    "config": ({"config": "/nowhere.yaml"}, "config:=/nowhere.yaml is not a file"),
    "folder": ({"config": "/"}, "config:=/ is not a file"),
    "log level": ({"log_level": "loud"}, "log_level:=loud must be one of debug, info, warn"),
    "respawn": ({"respawn": "true", "recording": "b"}, "respawn:=true is for live sensors"),
}


@pytest.mark.parametrize("arguments, text", REFUSED.values(), ids=REFUSED)
def test_what_launch_itself_would_pass_over_is_refused(launched, arguments, text):
    with pytest.raises(ValueError, match=text):
        launched(ONLINE, **arguments)


def test_processes_are_started_again_where_that_is_asked_for(launched):
    for node in launched(ONLINE, respawn="true", composed="false"):
        # An end of one is not the end of all then.
        assert node.respawn and node.respawn_delay > 0 and node.on_exit is None
    for node in launched(ONLINE, composed="false"):
        assert not node.respawn and node.on_exit is not None


def test_namespace_and_log_level_reach_every_process(launched):
    for node in launched(ONLINE, namespace="arm1", log_level="debug", recording="b"):
        assert node.namespace == "arm1"
        assert node.ros_arguments == ["--log-level", "debug"]
    # None, not "": launch takes the namespace of the file that includes this one then.
    assert launched(ONLINE)[0].namespace is None


@pytest.mark.parametrize(
    ("composed", "enclaves"),
    [
        ("true", {"online": "/m2r2", "replayer": "/m2r2/replayer"}),
        (
            "false",
            {name: f"/m2r2/{name}" for name in ("replayer", *fake_launch.CHAIN)},
        ),
    ],
)
def test_each_process_has_an_enclave_of_its_own(launched, composed, enclaves):
    nodes = launched(ONLINE, enclave="/m2r2/", composed=composed, recording="b")
    assert {node.executable: node.ros_arguments[-2:] for node in nodes} == {
        name: ["--enclave", enclave] for name, enclave in enclaves.items()
    }


def test_the_event_recorder_is_told_what_the_file_says_to_the_synchronizer(launched, tmp_path):
    config = tmp_path / "robot.yaml"
    everybody = {"topics": {"hand": "/all"}, "gripper_joints": []}
    own = {"topics": {"hand": "/own"}, "signals": {"wrench": {"topic": "/w"}}}
    sections = {"/**": everybody, "/arm1/synchronizer": own}
    config.write_text(yaml.safe_dump({k: {"ros__parameters": v} for k, v in sections.items()}))
    given = {"config": str(config), "record_events": "true", "record_to": "runs"}
    recorder, _ = launched(ONLINE, namespace="arm1", **given)
    told = {"topics.hand": "/own", "signals.wrench.topic": "/w", "record_to": "runs"}
    assert parameters(recorder) == {"use_sim_time": False, **told}
    recorder, _ = launched(ONLINE, **given)
    assert parameters(recorder)["topics.hand"] == "/all"


def test_both_launch_files_call_a_recording_the_same():
    for path in (ONLINE, OFFLINE):
        assert '    "recording": ("", ' in path.read_text()


def verb_of(process) -> str:
    assert process.cmd[0].package == "m2r2_ros"
    assert process.cmd[0].executable in EXECUTABLES
    return process.cmd[0].executable


def test_offline_launch_runs_commands_that_accept_their_arguments(launched, tmp_path):
    out = tmp_path / "results"
    processes = launched(
        OFFLINE,
        models="m",
        recording="r.h5",
        config=str(CONFIGS[0]),
        data="d",
        split="2",
        out=str(out),
    )
    assert [verb_of(process) for process in processes] == ["segment", "evaluate"]
    assert out.is_dir()
    for process in processes:
        result = subprocess.run(
            [sys.executable, "-m", "m2r2_ros.cli.main", verb_of(process), *process.cmd[1:]],
            capture_output=True,
            text=True,
        )
        # There is no such model: the arguments were understood, and then one line was printed.
        assert result.returncode == 2
        assert "usage:" not in result.stderr
        assert len(result.stderr.splitlines()) == 1, result.stderr


def test_an_offline_command_that_fails_lets_launch_return_1(launched, tmp_path):
    (process,) = launched(OFFLINE, models="m", recording="r", out=str(tmp_path))
    with pytest.raises(RuntimeError, match="segment has failed, exit status 2"):
        process.on_exit(fake_launch.ProcessExited(2), fake_launch.LaunchContext())
    assert process.on_exit(fake_launch.ProcessExited(0), fake_launch.LaunchContext()) is None
    with pytest.raises(ValueError, match="config:=/nowhere is not a file"):
        launched(OFFLINE, models="m", recording="r", out=str(tmp_path), config="/nowhere")


def test_offline_launch_does_only_what_was_asked_for(launched, tmp_path):
    out = str(tmp_path)
    (process,) = launched(OFFLINE, models="m", recording="r", out=out)
    assert verb_of(process) == "segment"
    (process,) = launched(OFFLINE, models="m", data="d", out=out)
    assert verb_of(process) == "evaluate"
    with pytest.raises(ValueError, match="recording"):
        launched(OFFLINE, models="m", out=out)
    with pytest.raises(RuntimeError, match="models is required"):
        launched(OFFLINE)


# Robots of other sensors: test_robot_files.
@pytest.mark.parametrize("name", ["franka_ros2", "reassemble"])
def test_a_deployment_feeds_every_sensor_of_the_default_layout(name):
    deployment = Deployment.load(ROOT / "config" / f"{name}.yaml").topics
    assert set(REASSEMBLE_LAYOUT.modalities) <= deployment.topics.keys()
    assert deployment.reference_camera in deployment.topics


def test_the_recorded_deployment_names_topics_that_convert_writes():
    deployment = Deployment.load(ROOT / "config" / "reassemble.yaml").topics
    assert set(deployment.topics.values()) <= TOPICS.keys()


# With the real launch

RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource

ended = []
path, *words = sys.argv[1:]
arguments = [tuple(word.split(":=")) for word in words]
source = PythonLaunchDescriptionSource(path)
keep = OnProcessExit(on_exit=lambda event, _: ended.append((event.process_name, event.returncode)))
service = LaunchService()
service.include_launch_description(LaunchDescription([
    RegisterEventHandler(keep),
    IncludeLaunchDescription(source, launch_arguments=arguments),
]))
status = service.run()
print("ENDED", sorted(ended))
sys.exit(status or any(code for _, code in ended))
"""


@pytest.mark.ros
@pytest.mark.skipif(not HAS_LAUNCH, reason="launch comes with a sourced ROS 2 only")
@pytest.mark.parametrize(
    "composed, count, record", [("true", 2, "false"), ("false", 4, "false"), ("true", 4, "true")]
)
def test_online_launch_plays_a_bag_and_ends(tmp_path, composed, count, record):
    from recordings import recording

    from m2r2_ros.cli.convert import convert
    from m2r2_ros.datasets.bag_reader import open_bag
    from m2r2_ros.datasets.reassemble_writer import write_recording

    path = tmp_path / "short.h5"
    write_recording(path, recording(duration_s=3.0))
    convert(path, tmp_path)
    words = [f"recording:={tmp_path / 'short'}", f"composed:={composed}", "namespace:=arm1"]
    words += [f"record:={record}", f"record_events:={record}", f"record_to:={tmp_path / 'kept'}"]
    result = subprocess.run(
        [sys.executable, "-c", RUN, str(ONLINE), *words],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    ended = result.stdout.partition("ENDED")[2]
    assert ended.count(", 0)") == count, result.stdout + result.stderr
    for bag in tmp_path.glob("kept/results/*"):
        with open_bag(bag) as opened:
            topics = [message.topic for message in opened.messages()]
            assert opened.problems == []
        # Of every segment its STARTED and its ENDED.
        assert topics.count("/arm1/action_segment") >= 2 and "/arm1/m2r2/frame_prediction" in topics
    assert len(list(tmp_path.glob("kept/results/*"))) == (record == "true")
