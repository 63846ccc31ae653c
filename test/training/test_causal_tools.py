# SPDX-License-Identifier: Apache-2.0
"""tools/look_ahead_plot.py and tools/causal_gap.py: what exported causal heads reach and lack."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from foreign_features import SETTINGS, write_kitchen

from m2r2_ros.cli.main import main
from m2r2_ros.training.tracker_tuning import Answers, score_labels
from m2r2_ros.vocabulary import Parts, Vocabulary

pytest.importorskip("torch")
look_ahead_plot = pytest.importorskip("look_ahead_plot")
causal_gap = pytest.importorskip("causal_gap")

LABELS = ("wait", "pick nut", "pick bolt", "drop nut", "drop bolt")


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    """A folder of features, and two heads of it that look 0 and 2 frames ahead."""
    out = tmp_path_factory.mktemp("causal")
    folder, heads = write_kitchen(out / "kitchen", 5), []
    for frames in (0, 2):
        settings = SETTINGS | {"model": SETTINGS["model"] | {"look_ahead": frames}}
        (out / "head.yaml").write_text(yaml.safe_dump(settings))
        run = out / f"run{frames}"
        words = ["--data", folder, "--split", 1, "--out", run, "--config", out / "head.yaml"]
        words += ["--validation", "rgb-02", "--rate", 5, "--epochs", 2]
        assert main(["train", "--head", "causal", *map(str, words)]) == 0
        heads.append(str(run / "head.onnx"))
    return str(folder), heads


def test_a_curve_a_head(kitchen, tmp_path, capsys):
    folder, heads = kitchen
    picture = tmp_path / "curve.png"
    words = ["--data", folder, "--out", str(picture), "--validation"]
    assert look_ahead_plot.main([*heads, *words, "rgb-02"]) == 0
    points = json.loads(picture.with_suffix(".json").read_text())
    assert picture.stat().st_size > 10_000
    found = [(point["head"], point["look_ahead"], point["commit_level"]) for point in points]
    assert found == [(f"run{n}", n, level) for n in (0, 2) for level in look_ahead_plot.LEVELS]
    assert all(0 <= p["f1@50"] <= 100 and p["label_delay_s"] >= 0 for p in points)
    capsys.readouterr()
    assert look_ahead_plot.main([*heads, *words, "rgb-99"]) == 2
    assert "rgb-99" in capsys.readouterr().err


def test_a_row_a_cause(kitchen, tmp_path, capsys):
    folder, heads = kitchen
    words = ["--data", folder, "--json", str(tmp_path / "gap.json")]
    assert causal_gap.main([heads[0], *words]) == 0
    rows = json.loads((tmp_path / "gap.json").read_text())
    assert list(rows) == ["as it is", "object", "activity", "edges"]
    assert set(rows["edges"]) == set(causal_gap.SCORES)
    capsys.readouterr()
    assert causal_gap.main([heads[0], "--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(5))
def test_only_the_part_that_is_told_changes(seed):
    random = np.random.default_rng(seed)
    parts = {label: Parts(*label.split()) for label in LABELS[1:]}
    vocabulary = Vocabulary(LABELS, ("wait",), parts)
    order = random.integers(0, len(LABELS), 12)
    truth = [LABELS[i] for i in np.repeat(order, random.integers(3, 20, 12))]
    frames = random.dirichlet(np.full(len(LABELS), 0.5), len(truth)).astype(np.float32)
    one = Answers("made up", frames, np.zeros(len(truth), np.float32), truth)
    told = causal_gap.Truth(vocabulary)
    sums = np.array([[a[:4] == b[:4] for b in LABELS] for a in LABELS]).astype(float)
    classes = np.array([LABELS.index(label) for label in truth])

    objects = told.object(one).probabilities
    assert objects @ sums == pytest.approx(frames @ sums, abs=1e-5)
    within = (objects * sums[classes]).sum(1)
    assert objects[np.arange(len(truth)), classes] == pytest.approx(within)

    activity = told.activity(one).probabilities
    assert (activity * sums[classes]).sum(1) == pytest.approx(1.0)
    share = frames[np.arange(len(truth)), classes] / (frames * sums[classes]).sum(1)
    assert activity[np.arange(len(truth)), classes] == pytest.approx(share, abs=1e-3)

    published, held = told.edges(one)
    cuts = [i for i in range(1, len(truth)) if truth[i] != truth[i - 1]]
    assert all(i in cuts for i in range(1, len(truth)) if published[i] != published[i - 1])
    assert [held[i - 1] for i in [*cuts, len(truth)]] == [
        published[i - 1] for i in [*cuts, len(truth)]
    ]
    certain = Answers(
        "certain", np.eye(len(LABELS), dtype=np.float32)[classes], one.boundary, truth
    )
    scored = score_labels([certain], [told.edges(certain)], vocabulary)
    assert (scored.f1, scored.held, scored.recognised) == (100, 100, 100)
    # A message comes at the end of the first frame.
    assert scored.delay_s == pytest.approx(0.1)
