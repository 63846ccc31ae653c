# SPDX-License-Identifier: Apache-2.0
"""A graph on the CPU in two steps: each picture by itself as soon as it is there, then the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.graph_cut import ELEMENTS, GraphCut
from m2r2_ros.inference.io_binding import BoundSession
from m2r2_ros.inference.model_file import ModelFile
from m2r2_ros.inference.session import open_session

_Tensors = dict[str, np.ndarray]
# The picture (1, H, W, 3), and what its part of the graph makes of it.
_Begun = tuple[np.ndarray, _Tensors]


class SplitSession:
    """Called as `BoundSession` is, with the same results, bit for bit.

    `session` runs all but the pictures; `inputs` and `outputs` are those of the whole graph.
    """

    def __init__(self, model: ModelFile, output: str, prefix: str, threads: int) -> None:
        """Pictures are the inputs whose names begin with `prefix`.

        Raises M2R2Error, ValueError or IndexError where the graph cannot be cut, or is no graph.
        """
        cut = GraphCut(model.data, prefix)
        if not cut.crossing:
            raise M2R2Error(f"{model.path}: has no part that sees one picture alone")
        # One thread each: they are short, and all cores have other work meanwhile.
        self._parts = {
            name: open_session(replace(model, data=cut.picture_part(name)), 1, allow_gpu=False)
            for name in cut.crossing
        }
        crossing = [tensor for part in self._parts.values() for tensor in part.get_outputs()]
        if not all(tensor.type in ELEMENTS for tensor in crossing):
            raise M2R2Error(f"{model.path}: its parts exchange tensors of an unusual type")
        self.session = open_session(replace(model, data=cut.rest(crossing)), threads, False)
        own = {tensor.name for tensor in crossing}
        self.inputs = [tensor for part in self._parts.values() for tensor in part.get_inputs()]
        self.inputs += [each for each in self.session.get_inputs() if each.name not in own]
        self.outputs = self.session.get_outputs()
        self._rest = BoundSession(self.session, output)
        self._worker: ThreadPoolExecutor | None = None
        # Of each picture's input the newest that was begun.
        self._begun: dict[str, Future[_Begun]] = {}

    @property
    def captures(self) -> bool:
        """Whether the rest is replayed as a CUDA graph."""
        return self._rest.captures

    def begin(self, name: str, picture: Callable[[], np.ndarray]) -> None:
        """Work, in a thread, on what `picture` gives: the array of a later call, (H, W, 3).

        That array is not to be changed. A picture that cannot be had is left to whoever asks next.
        """
        self._worker = self._worker or ThreadPoolExecutor(1, "pictures")

        def work() -> _Begun:
            pixels = picture()[np.newaxis]
            return pixels, self._picture(name, pixels)

        self._begun[name] = self._worker.submit(work)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run with the inputs of the whole graph. Raises what onnxruntime raises."""
        rest = {name: array for name, array in inputs.items() if name not in self._parts}
        # From the last one on: the thread began with the first.
        for name in reversed(self._parts):
            rest |= self._finished(name, inputs[name]) or self._picture(name, inputs[name])
        return self._rest(rest)

    def _picture(self, name: str, pixels: np.ndarray) -> _Tensors:
        part = self._parts[name]
        names = [tensor.name for tensor in part.get_outputs()]
        return dict(zip(names, part.run(names, {name: pixels}), strict=True))

    def _finished(self, name: str, pixels: np.ndarray) -> _Tensors | None:
        """What was begun of this very picture, None where nothing was or the thread is behind."""
        begun = self._begun.get(name)
        if begun is None or begun.cancel() or begun.exception() is not None:
            return None
        picture, tensors = begun.result()
        return tensors if _is_same(picture, pixels) else None


def _is_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether both are the same memory; both are there, so that none has taken the other's place.

    Whoever has begun a picture does not change it.
    """
    place, other_place = one.__array_interface__, other.__array_interface__
    return one.shape == other.shape and place["data"][0] == other_place["data"][0]
