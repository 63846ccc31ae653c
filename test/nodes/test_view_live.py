# SPDX-License-Identifier: Apache-2.0
"""`m2r2 view` beside a robot: what comes over DDS is shown, and only while somebody looks."""

from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from foxglove_client import FoxgloveClient
from geometry_msgs.msg import WrenchStamped
from harness import Program, spin_until
from sensor_msgs.msg import Image
from std_msgs.msg import String

from m2r2_msgs.msg import ActionSegment, FramePrediction
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.inference.segment_events import ActionOutcome, SegmentEvent, SegmentStatus
from m2r2_ros.nodes.conversions import event_to_ros, header_to_ros
from m2r2_ros.nodes.topics import (
    CHAIN_QOS,
    PREDICTION_TOPIC,
    SEGMENT_TOPIC,
    TEXT_TOPIC,
    segment_qos,
)
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

pytest.importorskip("foxglove")

CONFIG = """\
/arm/synchronizer:
  ros__parameters:
    topics: {overhead: eye/image, wrench: /force}
"""
WRIST, SAID, WRENCH = "/camera/overhead", "/camera/overhead/segment", "/signal/wrench"
SECOND = 10**9


class Robot:
    """Publishes pictures, forces and results in the namespace /arm."""

    def __init__(self, node) -> None:
        self.node, self.count = node, 0
        self.camera = node.create_publisher(Image, "/arm/eye/image", 10)
        self.force = node.create_publisher(WrenchStamped, "/force", 100)
        self.segments = node.create_publisher(ActionSegment, f"/arm/{SEGMENT_TOPIC}", segment_qos())
        self.predictions = node.create_publisher(
            FramePrediction, f"/arm/{PREDICTION_TOPIC}", CHAIN_QOS
        )
        self.texts: list[str] = []
        self._hears = None

    def listen_to_text(self) -> None:
        self._hears = self.node.create_subscription(
            String, f"/arm/{TEXT_TOPIC}", lambda message: self.texts.append(message.data), 10
        )

    def publish(self) -> None:
        """The next picture, force and prediction."""
        self.count += 1
        header = header_to_ros(self.node.get_clock().now().nanoseconds)
        image = Image(header=header, height=48, width=64, step=192, encoding="rgb8")
        image.data = array("B", bytes([self.count % 256]) * (48 * 192))
        self.camera.publish(image)
        force = WrenchStamped(header=header)
        force.wrench.force.x = float(self.count)
        self.force.publish(force)
        self.predictions.publish(
            FramePrediction(header=header, index=self.count, probabilities=[0.25, 0.75],
                            boundary_probability=0.5, class_id=1, label="pour", confidence=0.75)
        )  # fmt: skip

    def segment(self, status: SegmentStatus, **more) -> None:
        now_ns = self.node.get_clock().now().nanoseconds
        self.segments.publish(event_to_ros(SegmentEvent(
            now_ns, 7, status, "pour water", "pour", "water", 1, 0.875, now_ns - SECOND // 2,
            now_ns, 0.5, **more,
        )))  # fmt: skip

    @property
    def watched(self) -> tuple[int, ...]:
        publishers = (self.camera, self.force, self.segments, self.predictions)
        return tuple(publisher.get_subscription_count() for publisher in publishers)


@pytest.fixture
def viewer(tmp_path: Path):
    config = tmp_path / "robot.yaml"
    config.write_text(CONFIG)
    words = ("view", "--config", str(config), "--port", "0")
    with Program(tmp_path, "m2r2_ros.cli.main", *words) as program:
        yield program


