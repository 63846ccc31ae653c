# SPDX-License-Identifier: Apache-2.0
"""The streaming head is exact: stepped, chunked or whole, it gives the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tiny_models import FEATURE_DIMENSION, LABELS, head_metadata, write_head

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference import head as heads
from m2r2_ros.inference.head import StreamingHead


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> StreamingHead:
    return StreamingHead(write_head(tmp_path_factory.mktemp("models") / "head.onnx", "ab" * 32))


def features(frames: int, seed: int = 0) -> np.ndarray:
    shape = (frames, FEATURE_DIMENSION)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def whole_pass(head: StreamingHead, sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The graph itself on the whole sequence, from the zero state."""
    state = {name: np.zeros(shape, np.float32) for name, shape in head.metadata.states.items()}
    session = onnxruntime.InferenceSession(head.path)
    probabilities, boundary, *_ = session.run(None, {"features": sequence[None], **state})
    return probabilities[0], boundary[0]


@given(cuts=st.lists(st.integers(0, 200), max_size=12))
@settings(deadline=None, max_examples=50)
def test_any_chunking_equals_the_whole_pass(head: StreamingHead, cuts: list[int]) -> None:
    sequence = features(200)
    head.reset()
    chunks = [head.run(chunk) for chunk in np.split(sequence, sorted(cuts))]
    probabilities, boundary = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    expected = whole_pass(head, sequence)
    np.testing.assert_allclose(probabilities, expected[0], atol=1e-5)
    np.testing.assert_allclose(boundary, expected[1], atol=1e-5)


def test_ten_thousand_steps_equal_the_whole_pass(head: StreamingHead) -> None:
    sequence = features(10_000, seed=1)
    head.reset()
    steps = [head.step(feature) for feature in sequence]
    probabilities, boundary = whole_pass(head, sequence)
    np.testing.assert_allclose([step[0] for step in steps], probabilities, atol=1e-5)
    np.testing.assert_allclose([step[1] for step in steps], boundary, atol=1e-5)


def test_long_runs_are_cut_without_a_seam(head: StreamingHead, monkeypatch) -> None:
    sequence = features(100)
    monkeypatch.setattr(heads, "_CHUNK", 7)
    head.reset()
    np.testing.assert_allclose(head.run(sequence)[0], whole_pass(head, sequence)[0], atol=1e-5)


def test_a_step_returns_a_posterior_and_a_boundary(head: StreamingHead) -> None:
    head.reset()
    probabilities, boundary = head.step(features(1)[0])
    assert head.labels == LABELS
    assert probabilities.shape == (len(LABELS),)
    assert probabilities.dtype == np.float32
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-6)
    assert isinstance(boundary, float)
    assert 0 <= boundary <= 1


def test_reset_forgets_the_past(head: StreamingHead) -> None:
    first, second = features(2)
    head.reset()
    fresh = head.step(second)[0]
    head.reset()
    head.step(first)
    assert not np.array_equal(head.step(second)[0], fresh)
    head.reset()
    np.testing.assert_array_equal(head.step(second)[0], fresh)


def test_nothing_to_run_is_nothing(head: StreamingHead) -> None:
    probabilities, boundary = head.run(features(0))
    assert probabilities.shape == (0, len(LABELS))
    assert boundary.shape == (0,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_refused_feature_leaves_no_trace(head: StreamingHead, bad: float) -> None:
    first, second = features(2)
    head.reset()
    head.step(first)
    expected = head.step(second)[0]
    head.reset()
    head.step(first)
    with pytest.raises(M2R2Error, match="holds NaN or inf"):
        head.step(np.full(FEATURE_DIMENSION, bad, np.float32))
    with pytest.raises(M2R2Error, match=r"takes features of 8 numbers, got .*\(1, 3\)"):
        head.step(first[:3])
    np.testing.assert_array_equal(head.step(second)[0], expected)


def growing_head(path: Path, answer: list[str]) -> StreamingHead:
    """A head whose state grows, and with it what `answer` (an operator and its inputs) gives."""

    def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("Mul", ["state_0", "features"], ["grown"]),
        helper.make_node("Add", ["grown", "features"], ["next_state_0"]),
        helper.make_node(answer[0], answer[1:], ["probabilities"]),
        helper.make_node("Squeeze", ["probabilities", "axis"], ["boundary"]),
    ]
    axis = onnx.numpy_helper.from_array(np.array([2]), "axis")
    inputs = [value("features", 1, "T", 1), value("state_0", 1, 1, 1)]
    outputs = [value("probabilities", 1, "T", 1), value("boundary", 1, "T")]
    outputs.append(value("next_state_0", 1, 1, 1))
    graph = helper.make_graph(nodes, "growing", inputs, outputs, [axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    entry = head_metadata("", ("one",), 1) | {"states": {"state_0": [1, 1, 1]}}
    helper.set_model_props(model, {"m2r2": json.dumps(entry)})
    onnx.save(model, path)
    return StreamingHead(path)


def test_a_head_that_overflows_recovers(tmp_path: Path) -> None:
    """Its state grows to inf; the next frames must not be lost for ever."""
    head = growing_head(tmp_path / "head.onnx", ["Sub", "next_state_0", "next_state_0"])
    large = np.array([1e30], np.float32)
    head.step(large)
    with pytest.raises(M2R2Error, match="gave NaN or inf; starting anew"):
        head.step(large)
    head.step(large)


@pytest.mark.parametrize("bad", [-0.2, 1.2, 7.0])
def test_what_is_no_probability_is_no_answer(bad: float, tmp_path: Path) -> None:
    """As of a head that was exported without its softmax."""
    head = growing_head(tmp_path / "head.onnx", ["Identity", "features"])
    head.step(np.array([0.5], np.float32))
    with pytest.raises(M2R2Error, match="are no probabilities: is its softmax missing"):
        head.step(np.array([bad], np.float32))
    head.step(np.array([1.0], np.float32))
