# SPDX-License-Identifier: Apache-2.0
"""What a device should take for a graph: counted by hand here."""

from __future__ import annotations

import importlib.util

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from source_tree import ROOT

from m2r2_ros.benchmarks.roofline import Cost, Peaks, count, expect, known_peaks

FLOAT = 4


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A convolution of 3 x 3 in two groups, a Gemm that takes it as a row, and a product."""
    weights = {"kernel": (8, 2, 3, 3), "dense": (10, 8 * 5 * 6), "right": (10, 7), "bias": (10,)}
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["convolved"], group=2, pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["convolved"], ["row"]),
        helper.make_node("Gemm", ["row", "dense", "bias"], ["ten"], transB=1),
        helper.make_node("MatMul", ["ten", "right"], ["product"]),
        helper.make_node("Relu", ["product"], ["y"]),
    ]
    tensor = helper.make_tensor
    random = np.random.default_rng(0)
    stored = [
        tensor(name, TensorProto.FLOAT, shape, random.normal(size=shape).ravel())
        for name, shape in weights.items()
    ]
    value = helper.make_tensor_value_info
    inputs = [value("x", TensorProto.FLOAT, ["B", 4, "H", "W"])]
    made = helper.make_graph(nodes, "g", inputs, [value("y", TensorProto.FLOAT, None)], stored)
    path = tmp_path_factory.mktemp("roofline") / "graph.onnx"
    onnx.save(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


def test_flops_and_bytes_are_those_counted_by_hand(graph):
    costs = count(graph, {"x": np.ones((1, 4, 5, 6), np.float32)})
    pixels = 5 * 6
    x, convolved = 4 * pixels, 8 * pixels
    kernel, dense = 8 * 2 * 3 * 3, 10 * convolved
    assert [(cost.flops, cost.weights, cost.bytes) for cost in costs if cost.bytes] == [
        (2 * convolved * 2 * 9, FLOAT * kernel, FLOAT * (kernel + x + convolved)),
        (2 * 10 * convolved, FLOAT * (dense + 10), FLOAT * (dense + 10 + convolved + 10)),
        (2 * 7 * 10, FLOAT * 70, FLOAT * (70 + 10 + 7)),
        (7, 0, FLOAT * 14),
    ]


def test_a_device_is_known_by_its_name():
    assert known_peaks("NVIDIA H200") == Peaks.of(67, 4800)
    assert known_peaks("Tesla T4") == Peaks.of(8.1, 320)
    assert known_peaks("") is None and known_peaks("NVIDIA T400") is None


def test_a_node_takes_the_longer_of_its_flops_and_its_bytes():
    costs = [Cost(4_000, 100, 10), Cost(10, 0, 5_000)]
    found = expect(costs, Peaks(flops=1e6, bandwidth=1e6))
    assert found["expected_ms"] == pytest.approx(4 + 5)
    assert found["least_ms"] == pytest.approx(4.01)
    assert found["nodes"] == 2 and found["gflops"] == pytest.approx(4010e-9)
    assert "expected_ms" not in expect(costs, None)


def test_the_tool_puts_figures_in_place_of_those_that_were_there():
    place = importlib.util.spec_from_file_location("gpu_figures", ROOT / "tools/gpu_figures.py")
    tool = importlib.util.module_from_spec(place)
    place.loader.exec_module(tool)
    way = {"ready_s": 2.5, "window_ms": {"p50": 1.25, "p99": 1.5}, "largest_difference": 1e-4}
    found = {"ratio": 0.1, "device": "T9", "expected": {"gflops": 0.5, "mb": 137.0}, "cuda": way}
    figures = tool.table("my_models", found)
    assert "on T9; 0.5 GFLOP and 137.0 MB a window" in figures
    assert "| cuda | 1.25 | 1.5 | 2.5 | 0.0001 |" in figures
    page = tool.PAGE.read_text("utf-8")
    once = tool.with_figures(page, figures)
    assert figures in once and tool.with_figures(once, "other") == tool.with_figures(page, "other")
    assert tool.with_figures(once, "").replace("\n\n", "\n") == page.replace("\n\n", "\n")
