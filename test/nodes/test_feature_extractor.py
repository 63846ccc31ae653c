# SPDX-License-Identifier: Apache-2.0
"""When the encoder is slower than the camera, the newest window wins and the others are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from harness import spin_until

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.nodes.feature_extractor import FeatureExtractor
from m2r2_ros.sensing.window import SensorWindow

LAYOUT = REASSEMBLE_LAYOUT


def window(index):
    return SensorWindow(
        index=index,
        start_ns=index * LAYOUT.period_ns,
        end_ns=(index + 1) * LAYOUT.period_ns,
        images={name: np.full((24, 32, 3), index, np.uint8) for name in LAYOUT.cameras},
        audio=np.empty(0, np.float32),
        signals={},
        mask={name: name in LAYOUT.cameras for name in LAYOUT.modalities},
    )


@pytest.fixture
def features():
    return []


@pytest.fixture
def extractor(ros, models, features):
    node = FeatureExtractor(features.append, {"models": str(models), "max_backlog": 3})
    node.trigger_configure()
    assert node.fault == ""
    yield node
    node.shut_down()
    node.destroy_node()


def test_backlog_is_bounded_and_the_newest_wins(extractor, models, features):
    extractor.trigger_activate()
    extractor.accept(map(window, range(8)))
    # 0, 1 and 2 gave way to 3; 3, 4 and 5 to 6.
    spin_until(extractor, lambda: len(features) == 2, "what was left")
    assert [feature.index for feature in features] == [6, 7]
    assert extractor.report().values["skipped"] == 6
    assert "6 windows skipped" in extractor.report().message
    expected = Encoder(models / "encoder.onnx")(window(7))
    assert features[1].values.tobytes() == expected.tobytes()


def test_deactivation_finishes_what_waits(extractor, features):
    extractor.trigger_activate()
    extractor.accept(map(window, range(3)))
    assert [feature.index for feature in features] == [0]
    extractor.trigger_deactivate()
    assert [feature.index for feature in features] == [0, 1, 2]
    extractor.accept([window(3)])
    assert len(features) == 3


def test_a_window_that_does_not_fit_is_an_error_and_the_rest_goes_on(extractor, features):
    extractor.trigger_activate()
    bad = window(0)
    extractor.accept([replace(bad, images={**bad.images, "hama1": np.zeros((4, 4, 1), np.uint8)})])
    extractor.accept([window(1)])
    assert [feature.index for feature in features] == [1]
    assert extractor._report().values["errors"] == 1
    assert "frame of 'hama1' is uint8 (4, 4, 1)" in extractor._report().message


def test_a_gpu_that_was_lost_in_mid_run_is_seen(extractor):
    extractor.trigger_activate()
    extractor._provider = "CUDAExecutionProvider"
    assert "CUDAExecutionProvider has failed in mid-run" in extractor.report().message
    assert extractor.report().values["providers"] == "CPUExecutionProvider"
