# SPDX-License-Identifier: Apache-2.0
"""The policy for SROS 2 allows what the running nodes open, and no more.

The wheels' Fast DDS is built without security, so nothing is enforced here: what the graph shows
is compared with what SROS 2 makes of the policy.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from harness import STATIONS, Planner, Program, node_program, spin_until
from robot import RATES_HZ, Robot
from sensor_msgs.msg import CompressedImage
from sros2_rules import Endpoint, Policy, expand

from m2r2_msgs.msg import ActionSegment, FramePrediction
from m2r2_ros.nodes.topic_input import TopicInput
from m2r2_ros.nodes.topics import segment_qos
from m2r2_ros.offline.deployment import Deployment

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "config" / "sros2_policy.xml"
TOPICS = Deployment.load(ROOT / "config" / "reassemble.yaml").topics.topics
# The shipped encoder looks at this camera, the one of these tests does not.
THIRD_CAMERA = Endpoint("topics", "subscribe", TOPICS["hand"])
NAMESPACES = ("/", "/arm1")
# Of a program that the test ends.
FOR_EVER_S = 1_000_000


# A domain a test, far from those of the workers (`conftest.own_domain`).
DOMAINS = count(50)


@pytest.fixture
def node(ros, monkeypatch):
    """A node in a domain that no other test has used.

    The middleware keeps a dead node in its graph for ever when the node's last word is read after
    its end.
    """
    domain = 1 + (int(os.environ["ROS_DOMAIN_ID"]) + next(DOMAINS)) % 101
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    context = ros.Context()
    context.init(domain_id=domain)
    looker = ros.create_node("looker", context=context, start_parameter_services=False)
    yield looker
    looker.destroy_node()
    context.shutdown()


def opened(node, name, namespace):
    """What a node has open, as the graph shows it; nothing while it is not found yet."""
    me = (name, namespace)
    if me not in node.get_node_names_and_namespaces():
        return set()
    queries = {
        ("topics", "publish"): node.get_publisher_names_and_types_by_node,
        ("topics", "subscribe"): node.get_subscriber_names_and_types_by_node,
        ("services", "reply"): node.get_service_names_and_types_by_node,
        ("services", "request"): node.get_client_names_and_types_by_node,
    }
    return {Endpoint(*kind, full) for kind, ask in queries.items() for full, _ in ask(*me)}


def chain(folder, models, composed, namespace):
    """(enclave, nodes, program) of each process of the chain."""
    values = {"models": models, "use_sim_time": "true"}
    more = () if namespace == "/" else ("-r", f"__ns:={namespace}")
    if composed:
        return [("/m2r2", STATIONS, node_program(folder, "online", values, *more))]
    return [(f"/m2r2/{n}", (n,), node_program(folder, n, values, *more)) for n in STATIONS]


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("composed", [True, False], ids=["composed", "apart"])
def test_nothing_that_the_chain_opens_is_denied(node, tmp_path, models, composed, namespace):
    policy = Policy(POLICY, namespace)
    Robot(node, topics={name: TOPICS[name] for name in RATES_HZ})
    processes = chain(tmp_path, models, composed, namespace)
    with ExitStack() as stack:
        for _, _, program in processes:
            stack.enter_context(program)
        for enclave, names, program in processes:

            def there(names=names):
                return set().union(*(opened(node, name, namespace) for name in names))

            def lacking(enclave=enclave, there=there):
                return policy.unused(enclave, there()) - {THIRD_CAMERA}

            spin_until(node, lambda: not lacking(), f"all that {enclave} may do")
            assert policy.denied(enclave, there()) == set()
            assert not program.ended, program.output
    rules = {enclave: policy.allowed(enclave) for enclave, _, _ in processes}
    services = sum(rule.group == "services" for allowed in rules.values() for rule in allowed)
    assert services == 46


def test_the_nodes_apart_have_together_what_they_have_in_one_process():
    policy = Policy(POLICY)
    apart = [policy.allowed(f"/m2r2/{name}") for name in STATIONS]
    # In one process, windows and features are handed over in memory.
    in_memory = {Endpoint("topics", "subscribe", f"/m2r2/{n}") for n in ("window", "features")}
    assert set().union(*apart) == policy.allowed("/m2r2") | in_memory
    # Each has its own and no other's: the only topics that two may write to are everybody's.
    for one in apart:
        for other in apart:
            if one is not other:
                shared = {e.name for e in one & other}
                assert shared <= {"/clock", "/diagnostics", "/parameter_events", "/rosout"}


def test_a_private_name_without_its_slash_is_noticed():
    text = POLICY.read_text().replace("~/", "~")
    old, new = Policy(POLICY, text=text), Policy(POLICY)
    denied = old.denied("/m2r2", new.allowed("/m2r2"))
    kinds = [endpoint.group for endpoint in denied]
    assert (kinds.count("services"), kinds.count("topics")) == (39, 3)
    assert Endpoint("services", "reply", "/segmenterreset") in old.allowed("/m2r2")


def test_absolute_names_would_not_follow_the_namespace():
    text = POLICY.read_text()
    for name in ("action_segment", "m2r2/"):
        text = text.replace(f"<topic>{name}", f"<topic>/{name}")
    fixed = Policy(POLICY, "/arm1", text)
    needed = Policy(POLICY, "/arm1").allowed("/m2r2")
    assert {e.name for e in fixed.denied("/m2r2", needed)} == {
        f"/arm1/{name}"
        for name in ("action_segment", "m2r2/features", "m2r2/frame_prediction", "m2r2/window")
    }


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_the_replayer(node, tmp_path, bag, namespace):
    policy = Policy(POLICY, namespace)
    values = {"bag": bag, "clock": "true", "use_sim_time": "true", "wait_s": 600.0}
    values["await_nodes"] = f"[{', '.join(STATIONS)}]"
    more = () if namespace == "/" else ("-r", f"__ns:={namespace}")
    with node_program(tmp_path, "replayer", values, *more) as program:
        there = lambda: opened(node, "replayer", namespace)  # noqa: E731
        spin_until(node, lambda: not policy.unused("/m2r2/replayer", there()), "all of its rights")
        assert policy.denied("/m2r2/replayer", there()) == set()
        assert not program.ended, program.output


def test_the_microphone(node, tmp_path):
    policy = Policy(POLICY)
    values = {"file": tmp_path / "sound.wav", "autostart": "false", "use_sim_time": "true"}
    sound = Endpoint("topics", "publish", TOPICS["audio"])
    with node_program(tmp_path, "microphone", values) as program:
        there = lambda: opened(node, "microphone", "/")  # noqa: E731
        # Unconfigured: it has no sound card here, and publishes nothing yet.
        spin_until(node, lambda: policy.unused("/m2r2/microphone", there()) == {sound}, "the rest")
        assert policy.denied("/m2r2/microphone", there()) == set()
        assert not program.ended, program.output


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_the_action_of_planners(node, tmp_path, namespace):
    policy = Policy(POLICY, namespace)
    more = () if namespace == "/" else ("-r", f"__ns:={namespace}")
    values = {"use_sim_time": "true"}
    with node_program(tmp_path, "await_server", values, *more) as program:
        there = lambda: opened(node, "await_server", namespace)  # noqa: E731
        lacks = lambda: policy.unused("/m2r2/await_server", there())  # noqa: E731
        spin_until(node, lambda: not lacks(), "all of its rights")
        assert policy.denied("/m2r2/await_server", there()) == set()
        assert not program.ended, program.output


@pytest.mark.parametrize("name", ["result_recorder", "event_recorder"])
def test_what_records_beside_the_chain(node, tmp_path, models, name):
    """In a namespace; what publishes is in it, or is a driver that is in none."""
    policy, enclave = Policy(POLICY, "/arm1"), f"/m2r2/{name}"
    Robot(node, topics={sensor: TOPICS[sensor] for sensor in RATES_HZ})
    values = {"models": models, "use_sim_time": "true", "record_to": tmp_path / "kept"}
    chain = [
        node.create_publisher(ActionSegment, "/arm1/action_segment", segment_qos()),
        node.create_publisher(FramePrediction, "/arm1/m2r2/frame_prediction", 1),
        node.create_publisher(CompressedImage, TOPICS["hand"], 1),
    ]
    with node_program(tmp_path, name, values, "-r", "__ns:=/arm1") as program:
        there = lambda: opened(node, name, "/arm1")  # noqa: E731
        spin_until(node, lambda: not policy.unused(enclave, there()), f"all that {enclave} may do")
        assert policy.denied(enclave, there()) == set()
        assert not program.ended, program.output
    assert chain


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_planner(node, tmp_path, namespace):
    policy = Policy(POLICY, namespace)
    program = Program(tmp_path, "planner")
    program.command = [sys.executable, str(ROOT / "examples" / "planner.py")]
    if namespace != "/":
        program.command += ["--ros-args", "-r", f"__ns:={namespace}"]
    with program:
        there = lambda: opened(node, "planner", namespace)  # noqa: E731
        spin_until(node, lambda: not policy.unused("/m2r2/planner", there()), "all of its rights")
        assert policy.denied("/m2r2/planner", there()) == set()


def test_a_recording_and_a_doctor(node, tmp_path):
    """In no namespace, whatever that of the chain is."""
    config = ("--config", ROOT / "config" / "reassemble.yaml")
    programs = {
        ("/m2r2/recorder", "recorder"): ("record", *config, "--out", tmp_path / "takes"),
        ("/m2r2/doctor", "m2r2_doctor"): ("doctor", *config, "--seconds", FOR_EVER_S),
    }
    Robot(node, topics={name: TOPICS[name] for name in RATES_HZ})
    node.create_publisher(CompressedImage, TOPICS["hand"], 1)
    policy = Policy(POLICY, "/arm1")
    for (enclave, name), asked in programs.items():
        with Program(tmp_path, "m2r2_ros.cli.main", *asked) as program:
            there = lambda name=name: opened(node, name, "/")  # noqa: E731
            lacks = lambda e=enclave, t=there: policy.unused(e, t())  # noqa: E731
            spin_until(node, lambda lacks=lacks: not lacks(), f"all that {enclave} may do")
            assert policy.denied(enclave, there()) == set()
            assert not program.ended, program.output


def test_drivers(ros, node):
    policy = Policy(POLICY)
    drivers = ros.create_node("drivers", context=node.context)
    try:
        Robot(drivers, topics={name: TOPICS[name] for name in RATES_HZ})
        there = lambda: opened(node, "drivers", "/")  # noqa: E731
        third = Endpoint("topics", "publish", TOPICS["hand"])
        spin_until(
            node, lambda: policy.unused("/m2r2/drivers", there()) <= {third}, "all of its rights"
        )
        assert policy.denied("/m2r2/drivers", there()) == set()
    finally:
        drivers.destroy_node()


def test_an_operator_s_commands(ros, node):
    """A node as ros2cli makes it (no parameter services), with all that operations.md does."""
    policy = Policy(POLICY)
    command = ros.create_node(
        "_ros2cli_4711",
        context=node.context,
        start_parameter_services=False,
        parameter_overrides=[],
    )
    try:
        from lifecycle_msgs.srv import ChangeState, GetState
        from rcl_interfaces.srv import SetParameters
        from std_srvs.srv import SetBool, Trigger

        planner = Planner(command)
        inputs = [TopicInput(command, topic, lambda kind: None, 10) for topic in TOPICS.values()]
        assert planner and inputs
        for name in STATIONS:
            command.create_client(ChangeState, f"/{name}/change_state")
            command.create_client(GetState, f"/{name}/get_state")
            command.create_client(SetParameters, f"/{name}/set_parameters")
        command.create_client(SetBool, "/m2r2/pause")
        command.create_client(Trigger, "/segmenter/reset")
        expected = Endpoint("services", "request", "/segmenter/reset")
        there = lambda: opened(node, "_ros2cli_4711", "/")  # noqa: E731
        spin_until(node, lambda: expected in there(), "its clients in the graph")
        assert policy.denied("/m2r2/operator", there()) == set()
    finally:
        command.destroy_node()


def test_names_are_expanded_as_by_the_template():
    assert expand("/clock", "/arm1", "segmenter") == "/clock"
    assert expand("action_segment", "/", "segmenter") == "/action_segment"
    assert expand("action_segment", "/arm1", "segmenter") == "/arm1/action_segment"
    assert expand("~/reset", "/", "segmenter") == "/segmenter/reset"
    assert expand("~/reset", "/arm1", "segmenter") == "/arm1/segmenter/reset"
    assert expand("~reset", "/", "segmenter") == "/segmenterreset"


def test_each_enclave_that_a_launch_file_names_is_there():
    policy = Policy(POLICY)
    others = ("replayer", "microphone", "recorder", "doctor", "planner", "operator", "drivers")
    others += ("await_server", "result_recorder", "event_recorder")
    assert set(policy.enclaves) == {"/m2r2", *(f"/m2r2/{name}" for name in (*others, *STATIONS))}
