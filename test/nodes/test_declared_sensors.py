# SPDX-License-Identifier: Apache-2.0
"""Two arms, joint efforts and a pad, no camera: features over DDS are the offline ones."""

from __future__ import annotations

import signal

import pytest
from harness import STATIONS, Planner, node_program, replay_program, spin_until, started
from lab_bags import WORKCELL, write_bag, write_robot
from tiny_models import write_models

from m2r2_ros.datasets.source import open_source, windows
from m2r2_ros.inference.models import Models
from m2r2_ros.nodes.sources import _shares
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout_file import load_layout
from m2r2_ros.sensing.limits import SensingLimits


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A folder with a bag, robot.yaml and models for its layout."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "layout.yaml").write_text(WORKCELL.layout)
    write_models(folder / "models", load_layout(folder / "layout.yaml"))
    # A busy machine delays messages; what is in a window must not depend on it.
    write_robot(folder / "robot.yaml", WORKCELL, max_wait_s=3.0, max_backlog=1000)
    write_bag(folder / "bag", WORKCELL, seed=0)
    return folder


def offline_features(folder):
    models, robot = Models.load(folder / "models"), Deployment.load(folder / "robot.yaml")
    with open_source(folder / "bag", robot.topics) as source:
        made = list(windows(source, models.encoder.layout, robot.limits))
    return [(w.index, w.end_ns, tuple(w.mask.values()), models.encoder(w).tobytes()) for w in made]


def test_live_features_are_the_offline_ones(node, tmp_path, lab):
    expected = offline_features(lab)
    assert all(all(mask) for _, _, mask, _ in expected[1:-1])
    planner = Planner(node)
    values = {"models": lab / "models"}
    online = node_program(tmp_path, "online", values, "--params-file", lab / "robot.yaml")
    with started(node, planner, online, *STATIONS):
        with replay_program(tmp_path, lab / "bag") as replay:
            spin_until(node, lambda: replay.ended, "the end of the bag")
            assert replay.end() == 0, replay.output
        spin_until(node, lambda: planner.frames, "the first windows")
        online.process.send_signal(signal.SIGINT)
        spin_until(node, lambda: online.ended, "the end of the nodes")
        assert online.end() == 0, online.output
        spin_until(node, lambda: len(planner.features) >= len(expected), "all features")
    assert "Traceback" not in online.output
    found = [(f.index, f.end_ns, f.mask, f.values.tobytes()) for f in planner.features]
    assert found == expected
    assert planner.value("synchronizer", "gap_windows") == "0"
    for modality in WORKCELL.modalities:
        assert planner.value("synchronizer", f"{modality}.lost") == "0"


@pytest.mark.parametrize("rig", [WORKCELL.layout, f"cameras: [a, b]\n{WORKCELL.layout}"])
def test_all_that_may_wait_is_shared_out(tmp_path, rig):
    """A queue with less room than there is would be made anew at its first long messages."""
    (tmp_path / "layout.yaml").write_text(rig)
    layout = load_layout(tmp_path / "layout.yaml")
    of_camera, of_other = _shares(layout, SensingLimits(buffer_mb=100.0))
    cameras = len(layout.cameras)
    assert cameras * of_camera + 8 * of_other == pytest.approx(50e6)
