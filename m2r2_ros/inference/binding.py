# SPDX-License-Identifier: Apache-2.0
"""Inputs that stay on the device: the same buffers, at the same addresses, for every call.

The same code runs on the CPU, where a device is memory like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime
from onnxruntime import OrtValue

from m2r2_ros.inference.session import CPU


class BoundSession:
    """One session's inputs on its device, and one output back on the CPU.

    Unlike `InferenceSession.run` it never opens another session on the CPU when a GPU fails: the
    caller gets the error.
    """

    def __init__(self, session: onnxruntime.InferenceSession, output: str) -> None:
        self._session = session
        self._output = output
        self._device = "cpu" if session.get_providers()[0] == CPU else "cuda"
        self._binding = session.io_binding()
        self._values: dict[str, OrtValue] = {}

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Copy the inputs to the device and run. Raises what onnxruntime raises."""
        for name, array in inputs.items():
            self._copy(name, array)
        # Its shape may differ from the last call's.
        self._binding.bind_output(self._output, "cpu")
        self._session.run_with_iobinding(self._binding)
        return self._binding.get_outputs()[0].numpy()

    def _copy(self, name: str, array: np.ndarray) -> None:
        value = self._values.get(name)
        if value is None or tuple(value.shape()) != array.shape:
            # A camera that changes its size gets a new buffer, once.
            shape = list(array.shape)
            value = OrtValue.ortvalue_from_shape_and_type(shape, array.dtype, self._device, 0)
            self._values[name] = value
            self._binding.bind_ortvalue_input(name, value)
        value.update_inplace(array)
