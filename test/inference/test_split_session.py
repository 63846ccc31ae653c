# SPDX-License-Identifier: Apache-2.0
"""A graph in parts gives what the whole gives, bit for bit, whenever its pictures were begun."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from tiny_models import Graph, write_encoder
from tiny_windows import random_window, without

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder, blank_window
from m2r2_ros.inference.encoder_inputs import PICTURE, WindowPacker
from m2r2_ros.inference.graph_cut import GraphCut
from m2r2_ros.inference.model_file import ModelFile, read_model
from m2r2_ros.inference.session import open_session
from m2r2_ros.inference.split_session import SplitSession
from m2r2_ros.shipped import shipped

LAYOUT = REASSEMBLE_LAYOUT
VECTOR = [4]


def random_graph(seed, folder):
    """Nodes over two pictures and a number, each on what was there: seldom on several of them."""
    chance, graph = random.Random(seed), Graph(seed)
    inputs = ["image_a", "image_b", "other"]
    lines = {name: [name] for name in inputs}
    lines |= {"constant": [graph.weights(*VECTOR)], "mixed": []}
    for _ in range(chance.randint(6, 20)):
        name = chance.choice([*inputs * 4, "constant", "mixed"])
        known = [x for line in lines.values() for x in line] if name == "mixed" else lines[name]
        kind = chance.choice(["Add", "Mul", "Sub", "Tanh", "Concat"])
        taken = [chance.choice(known) for _ in range(1 if kind == "Tanh" else 2)]
        if kind == "Concat":
            start, end = (graph.constant([number], np.int64) for number in (1, 5))
            whole = graph.op(kind, *taken, axis=0)
            lines[name].append(graph.op("Slice", whole, start, end))
        else:
            if kind != "Tanh":
                taken[-1] = chance.choice([taken[-1], graph.weights(*VECTOR)])
            lines[name].append(graph.op(kind, *taken))
    # As a rule nothing is taken of a picture as it is.
    lines |= {n: [*line, graph.op("Abs", n)] for n, line in lines.items() if line[-1:] == [n]}
    last = [line[-1] for line in lines.values() if line]
    graph.op("Sum", *last, output="feature")
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, VECTOR) for n in (*inputs, "feature")
    ]
    return graph.save(folder / "graph.onnx", ends[:-1], ends[-1:], {})


def sees(model, names):
    """Tensor -> the inputs before it, by onnx itself."""
    seen = {name: {name} for name in names}
    for node in model.graph.node:
        before = set().union(*(seen.get(name, set()) for name in node.input))
        seen.update(dict.fromkeys(node.output, before))
    return seen


@pytest.mark.parametrize("seed", range(40))
def test_a_graph_is_cut_where_something_else_comes_in(seed, tmp_path):
    path = random_graph(seed, tmp_path)
    model, data = onnx.load(path), path.read_bytes()
    names = [each.name for each in model.graph.input]
    seen, cut = sees(model, names), GraphCut(data, PICTURE)
    mixing = [node for node in model.graph.node if len(seen[node.output[0]]) > 1]
    taken = {name for node in mixing for name in node.input}
    if taken & {"image_a", "image_b"}:
        assert not cut.crossing
        return
    for picture, tensors in cut.crossing.items():
        assert set(tensors) == {name for name in taken if seen.get(name) == {picture}}
        onnx.checker.check_model(onnx.load_from_string(with_types(cut.picture_part(picture))))
    parts = SplitSession(ModelFile(path, data, ""), "feature", PICTURE, 1)
    numbers = np.random.default_rng(seed)
    inputs = {name: numbers.normal(size=VECTOR).astype(np.float32) for name in names}
    (expected,) = onnxruntime.InferenceSession(data).run(["feature"], inputs)
    assert parts(inputs).tobytes() == expected.tobytes()
    assert sorted(each.name for each in parts.inputs) == sorted(names)


def with_types(data):
    """The outputs of a part have no type: onnxruntime finds it, onnx's checker wants one."""
    model = onnx.load_from_string(data)
    for output in model.graph.output:
        output.type.tensor_type.elem_type = TensorProto.FLOAT
        output.type.tensor_type.shape.dim.add()
    return model.SerializeToString()


