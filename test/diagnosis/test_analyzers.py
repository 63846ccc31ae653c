# SPDX-License-Identifier: Apache-2.0
"""`config/analyzers.yaml` by the rules of diagnostic_aggregator, on the names that are published.

Its GenericAnalyzer takes a status whose name is one of `expected`, or all of whose name matches one
of `regex` (std::regex_match, ECMAScript).
"""

from __future__ import annotations

import re

import pytest
import yaml
from source_tree import ROOT

from m2r2_ros.nodes.parameters import NODES, SEGMENTER_NODE, SYNCHRONIZER_NODE

# What of an analyzer diagnostic_aggregator reads, and of which type it has to be.
KEYS = {"type": str, "path": str, "expected": list, "regex": list, "timeout": float}
KEYS["discard_stale"] = bool
CHAIN = (SYNCHRONIZER_NODE, "feature_extractor", SEGMENTER_NODE)


@pytest.fixture(scope="module")
def group():
    text = (ROOT / "config" / "analyzers.yaml").read_text("utf-8")
    # The aggregator's node has this name.
    return yaml.safe_load(text)["analyzers"]["ros__parameters"]["m2r2"]


def analyzers_of(group, name):
    return [
        key
        for key, entry in group["analyzers"].items()
        if name in entry.get("expected", ())
        or any(re.fullmatch(pattern, name) for pattern in entry.get("regex", ()))
    ]


def test_entries_are_those_that_the_aggregator_reads(group):
    assert group["type"] == "diagnostic_aggregator/AnalyzerGroup"
    for entry in group["analyzers"].values():
        assert entry["type"] == "diagnostic_aggregator/GenericAnalyzer"
        assert {key: type(value) for key, value in entry.items()} == {
            key: KEYS[key] for key in entry
        }


@pytest.mark.parametrize("namespace", ["", "arm1/", "cell/arm1/"])
def test_every_node_is_in_one_group(group, namespace):
    for name in NODES:
        want = "chain" if name in CHAIN else "beside"
        assert analyzers_of(group, namespace + name) == [want], name


def test_the_nodes_of_others_are_in_none(group):
    for name in ("my_segmenter", "segmenter_2", "camera/driver", "arm1segmenter", ""):
        assert analyzers_of(group, name) == []
