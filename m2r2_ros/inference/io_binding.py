# SPDX-License-Identifier: Apache-2.0
"""Inputs that stay on the device: the same buffers, at the same addresses, for every call.

The same code runs on the CPU, where a device is memory like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime
from onnxruntime import OrtValue

from m2r2_ros.inference.session import CPU, can_capture

# A captured run holds memory of the GPU for good. Cameras that change their size more often than
# this are not worth it.
MAX_GRAPHS = 8
# onnxruntime's name for which captured run is meant, and its word for none.
_GRAPH_ID, _NO_GRAPH = "gpu_graph_id", -1


class BoundSession:
    """One session's inputs on its device, and one output back on the CPU.

    Unlike `InferenceSession.run` it never opens another session on the CPU when a GPU fails: the
    caller gets the error.

    Where the session can capture CUDA graphs, the first call with inputs of a shape is an ordinary
    one, the second is captured, and those that follow replay it: everything stays at its address.
    `captures` tells whether that is so. `inputs` and `outputs` are the graph's.
    """

    def __init__(self, session: onnxruntime.InferenceSession, output: str) -> None:
        self.captures = can_capture(session)
        self.session = session
        self.inputs, self.outputs = session.get_inputs(), session.get_outputs()
        self._output = output
        self._graphs = 0
        # Of the last call, when the next one with the same shapes may be captured or replayed.
        self._result: np.ndarray | None = None
        self._kept_output: OrtValue | None = None
        self._device = "cpu" if session.get_providers()[0] == CPU else "cuda"
        self._binding = session.io_binding()
        self._values: dict[str, OrtValue] = {}

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Copy the inputs to the device and run. Raises what onnxruntime raises."""
        # In one pass over all: one that has moved makes the captured run useless.
        if any([self._copy(name, array) for name, array in inputs.items()]):
            self._result = self._kept_output = None
        if self.captures and self._result is not None:
            return self._replay()
        # Its shape may differ from the last call's.
        self._binding.bind_output(self._output, "cpu")
        self._run(_NO_GRAPH)
        self._result = self._binding.get_outputs()[0].numpy()
        return self._result

    def _replay(self) -> np.ndarray:
        if self._kept_output is None:
            if self._graphs == MAX_GRAPHS:
                self.captures = False
            self._graphs += 1
            shape, dtype = list(self._result.shape), self._result.dtype
            self._kept_output = OrtValue.ortvalue_from_shape_and_type(shape, dtype, self._device, 0)
            self._binding.bind_ortvalue_output(self._output, self._kept_output)
        self._run(self._graphs if self.captures else _NO_GRAPH)
        # A copy: the next call writes to the same place.
        return np.array(self._kept_output.numpy())

    def _run(self, graph: int) -> None:
        options = onnxruntime.RunOptions()
        options.add_run_config_entry(_GRAPH_ID, str(graph))
        self.session.run_with_iobinding(self._binding, options)

    def _copy(self, name: str, array: np.ndarray) -> bool:
        """Copy one input to its buffer; returns whether that is a new one."""
        value = self._values.get(name)
        is_new = value is None or tuple(value.shape()) != array.shape
        if is_new:
            # A camera that changes its size gets a new buffer, once.
            shape = list(array.shape)
            value = OrtValue.ortvalue_from_shape_and_type(shape, array.dtype, self._device, 0)
            self._values[name] = value
            self._binding.bind_ortvalue_input(name, value)
        value.update_inplace(array)
        return is_new
