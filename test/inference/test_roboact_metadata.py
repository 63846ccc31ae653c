# SPDX-License-Identifier: Apache-2.0
"""What a RoboAct encoder says about itself: read as written, refused when it cannot be."""

from __future__ import annotations

import json

import pytest

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.metadata import EncoderMetadata, HeadMetadata, RoboActMetadata
from m2r2_ros.sensing.layout import SensorLayout

GOOD = RoboActMetadata(
    layout=SensorLayout(("front", "side"), audio=False, signals=()),
    feature_dimension=4 * 6,
    image_size=(8, 8),
    training_data="none",
    embedding_dimension=12,
    frames=4,
    strides=(1, 3),
    temperature=0.07,
    frame_sha256="ab",
)


def test_metadata_survives_and_derives_its_sizes():
    read = EncoderMetadata.from_json(GOOD.to_json(), "encoder.onnx")
    assert read == GOOD
    assert (read.history, read.blocks) == (10, 4)


def test_a_head_is_no_encoder():
    text = HeadMetadata(("a", "b"), 8, {}, "", "none").to_json()
    with pytest.raises(M2R2Error, match="of kind 'head', not 'encoder'"):
        EncoderMetadata.from_json(text, "head.onnx")


@pytest.mark.parametrize(
    "change",
    [
        {"strides": []},
        {"strides": [0]},
        {"strides": [1.5]},
        {"strides": ["1"]},
        {"strides": [10**9]},
        {"frames": 1},
        {"frames": True},
        {"embedding_dimension": 0},
        {"embedding_dimension": 10**9},
        {"feature_dimension": 25},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"temperature": "warm"},
        {"frame_sha256": None},
        {"layout": SensorLayout(("front",)).to_dict()},
    ],
)
def test_what_cannot_be_is_refused_with_the_file(change):
    text = json.dumps(json.loads(GOOD.to_json()) | change)
    with pytest.raises(M2R2Error, match=r"encoder\.onnx"):
        EncoderMetadata.from_json(text, "encoder.onnx")