def test_a_robot_is_shown_while_somebody_looks(node, viewer, tmp_path):
    robot = Robot(node)
    spin_until(node, lambda: viewer.ended or "open ws://" in viewer.output, "the address")
    url = viewer.output.split()[1]
    with FoxgloveClient(url) as client:
        client.receive_until(lambda: SAID in client.channels and "/segment" in client.channels)
        assert robot.watched == (0, 0, 0, 0)
        robot.segment(SegmentStatus.STARTED)
        client.subscribe([WRIST, SAID, WRENCH, "/segment", "/prediction", "/latency"])
        spin_until(node, lambda: robot.watched == (1, 1, 1, 1), "all subscribed")
        # The segment that was open before is there at once.
        client.receive_until(lambda: client.of("/segment"))
        assert client.of("/segment")[0].json["text"] == "pour water 88 %"
        assert not [m for m in client.of("/latency") if "stamp_to_segment_s" in m.json]

        def all_shown() -> bool:
            robot.publish()
            client.receive()
            return all(map(client.of, (WRIST, SAID, WRENCH, "/prediction", "/latency")))

        spin_until(node, all_shown, "all shown")
        assert b"pour water 88 %" in client.of(SAID)[-1].data
        assert client.of("/prediction")[0].json["label"] == "pour"
        assert client.of(WRENCH)[0].json["force_x"] == np.round(
            client.of(WRENCH)[0].json["force_x"]
        )
        late = [m.json["stamp_to_prediction_s"] for m in client.of("/latency")
                if "stamp_to_prediction_s" in m.json]  # fmt: skip
        assert late and all(0 < seconds < 60 for seconds in late)
        client.unsubscribe([WRIST, SAID, "/segment", "/latency"])
        spin_until(node, lambda: robot.watched == (0, 1, 0, 1), "some unsubscribed")
    spin_until(node, lambda: robot.watched == (0, 0, 0, 0), "all unsubscribed")

    # For RViz: a line of text, with nobody in Foxglove.
    robot.listen_to_text()
    spin_until(node, lambda: robot.texts[:1] == ["pour water 88 %"], "the text")
    robot.segment(SegmentStatus.ENDED, outcome=ActionOutcome.SUCCESS, outcome_confidence=0.9)
    spin_until(node, lambda: robot.texts[-1] == "pour water: success", "the outcome")

    assert viewer.interrupt() == 0
    assert "Traceback" not in viewer.output, viewer.output


class Inputs:
    """Stands for what is heard on a graph."""

    text_is_read = True

    def __init__(self) -> None:
        self.texts: list[str] = []

    def publish_text(self, text: str) -> None:
        self.texts.append(text)


def test_a_segment_that_nobody_confirms_is_no_longer_claimed(monkeypatch):
    from m2r2_ros.nodes.view_inputs import SEGMENTS, GraphNews
    from m2r2_ros.viewing import live_show

    now_s, inputs = 100.0, Inputs()
    monkeypatch.setattr(live_show.time, "monotonic", lambda: now_s)
    show = live_show.LiveShow(inputs, SensorLayout(("overhead",)), None)
    assert show.wanted() == {SEGMENTS}
    opened = SegmentEvent(1, 7, SegmentStatus.ONGOING, "pour", "pour", "", 1, 0.5, 0, 1, 0.5)
    ended = replace(opened, status=SegmentStatus.ENDED)
    for event in (opened, ended):
        show.show(GraphNews(segments=[(event, None)]))
        for _ in range(4):
            now_s += 2.0
            show.show(GraphNews())
    assert inputs.texts == ["pour 50 %", "pour: not heard of for 5 s", ""]
    show.show(GraphNews(segments=[(opened, None)]))
    show.rest()
    now_s += 9.0
    show.show(GraphNews())
    assert inputs.texts[3:] == ["pour 50 %"]


def test_of_messages_that_cannot_be_read_the_first_is_told(node):
    """Each has a reason of its own; a line each would be endless."""
    from m2r2_ros.nodes.view_inputs import SEGMENTS, ViewInputs

    layout = SensorLayout(("overhead",), audio=False, signals=())
    topics = TopicMap({"overhead": "/c"}, reference_camera="")
    inputs = ViewInputs(node, layout, topics, SensingLimits())
    taken = [b"\0\1\0\0" + bytes(size) for size in (1, 2, 3)], [0, 0, 0]
    came = SimpleNamespace(type_name="any", take_with_arrivals=lambda: taken)
    inputs._take_results(SEGMENTS, came, [])
    inputs._take_results(SEGMENTS, came, [])
    assert inputs.unread == {SEGMENTS: "5 bytes, too short for its type"}
