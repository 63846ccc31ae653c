# SPDX-License-Identifier: Apache-2.0
"""A node that is told to end first takes what has already reached it."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_msgs.msg import WrenchStamped
from harness import spin_until
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, ReliabilityPolicy
from robot import TOPICS, sample, set_stamp
from tiny_windows import random_window

from m2r2_msgs.msg import FeatureVector, SensorWindow
from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.window_feature import WindowFeature
from m2r2_ros.nodes.conversions import feature_to_ros, window_to_ros
from m2r2_ros.nodes.feature_extractor import FeatureExtractor
from m2r2_ros.nodes.last_messages import last_messages
from m2r2_ros.nodes.segmenter import Segmenter
from m2r2_ros.nodes.synchronizer import Synchronizer

LAYOUT = REASSEMBLE_LAYOUT
COUNT = 7
PATIENCE = Duration(seconds=60)
RELIABLE = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)


@pytest.fixture
def station(request, ros, models):
    made = request.param(values={"models": str(models), "max_backlog": 1000})
    made.trigger_configure()
    made.trigger_activate()
    assert made.fault == ""
    yield made
    made.shut_down()
    made.destroy_node()


def arrive(node, kind, topic, messages):
    """Publish and wait until the middleware of the other side has everything; nobody spins it."""
    publisher = node.create_publisher(kind, topic, RELIABLE)
    spin_until(node, publisher.get_subscription_count, "the subscription")
    for message in messages:
        publisher.publish(message)
    assert publisher.wait_for_all_acked(PATIENCE)
    return publisher


@pytest.mark.parametrize("station", [Segmenter], indirect=True)
def test_the_segmenter_takes_the_features_that_wait(node, station, models):
    loaded = Models.load(models)
    pipeline, events, features = loaded.pipeline(), [], []
    for index in range(COUNT):
        window = random_window(LAYOUT, index)
        values, _, new = pipeline.process(window)
        events += new
        mask = tuple(window.mask.values())
        span = window.start_ns, window.end_ns
        features.append(WindowFeature(index, *span, values, loaded.encoder.sha256, mask))
    events += pipeline.close()
    arrive(node, FeatureVector, "/m2r2/features", map(feature_to_ros, features))
    station.trigger_deactivate()
    assert station.report().values["frames"] == COUNT
    ended = station._sequence.tracker.history
    assert [event.end_ns for event in ended] == [e.end_ns for e in events if e.status == 2]
    assert ended[-1].end_ns == window.end_ns


@pytest.mark.parametrize("station", [FeatureExtractor], indirect=True)
def test_the_feature_extractor_takes_the_windows_that_wait(node, station, models):
    heard = []
    node.create_subscription(FeatureVector, "/m2r2/features", heard.append, RELIABLE)
    windows = [random_window(LAYOUT, index) for index in range(COUNT)]
    arrive(node, SensorWindow, "/m2r2/window", (window_to_ros(w, LAYOUT) for w in windows))
    spin_until(node, station._publisher.get_subscription_count, "the listener")
    station.trigger_deactivate()
    assert station.report().values["windows"] == COUNT
    spin_until(node, lambda: len(heard) == COUNT, "the features")
    encoder = Models.load(models).encoder
    for message, window in zip(heard, windows, strict=True):
        assert np.array(message.values, np.float32).tobytes() == encoder(window).tobytes()


@pytest.fixture
def wrench_only(ros, models):
    names = ("hama1", "wrench")
    values = {"models": str(models), **{f"topics.{name}": TOPICS[name] for name in names}}
    made = Synchronizer(values=values)
    made.trigger_configure()
    made.trigger_activate()
    yield made
    made.shut_down()
    made.destroy_node()


def test_the_synchronizer_takes_the_samples_that_wait(node, wrench_only):
    period = LAYOUT.period_ns
    frames = [set_stamp(sample("hama1"), 10**18 + k * period) for k in range(COUNT)]
    rows = [set_stamp(sample("wrench"), 10**18 + k * period // 5) for k in range(5 * COUNT)]
    made = [
        node.create_publisher(type(messages[0]), TOPICS[name], RELIABLE)
        for name, messages in (("hama1", frames), ("wrench", rows))
    ]

    def connected():
        wrench_only._follow()
        return all(publisher.get_subscription_count() for publisher in made)

    spin_until(node, connected, "the subscriptions")
    for publisher, messages in zip(made, (frames, rows), strict=True):
        for message in messages:
            publisher.publish(message)
        assert publisher.wait_for_all_acked(PATIENCE)
    wrench_only.trigger_deactivate()
    values = wrench_only.report().values
    assert (values["hama1.messages"], values["wrench.messages"]) == (COUNT, 5 * COUNT)
    assert values["windows"] == COUNT - 1


def test_it_comes_to_an_end_while_a_publisher_goes_on(node):
    depth = 5
    subscription = node.create_subscription(WrenchStamped, "/goes_on", lambda m: None, depth)
    publisher = arrive(node, WrenchStamped, "/goes_on", [WrenchStamped()])
    taken = 0
    for _ in last_messages(subscription):
        taken += 1
        publisher.publish(WrenchStamped())
        assert publisher.wait_for_all_acked(PATIENCE)
    assert taken == depth
