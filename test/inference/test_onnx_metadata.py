# SPDX-License-Identifier: Apache-2.0
"""The metadata reader agrees with onnx itself and stands damaged files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import encoder_metadata, write_encoder, write_head

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout(cameras=("front",), signals=("wrench",))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("model") / "encoder.onnx", LAYOUT)


def test_reads_what_onnxruntime_reads(encoder):
    assert read_encoder_metadata(encoder) == Encoder(encoder).metadata


def test_long_metadata_among_others(tmp_path):
    onnx = pytest.importorskip("onnx")
    path = write_encoder(tmp_path / "encoder.onnx", LAYOUT)
    model = onnx.load(path)
    entry = encoder_metadata(LAYOUT) | {"training_data": "x" * 100_000}
    onnx.helper.set_model_props(model, {"a": "", "m2r2": json.dumps(entry), "z": "é"})
    path.write_bytes(model.SerializeToString())
    assert read_encoder_metadata(path).training_data == "x" * 100_000


def test_other_files_are_named(tmp_path):
    with pytest.raises(M2R2Error, match="No such file"):
        read_encoder_metadata(tmp_path / "none.onnx")
    head = write_head(tmp_path / "head.onnx", "0" * 64)
    with pytest.raises(M2R2Error, match="kind 'head', not 'encoder'"):
        read_encoder_metadata(head)
    text = tmp_path / "text.onnx"
    text.write_text("this is no model")
    with pytest.raises(M2R2Error, match=r"text\.onnx"):
        read_encoder_metadata(text)


@given(st.data())
def test_damage_is_an_error_in_one_line_or_harmless(encoder, tmp_path_factory, data):
    content = bytearray(encoder.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        metadata = read_encoder_metadata(path)
    except M2R2Error as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(metadata.layout.window_rate_hz)
