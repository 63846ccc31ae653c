# SPDX-License-Identifier: Apache-2.0
"""A graph whose run may have no end is refused when it is loaded; all others are not."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.device import THREADS
from m2r2_ros.inference.graph_loops import check_ends
from m2r2_ros.inference.model_file import ModelFile, read_model
from m2r2_ros.inference.session import open_session
from m2r2_ros.shipped import shipped

SEEDS = range(50)
BOOL, FLOAT, INT = TensorProto.BOOL, TensorProto.FLOAT, TensorProto.INT64


def value(name, kind=FLOAT, shape=()):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, array):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name))


def graph(nodes, name, inputs, outputs):
    return helper.make_graph(nodes, name, inputs, outputs)


def loop(chance, tag):
    """Adds one as often as it is told: for ever, or a number of times."""
    body = graph(
        [
            constant(f"{tag}_one", np.float32(1)),
            helper.make_node("Add", [f"{tag}_in", f"{tag}_one"], [f"{tag}_next"]),
            helper.make_node("Identity", [f"{tag}_before"], [f"{tag}_after"]),
        ],
        f"{tag}_body",
        [value(f"{tag}_step", INT), value(f"{tag}_before", BOOL), value(f"{tag}_in")],
        [value(f"{tag}_after", BOOL), value(f"{tag}_next")],
    )
    trips = chance.choice(("", f"{tag}_trips"))
    given = np.int64(chance.choice((2**62, 2**63 - 1, 3)))
    nodes = [constant(f"{tag}_trips", given), constant(f"{tag}_true", np.bool_(True))]
    return [
        *nodes,
        helper.make_node("Loop", [trips, f"{tag}_true", "x"], [f"{tag}_y"], body=body),
    ]


def plain(chance, tag):
    return [helper.make_node(chance.choice(("Abs", "Neg", "Exp")), ["x"], [f"{tag}_y"])]


def inside_if(nodes, tag, chance):
    """In one of two branches, further inside."""
    branches = [
        graph(nodes if side else plain(chance, f"{tag}_else"), f"{tag}_{side}", [], [value(out)])
        for side, out in ((1, nodes[-1].output[0]), (0, f"{tag}_else_y"))
    ]
    chance.shuffle(branches)
    return [
        constant(f"{tag}_which", np.bool_(chance.random() < 0.5)),
        helper.make_node(
            "If", [f"{tag}_which"], [f"{tag}_y"], then_branch=branches[0], else_branch=branches[1]
        ),
    ]


def inside_scan(nodes, tag, chance):
    """In a scan over three rows."""
    out = nodes[-1].output[0]
    body = graph(nodes, f"{tag}_body", [value(f"{tag}_row")], [value(out)])
    return [
        constant(f"{tag}_rows", np.zeros(3, np.float32)),
        helper.make_node("Scan", [f"{tag}_rows"], [f"{tag}_all"], body=body, num_scan_inputs=1),
        helper.make_node("ReduceSum", [f"{tag}_all"], [f"{tag}_y"], keepdims=0),
    ]


def model(seed, innermost, in_function=False):
    chance = random.Random(seed)
    nodes = innermost(chance, "n0")
    for level in range(1, 1 + chance.randint(0, 4)):
        nodes = chance.choice((inside_if, inside_scan))(nodes, f"n{level}", chance)
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions = []
    if in_function:
        out = nodes[-1].output[0]
        functions = [helper.make_function("own", "Work", ["x"], [out], nodes, opset[:1])]
        nodes = [helper.make_node("Work", ["x"], [out], domain="own")]
    whole = graph(nodes, "whole", [value("x")], [value(nodes[-1].output[0])])
    made = helper.make_model(whole, opset_imports=opset, functions=functions, ir_version=9)
    return made.SerializeToString()


def opened(data, path):
    path.write_bytes(data)
    return open_session(read_model(path), THREADS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_loop_is_refused_wherever_it_is(seed, tmp_path: Path):
    with pytest.raises(M2R2Error, match=r"operator 'Loop'.*export the model without it") as refusal:
        opened(model(seed, loop, seed % 3 == 0), tmp_path / "model.onnx")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("seed", SEEDS)
def test_branches_and_scans_without_one_are_loaded(seed, tmp_path: Path):
    session = opened(model(seed, plain, seed % 3 == 0), tmp_path / "model.onnx")
    (result,) = session.run(None, {"x": np.array(0.5, np.float32)})
    assert np.isfinite(result).all()


def test_generators_of_text_are_refused(tmp_path: Path):
    node = helper.make_node("BeamSearch", ["x"], ["y"], domain="com.microsoft")
    made = helper.make_model(graph([node], "g", [value("x")], [value("y")]))
    with pytest.raises(M2R2Error, match="BeamSearch"):
        opened(made.SerializeToString(), tmp_path / "model.onnx")


@pytest.mark.parametrize("name", ["taskboard_compact", "roboact_compact"])
def test_shipped_graphs_have_an_end_and_are_looked_through_in_no_time(name):
    for path in sorted(shipped(Path("models") / name).glob("*.onnx")):
        file = read_model(path)
        began = time.process_time()
        check_ends(file)
        assert time.process_time() - began < 1.0


@pytest.mark.parametrize("seed", range(100))
def test_a_damaged_file_is_refused_or_left_to_onnxruntime(seed, tmp_path: Path):
    chance = random.Random(seed)
    data = bytearray(model(seed, plain))
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    data = bytes(data[: chance.randint(1, len(data))])
    try:
        check_ends(ModelFile(tmp_path / "model.onnx", data, ""))
    except M2R2Error as error:
        assert "model.onnx" in str(error)


def test_other_formats_of_onnxruntime_are_refused(tmp_path: Path):
    with pytest.raises(M2R2Error, match="onnxruntime's own format"):
        opened(b"\x10\0\0\0ORTM" + bytes(100), tmp_path / "model.onnx")


def test_what_onnx_reads_is_what_is_looked_through():
    """The same operators as the library finds, in graphs of every depth."""
    from m2r2_ros.inference.graph_loops import _operators

    def walk(nodes):
        for node in nodes:
            yield node.op_type
            for attribute in node.attribute:
                for inner in (attribute.g, *attribute.graphs):
                    yield from walk(inner.node)

    for seed in SEEDS:
        data = model(seed, loop, seed % 2 == 0)
        loaded = onnx.load_from_string(data)
        expected = [*walk(loaded.graph.node)]
        expected += [name for function in loaded.functions for name in walk(function.node)]
        assert sorted(_operators(memoryview(data), "model", 0)) == sorted(expected)
