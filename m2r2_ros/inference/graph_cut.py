# SPDX-License-Identifier: Apache-2.0
"""An encoder's graph cut where its pictures end: what sees one picture alone, and the rest.

The nodes of the parts are those of the graph, so that the parts give what the whole gives, bit for
bit. A picture's part can run as soon as the picture is there, before the rest of its window is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from m2r2_ros.inference.protobuf import Field, fields, integer, message

# Numbers of fields in onnx.proto.
_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO, _SPARSE = 1, 5, 11, 12, 13, 15
_NODE_INPUT, _NODE_OUTPUT, _ATTRIBUTE, _INNER_GRAPHS = 1, 2, 5, (6, 11)
_NAME, _TENSOR_NAME, _TYPE, _SPARSE_VALUES = 1, 8, 2, 1
# TypeProto, TypeProto.Tensor, TensorShapeProto, and one of its dimensions.
_TENSOR_TYPE, _ELEMENT, _SHAPE, _DIMENSION, _SIZE = 1, 1, 2, 1, 1
# onnxruntime's names of element types -> onnx.proto's numbers.
ELEMENTS = {"tensor(float)": 1, "tensor(uint8)": 2, "tensor(int64)": 7, "tensor(float16)": 10}


class _Node(NamedTuple):
    inputs: list[str]
    outputs: list[str]
    has_graphs: bool
    stored: memoryview


class GraphCut:
    """A model's bytes as parts. `crossing`: picture -> the tensors that the rest takes of it.

    That is empty where the graph cannot be cut: where a picture is mixed with something else before
    it is worked on, or nodes have graphs of their own.
    """

    def __init__(self, data: bytes, prefix: str) -> None:
        """Pictures are the inputs whose names begin with `prefix`.

        Raises ValueError or IndexError where the model is damaged.
        """
        self._fields = list(fields(memoryview(data)))
        (graph,) = (field.content for field in self._fields if field.number == _GRAPH)
        self._graph = list(fields(graph))
        self._nodes = [_node(f) for f in self._graph if f.number == _NODE]
        pictures = {name for f in self._named(_INPUT) if (name := _name(f)).startswith(prefix)}
        self._seen_by = self._find_seen(pictures)
        self.crossing = self._find_crossing(pictures)

    def picture_part(self, picture: str) -> bytes:
        """The model from one picture to its crossing tensors."""
        inputs = [f.stored for f in self._named(_INPUT) if _name(f) == picture]
        names = self.crossing[picture]
        outputs = [message(_OUTPUT, _text(_NAME, name)) for name in names]
        nodes = [n for n in self._nodes if self._seen_of(n) <= {picture}]
        return self._model(nodes, names, [*inputs, *outputs])

    def rest(self, tensors: Iterable[Any]) -> bytes:
        """The model from the crossing tensors and all other inputs to the outputs.

        `tensors` are the crossing ones, as a session of the parts describes its outputs.
        """
        outputs = self._named(_OUTPUT)
        kept = [f.stored for f in self._named(_INPUT) if _name(f) not in self.crossing]
        kept += [_described(tensor) for tensor in tensors]
        nodes = [n for n in self._nodes if self._owner(n) is None]
        return self._model(nodes, map(_name, outputs), [*kept, *(f.stored for f in outputs)])

    def _named(self, number: int) -> list[Field]:
        return [field for field in self._graph if field.number == number]

    def _find_seen(self, pictures: Collection[str]) -> dict[str, frozenset[str]]:
        """Tensor -> the inputs that it depends on; all that are no pictures are one."""
        names = [_name(field) for field in self._named(_INPUT)]
        seen = {name: frozenset([name if name in pictures else ""]) for name in names}
        for node in self._nodes:
            # Weights see nothing.
            depends = frozenset().union(*(seen.get(name, frozenset()) for name in node.inputs))
            seen |= dict.fromkeys(node.outputs, depends)
        return seen

    def _seen_of(self, node: _Node) -> frozenset[str]:
        return self._seen_by[node.outputs[0]] if node.outputs else frozenset()

    def _owner(self, node: _Node) -> str | None:
        """The one picture that a node sees, None where it sees none or anything else."""
        names = self._seen_of(node)
        return next(iter(names)) or None if len(names) == 1 else None

    def _find_crossing(self, pictures: Collection[str]) -> Mapping[str, list[str]]:
        if any(node.has_graphs for node in self._nodes):
            return {}
        made = {name: owner for n in self._nodes if (owner := self._owner(n)) for name in n.outputs}
        wanted = [name for n in self._nodes if self._owner(n) is None for name in n.inputs]
        wanted += [_name(field) for field in self._named(_OUTPUT)]
        crossing: dict[str, list[str]] = {picture: [] for picture in pictures}
        for name in dict.fromkeys(wanted):
            if name in made:
                crossing[made[name]].append(name)
        outputs = {_name(field) for field in self._named(_OUTPUT)}
        mixed = pictures.intersection(wanted) or outputs & made.keys()
        return {} if mixed or not all(crossing.values()) else crossing

    def _model(
        self, nodes: list[_Node], outputs: Iterable[str], ends: Iterable[bytes | memoryview]
    ) -> bytes:
        """Those of the nodes that the outputs need, with their weights, between these ends."""
        used, needed = set(outputs), []
        for node in reversed(nodes):
            if used.intersection(node.outputs):
                needed.insert(0, node.stored)
                used.update(node.inputs)
        replaced = {_NODE, _INPUT, _OUTPUT, _VALUE_INFO}
        kept = [
            field.stored
            for field in self._graph
            if field.number not in replaced and _is_used(field, used)
        ]
        graph = message(_GRAPH, *needed, *kept, *ends)
        return b"".join([*(f.stored for f in self._fields if f.number != _GRAPH), graph])


def _node(field: Field) -> _Node:
    inner = list(fields(field.content))
    attributes = (f.content for f in inner if f.number == _ATTRIBUTE)
    has_graphs = any(f.number in _INNER_GRAPHS for each in attributes for f in fields(each))
    # What is left out has an empty name.
    inputs = [_decoded(f) for f in inner if f.number == _NODE_INPUT and f.content]
    outputs = [_decoded(f) for f in inner if f.number == _NODE_OUTPUT and f.content]
    return _Node(inputs, outputs, has_graphs, field.stored)


def _decoded(field: Field) -> str:
    return str(field.content, "utf-8", "replace")


def _name(field: Field, number: int = _NAME) -> str:
    return next((_decoded(f) for f in fields(field.content) if f.number == number), "")


def _is_used(field: Field, used: set[str]) -> bool:
    """Whether a field of the graph is no weight, or one of a name that is used."""
    if field.number == _SPARSE:
        (values,) = (f for f in fields(field.content) if f.number == _SPARSE_VALUES)
        return _name(values, _TENSOR_NAME) in used
    return field.number != _INITIALIZER or _name(field, _TENSOR_NAME) in used


def _text(number: int, text: str) -> bytes:
    return message(number, text.encode())


def _described(tensor: Any) -> bytes:
    """An input of the graph with the name, type and shape of a session's output."""
    sizes = [integer(_SIZE, size) if isinstance(size, int) else b"" for size in tensor.shape]
    shape = message(_SHAPE, *(message(_DIMENSION, size) for size in sizes))
    kind = message(_TENSOR_TYPE, integer(_ELEMENT, ELEMENTS[tensor.type]), shape)
    return message(_INPUT, _text(_NAME, tensor.name), message(_TYPE, kind))
