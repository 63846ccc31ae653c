# SPDX-License-Identifier: Apache-2.0
"""A planner's watcher hears of a frame before the tracker has decided what it means."""

from __future__ import annotations

import numpy as np

from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.inference.window_feature import WindowFeature
from m2r2_ros.nodes.segmenter import Segmenter


def test_a_prediction_is_out_before_the_tracker_takes_it(ros, models, monkeypatch):
    node = Segmenter(composed=True, values={"models": str(models)})
    node.trigger_configure()
    node.trigger_activate()
    done = []
    track = node._sequence.track
    monkeypatch.setattr(node._predictions, "publish", lambda message: done.append("published"))
    monkeypatch.setattr(node._sequence, "track", lambda *a: done.append("tracked") or track(*a))
    metadata = read_encoder_metadata(models / ENCODER_FILE)
    values = np.zeros(metadata.feature_dimension, np.float32)
    sha256 = read_model(models / ENCODER_FILE).sha256
    node.accept(WindowFeature(0, 0, 10**8, values, sha256, (True,)))
    assert (node.fault, done) == ("", ["published", "tracked"])
    node.shut_down()
    node.destroy_node()