def test_a_graph_with_graphs_inside_stays_whole(tmp_path):
    graph = Graph(0)
    branches = [
        helper.make_graph([helper.make_node(kind, ["image_a"], [kind])], kind, [], [value])
        for kind in ("Tanh", "Abs")
        for value in [helper.make_tensor_value_info(kind, TensorProto.FLOAT, VECTOR)]
    ]
    which = graph.constant(True, np.bool_)
    seen = graph.op("If", which, then_branch=branches[0], else_branch=branches[1])
    graph.op("Add", seen, "other", output="feature")
    names = ("image_a", "other", "feature")
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, VECTOR) for n in names]
    path = graph.save(tmp_path / "graph.onnx", ends[:-1], ends[-1:], {})
    with pytest.raises(M2R2Error, match="no part that sees one picture alone"):
        SplitSession(read_model(path), "feature", PICTURE, 1)


@pytest.fixture(scope="module")
def compact():
    """The encoder that ships, in parts, and as one graph."""
    encoder = Encoder(shipped("models/taskboard_compact") / "encoder.onnx")
    assert isinstance(encoder._device._bound, SplitSession)
    return encoder, open_session(read_model(encoder.path), 1)


def compact_window(encoder, seed):
    """Noise, in pictures of any size."""
    chance = np.random.default_rng(seed)
    window = blank_window(encoder.metadata)
    sizes = {name: chance.integers(1, 300, 2) for name in encoder.layout.cameras}
    images = {n: chance.integers(0, 256, (*size, 3), np.uint8) for n, size in sizes.items()}
    signals = {n: chance.normal(size=v.shape).astype(np.float32) for n, v in window.signals.items()}
    sound = chance.normal(0, 0.1, len(window.audio)).astype(np.float32)
    return replace(window, images=images, signals=signals, audio=sound)


@pytest.mark.parametrize("seed", range(12))
def test_the_shipped_encoder_gives_the_bits_of_its_graph(compact, seed):
    """Whatever was begun: all, some, another picture, one that cannot be had."""
    encoder, whole = compact
    window, chance = compact_window(encoder, seed), random.Random(seed)
    if seed % 3 == 0:
        window = without(window, chance.choice(encoder.layout.modalities))
    for camera, picture in window.images.items():
        kind = chance.choice(("begun", "left", "another", "damaged"))
        if kind != "left":
            encoder.begin(camera, {"begun": lambda p=picture: p}.get(kind, lambda: 1 / 0))
        if kind == "another":
            encoder.begin(camera, lambda p=picture: 255 - p)
    (expected,) = whole.run(["feature"], WindowPacker(encoder.layout)([window]))
    assert encoder(window).tobytes() == expected[0].tobytes()


def test_what_was_begun_is_not_done_again(tmp_path):
    """A picture that is held for a second window neither."""
    encoder = Encoder(write_encoder(tmp_path / "encoder.onnx", LAYOUT))
    bound = encoder._device._bound
    window, done, ready = random_window(LAYOUT, 3), [], threading.Event()
    work = bound._picture

    def counted(name, pixels):
        done.append(name)
        result = work(name, pixels)
        if len(done) == len(LAYOUT.cameras):
            ready.set()
        return result

    bound._picture = counted
    for camera, picture in window.images.items():
        encoder.begin(camera, lambda p=picture: p)
    assert ready.wait(60)
    features = [encoder(window), encoder(window)]
    assert sorted(done) == sorted(f"{PICTURE}{camera}" for camera in LAYOUT.cameras)
    assert features[0].tobytes() == features[1].tobytes()
    encoder(replace(window, images={n: p.copy() for n, p in window.images.items()}))
    assert len(done) == 2 * len(LAYOUT.cameras)
