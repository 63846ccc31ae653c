# SPDX-License-Identifier: Apache-2.0
"""Bad model files: each is one clear line that names the file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tiny_models import (
    encoder_metadata,
    head_metadata,
    sha256_of,
    write_encoder,
    write_head,
    write_models,
)

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference import model_file
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.metadata import EncoderMetadata, HeadMetadata
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.sensing.layout import SensorLayout

LAYOUT = SensorLayout(cameras=("hama1",))
NOTHING = object()


def changed(entry: dict, **changes: object) -> dict:
    return {key: value for key, value in (entry | changes).items() if value is not NOTHING}


def encoder_like(**changes: object) -> dict:
    return changed(encoder_metadata(LAYOUT), **changes)


def layout_like(**changes: object) -> dict:
    return encoder_like(layout=changed(LAYOUT.to_dict(), **changes))


BAD_ENCODERS = {
    "not an object": ([], "not a JSON object"),
    "no format": (encoder_like(format=NOTHING), "'format' is missing"),
    "newer": (encoder_like(format=2), "format 2 is newer than 1: update m2r2_ros"),
    "format 0": (encoder_like(format=0), "format must be 1"),
    "a head": (head_metadata(""), "kind 'head', not 'encoder'"),
    "typo": (
        encoder_like(feature_dimension=NOTHING, feature_dimenson=8),
        r"'feature_dimension' is missing \(found 'feature_dimenson'\)",
    ),
    "text for a number": (encoder_like(feature_dimension="8"), "must be int, got str"),
    "dimension 0": (encoder_like(feature_dimension=0), "feature_dimension must be positive"),
    "pictures above nothing": (
        encoder_like(reduce_above=0),
        r"reduce_above must be in \[1, 10000\]",
    ),
    "image size": (encoder_like(image_size=[0, 8]), r"image_size must be \[height, width\]"),
    "layout typo": (layout_like(window_rate=10), "did you mean 'window_rate_hz'"),
    "unknown signal": (layout_like(signals=["wrnech"]), "did you mean 'wrench'"),
    "camera number": (layout_like(cameras=[1]), "camera's name must be a plain word, got 1"),
    "camera path": (layout_like(cameras=["../x"]), "camera's name must be a plain word"),
    "cameras text": (layout_like(cameras="hama1"), "layout: cameras must be a list of names"),
    "rate text": (layout_like(window_rate_hz="10"), "layout: bad sensor layout"),
    "rate NaN": (layout_like(window_rate_hz=float("nan")), "window_rate_hz must be in"),
    "broken rate": (layout_like(audio_rate_hz=16000.5), "audio_rate_hz must be a whole number"),
    "huge": (layout_like(window_rate_hz=1e-9), "samples are too long"),
    "another rate": (layout_like(audio_rate_hz=8000), r"input 'audio' is .*\(any, 2401\).*1201\)"),
    "another camera": (layout_like(cameras=["front"]), "has no input 'image_front'"),
    "fewer signals": (layout_like(signals=["wrench"]), "input 'mask' is"),
    "no camera": (layout_like(cameras=[]), "input 'mask' is|that its metadata does not know"),
    "dimension": (encoder_like(feature_dimension=9), "output 'feature' is"),
}


@pytest.mark.parametrize(("entry", "message"), BAD_ENCODERS.values(), ids=BAD_ENCODERS)
def test_refuses_an_encoder_with_bad_metadata(entry, message: str, tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "encoder.onnx", LAYOUT, metadata=entry)
    with pytest.raises(M2R2Error, match=message) as refusal:
        Encoder(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def head_like(**changes: object) -> dict:
    return changed(head_metadata("ab" * 32), **changes)


BAD_HEADS = {
    "an encoder": (encoder_metadata(LAYOUT), "kind 'encoder', not 'head'"),
    "no labels": (head_like(labels=[]), "labels must be"),
    "label twice": (head_like(labels=["a", "a", "b", "c"]), "labels must be"),
    "label number": (head_like(labels=["a", "b", "c", 4]), "labels must be"),
    "other labels": (head_like(labels=["a", "b"]), "output 'probabilities' is"),
    "state shape": (head_like(states={"state_0": "x"}), "states: 'state_0' must be"),
    "state name": (head_like(states={"features": [1]}), "states: 'features' must be"),
    "huge state": (head_like(states={"state_0": [1 << 20, 1 << 20]}), "states: 'state_0'"),
    "state missing": (head_like(states={"state_0": [1, 2, 8]}), "an input 'state_1' that its"),
    "state other": (
        head_like(states={"state_0": [1, 3, 8], "state_1": [1, 4, 6]}),
        r"input 'state_0' is tensor\(float\) \(1, 2, 8\)",
    ),
    "tracker typo": (
        head_like(tracker={"confirm": 1}),
        r"unknown tracker entry 'confirm' \(did you mean 'confirm_s'\?\)",
    ),
    "tracker value": (head_like(tracker={"unknown_below": 3}), r"must be in \[0.0, 1.0\], got 3"),
    "tracker type": (head_like(tracker={"confirm_s": "1"}), "confirm_s must be in"),
    "look-ahead": (head_like(look_ahead=-1), r"look_ahead must be in \[0, 600\], got -1"),
    "look-ahead type": (head_like(look_ahead=1.5), "'look_ahead' must be int, got float"),
    "dimension": (head_like(feature_dimension=9), "input 'features' is"),
}


@pytest.mark.parametrize(("entry", "message"), BAD_HEADS.values(), ids=BAD_HEADS)
def test_refuses_a_head_with_bad_metadata(entry, message: str, tmp_path: Path) -> None:
    path = write_head(tmp_path / "head.onnx", "", metadata=entry)
    with pytest.raises(M2R2Error, match=message) as refusal:
        StreamingHead(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def test_refuses_an_onnx_file_of_somebody_else(tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "encoder.onnx", LAYOUT)
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(M2R2Error, match=r"no 'm2r2' entry \(m2r2 export writes one\)"):
        Encoder(path)


@pytest.mark.parametrize("content", [b"", b"\x00", b"hello, world", b"\x89HDF\r\n\x1a\n" * 9])
def test_refuses_what_is_not_onnx(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    path.write_bytes(content)
    with pytest.raises(M2R2Error, match=r"encoder\.onnx: (not an ONNX file|no usable ONNX model)"):
        Encoder(path)


def test_refuses_a_truncated_file(tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "encoder.onnx", LAYOUT)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(M2R2Error, match=r"encoder\.onnx: no"):
        Encoder(path)


def test_refuses_folders_missing_and_large_files(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(M2R2Error, match=r"encoder\.onnx: cannot be read"):
        Encoder(tmp_path / "encoder.onnx")
    with pytest.raises(M2R2Error, match="not an ONNX file"):
        Encoder(tmp_path)
    path = write_encoder(tmp_path / "large.onnx", LAYOUT)
    monkeypatch.setattr(model_file, "MAX_MODEL_BYTES", 1000)
    with pytest.raises(M2R2Error, match="a model may have 1000"):
        Encoder(path)


def test_follows_no_external_data(tmp_path: Path, monkeypatch) -> None:
    """A graph must not read files beside it, or anywhere else."""
    path = write_encoder(tmp_path / "encoder.onnx", LAYOUT)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size > 0
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(M2R2Error, match="no usable ONNX model"):
        Encoder(path)


def test_refuses_an_encoder_that_gives_nan_for_silence(tmp_path: Path) -> None:
    layout = SensorLayout(cameras=(), audio=False, signals=("gripper",))
    value = helper.make_tensor_value_info
    inputs = [
        value("gripper", TensorProto.FLOAT, ["B", 45, 1]),
        value("gripper_length", TensorProto.INT64, ["B"]),
        value("mask", TensorProto.BOOL, ["B", 1]),
    ]
    nodes = [
        helper.make_node("Squeeze", ["gripper", "axis"], ["flat"]),
        helper.make_node("Log", ["flat"], ["feature"]),
    ]
    axis = onnx.numpy_helper.from_array(np.array([2]), "axis")
    outputs = [value("feature", TensorProto.FLOAT, ["B", 45])]
    graph = helper.make_graph(nodes, "log", inputs, outputs, [axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"m2r2": json.dumps(encoder_metadata(layout, 45))})
    path = tmp_path / "encoder.onnx"
    onnx.save(model, path)
    with pytest.raises(M2R2Error, match="gave NaN or inf"):
        Encoder(path)


def test_a_head_belongs_to_one_encoder(tmp_path: Path) -> None:
    folder = write_models(tmp_path / "models", LAYOUT)
    models = Models.load(folder)
    assert models.head.metadata.encoder_sha256 == models.encoder.sha256

    write_encoder(folder / "encoder.onnx", LAYOUT, seed=1)
    with pytest.raises(M2R2Error, match=r"head\.onnx: was trained on another encoder"):
        Models.load(folder)

    write_encoder(folder / "encoder.onnx", LAYOUT, feature_dimension=5)
    with pytest.raises(M2R2Error, match=r"takes features of 8 numbers, .*encoder\.onnx gives 5"):
        Models.load(folder)


def test_a_models_folder_must_be_complete(tmp_path: Path) -> None:
    with pytest.raises(M2R2Error, match="no such models folder"):
        Models.load(tmp_path / "nowhere")
    folder = write_models(tmp_path / "models", LAYOUT)
    (folder / "head.onnx").unlink()
    with pytest.raises(M2R2Error, match=r"this models folder has no head\.onnx"):
        Models.load(folder)


def test_metadata_survives_a_round_trip(tmp_path: Path) -> None:
    encoder = Encoder(write_encoder(tmp_path / "encoder.onnx", LAYOUT))
    assert EncoderMetadata.from_json(encoder.metadata.to_json(), "text") == encoder.metadata
    as_written = json.loads(json.dumps(encoder_metadata(LAYOUT)))
    assert json.loads(encoder.metadata.to_json()) == as_written
    older = {k: v for k, v in as_written.items() if k != "reduce_above"}
    assert EncoderMetadata.from_json(json.dumps(older), "text") == encoder.metadata
    assert encoder.metadata.max_pixels == 64 * 8 * 8
    head = HeadMetadata(
        labels=("a", "b"),
        feature_dimension=3,
        states={"state_0": (1, 2, 3)},
        encoder_sha256=sha256_of(encoder.path),
        training_data="some",
        tracker=TrackerConfig(confirm_s=0.7),
        look_ahead=4,
    )
    assert HeadMetadata.from_json(head.to_json(), "text") == head
    older = json.loads(head.to_json())
    del older["look_ahead"]
    assert HeadMetadata.from_json(json.dumps(older), "text") == replace(head, look_ahead=0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(data=st.data())
def test_any_metadata_is_read_or_refused(data) -> None:
    """No entry may end in anything but M2R2Error."""
    kind, entry = data.draw(
        st.sampled_from([(EncoderMetadata, encoder_like()), (HeadMetadata, head_like())])
    )
    entry = json.loads(json.dumps(entry))
    target = data.draw(
        st.sampled_from([entry, *(value for value in entry.values() if isinstance(value, dict))])
    )
    key = data.draw(st.sampled_from([*target, "other"]))
    target[key] = data.draw(JSON)
    try:
        kind.from_json(json.dumps(entry), "file")
    except M2R2Error as error:
        assert str(error).startswith("file: ")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"format": ' + "9" * 10_000 + "}"])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(M2R2Error, match="file: "):
        HeadMetadata.from_json(text, "file")
