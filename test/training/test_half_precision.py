# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from m2r2_ros.training.half_precision import openable_on_cpus
from m2r2_ros.training.onnx_export import open_graph

RANDOM = np.random.default_rng(0)


def product_after_transpose(axes: list[int], weight: np.ndarray, turned: bool = False) -> bytes:
    """y = transpose(x) W in float16; `turned`: W is the transpose of what the graph holds."""
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=axes)]
    if turned:
        nodes.append(helper.make_node("Transpose", ["w"], ["v"], perm=[1, 0]))
    nodes.append(helper.make_node("MatMul", ["t", "v" if turned else "w"], ["y"]))
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT16, [f"{name}{i}" for i in range(3)])
        for name in "xy"
    )
    stored = numpy_helper.from_array(weight.T if turned else weight, "w")
    graph = helper.make_graph(nodes, "product", [x], [y], [stored])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model).SerializeToString()


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(data).graph.node]


# Without the change of the graph, onnxruntime dies of the second axes.
@pytest.mark.parametrize("axes", [[0, 1, 2], [1, 0, 2]])
@pytest.mark.parametrize("turned", [False, True])
def test_a_product_comes_before_the_transpose_of_its_rows(axes, turned):
    weight = RANDOM.normal(size=(8, 5)).astype(np.float16)
    data = openable_on_cpus(product_after_transpose(axes, weight, turned))
    assert operators(data)[-2:] == ["MatMul", "Transpose"]
    x = RANDOM.normal(size=(4, 3, 8)).astype(np.float16)
    (found,) = open_graph(data).run(None, {"x": x})
    assert found.dtype == np.float16
    expected = np.transpose(x, axes).astype(np.float32) @ weight.astype(np.float32)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [([0, 2, 1], (3, 5)), ([1, 0, 2], (3, 8, 5))],
    ids=["other rows", "a matrix for each row"],
)
def test_another_product_stays_as_it_is(axes, shape):
    data = product_after_transpose(axes, RANDOM.normal(size=shape).astype(np.float16))
    assert operators(openable_on_cpus(data)) == ["Transpose", "MatMul"]
