# SPDX-License-Identifier: Apache-2.0
"""Recordings that do not follow the procedure: cut and joined, nothing invented, nothing merged."""

from __future__ import annotations

import runpy
import sys
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from source_tree import ROOT

from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    Split,
    write_mapping,
    write_recording_features,
    write_split,
)
from m2r2_ros.evaluation.metrics import find_runs

TOOL = str(ROOT / "tools" / "recombine.py")
LABELS = ["rest", "stir", "pour", "wipe"]
ORDER = [0, 1, 2, 3, 1, 0]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_half_of_them_may_be_idle(actions, seed) -> None:
    """An order drawn at random would not do: every other one must be idle."""
    labels = [str(x) for action in actions for x in (action, 0)][:-1]
    order = runpy.run_path(TOOL)["shuffled"](labels, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(labels)))
    assert all(labels[i] != labels[j] for i, j in pairwise(order))


def test_segments_are_kept_whole_and_their_order_is_another(tmp_path, monkeypatch, capsys):
    folder, out = tmp_path / "features", tmp_path / "out"
    classes = np.repeat(ORDER, [4, 5, 6, 7, 8, 9])
    # Each frame is known by its feature.
    features = np.stack([classes, np.arange(len(classes))], axis=1).astype(np.float32)
    stamps_ns = 10**18 + np.cumsum(np.random.default_rng(0).integers(1, 10**8, len(classes)))
    labels = [LABELS[c] for c in classes]
    write_recording_features(folder, "a", features, labels, stamps_ns)
    write_mapping(folder, LABELS)
    write_split(folder, 1, Split(("a",), ("a",)))
    monkeypatch.setattr(sys, "argv", [TOOL, str(folder), "1", str(out), "--seed", "3"])
    assert runpy.run_path(TOOL)["main"]() == 0
    assert "3 recordings from 1" in capsys.readouterr().out
    made = FeatureFolder(out)
    names = ("a-shuffled", "a-repeated", "a-skipped")
    assert made.split(1).test == names and made.labels == LABELS
    for name in names:
        read = made.read(name)
        frames = read.features[:, 1].astype(int)
        assert read.labels == [labels[i] for i in frames]
        whole = {tuple(range(run.start, run.end)) for run in find_runs(labels)}
        found = [tuple(frames[run.start : run.end]) for run in find_runs(read.labels)]
        assert set(found) <= whole and found != sorted(whole)
        assert all(a != b for a, b in pairwise(run.label for run in find_runs(read.labels)))
        inside = np.flatnonzero(np.diff(frames) == 1)
        steps = np.diff(stamps_ns)[frames[inside]]
        np.testing.assert_array_equal(np.diff(read.stamps_ns)[inside], steps)
    counts = [len(find_runs(made.read(name).labels)) for name in names]
    assert counts[0] == len(ORDER) and counts[1] == len(ORDER) + 2 and counts[2] < len(ORDER)
