# SPDX-License-Identifier: Apache-2.0
"""The policy for SROS 2 allows what the nodes open with the recorded deployment, and no more."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from harness import spin_until

from m2r2_ros.nodes.feature_extractor import FeatureExtractor
from m2r2_ros.nodes.segmenter import Segmenter
from m2r2_ros.nodes.synchronizer import Synchronizer
from m2r2_ros.offline.deployment import Deployment

CONFIG = Path(__file__).resolve().parents[2] / "config"
POLICY = CONFIG / "sros2_policy.xml"
STATIONS = {
    "synchronizer": Synchronizer,
    "feature_extractor": FeatureExtractor,
    "segmenter": Segmenter,
}
KINDS = (("topics", "publish"), ("topics", "subscribe"), ("services", "reply"))


def allowed(name):
    """(kind, right) -> absolute names that the policy gives to a node."""
    (profile,) = [p for p in ElementTree.parse(POLICY).iter("profile") if p.get("node") == name]
    found = {kind: set() for kind in KINDS}
    for group in profile:
        (right,) = group.attrib
        assert group.get(right) == "ALLOW"
        for entry in group:
            text = entry.text.strip()
            full = f"/{name}/{text[1:]}" if text.startswith("~") else f"/{text}"
            found[group.tag, right].add(full.replace("//", "/"))
    return found


def opened(node):
    """The same, as the graph shows it."""
    me = (node.get_name(), node.get_namespace())
    return {
        ("topics", "publish"): {n for n, _ in node.get_publisher_names_and_types_by_node(*me)},
        ("topics", "subscribe"): {n for n, _ in node.get_subscriber_names_and_types_by_node(*me)},
        ("services", "reply"): {n for n, _ in node.get_service_names_and_types_by_node(*me)},
    }


@pytest.mark.parametrize("name", STATIONS)
def test_the_policy_is_what_a_node_opens(ros, models, name):
    topics = Deployment.load(CONFIG / "reassemble.yaml").topics
    values = {"models": str(models)}
    values |= {f"topics.{sensor}": topic for sensor, topic in topics.topics.items()}
    node = STATIONS[name](values=values)
    policy = allowed(name)

    def needed():
        names = opened(node)
        # /clock comes with use_sim_time, sensors are subscribed once they have a publisher.
        names["topics", "subscribe"].add("/clock")
        if name == "synchronizer":
            names["topics", "subscribe"] |= set(topics.topics.values())
        return names

    try:
        node.trigger_configure()
        node.trigger_activate()
        assert node.fault == ""
        spin_until(node, lambda: needed() == policy, "the policy to fit", patience_s=20)
    finally:
        node.shut_down()
        node.destroy_node()
