# SPDX-License-Identifier: Apache-2.0
"""A graph on the GPU where there is one, and its fallback when the GPU fails in mid-run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.io_binding import BoundSession
from m2r2_ros.inference.model_file import ModelFile, read_model
from m2r2_ros.inference.session import CPU, TensorRt, open_session

# The same on every machine: part of the bit-for-bit rule.
THREADS = 2

_log = logging.getLogger(__name__)


class DeviceSession:
    """One output of one graph.

    A GPU that fails in mid-run is a logged warning, and the CPU goes on; with `require_gpu` every
    call is an error until the GPU works again. CUDA graphs that fail are a warning, and the GPU
    goes on without. `session` is the one in use now.
    """

    def __init__(
        self,
        model: ModelFile,
        output: str,
        require_gpu: bool = False,
        tensorrt: TensorRt | None = None,
        graphs: bool = False,
    ) -> None:
        """As `open_session`; raises M2R2Error."""
        self._path, self._sha256 = model.path, model.sha256
        self._output = output
        self._must_stay = require_gpu
        # Arguments to open it again without CUDA graphs.
        self._on_gpu = {"require_gpu": require_gpu, "tensorrt": tensorrt}
        self._use(open_session(model, THREADS, **self._on_gpu, graphs=graphs))

    @property
    def providers(self) -> list[str]:
        """The execution providers that onnxruntime really uses, e.g. ["CPUExecutionProvider"]."""
        return self.session.get_providers()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The output for these inputs.

        Raises what onnxruntime raises, and M2R2Error when the file has changed meanwhile.
        """
        try:
            return self._bound(inputs)
        except Exception as error:
            if self._bound.captures:
                _log.warning("%s: CUDA graphs failed, without them now: %s", self._path, error)
                self._open_again(**self._on_gpu)
                return self(inputs)
            if self._must_stay or self.providers[0] == CPU:
                raise
            _log.warning("%s: %s failed, on the CPU now: %s", self._path, self.providers[0], error)
        self._open_again(allow_gpu=False)
        return self._bound(inputs)

    def _open_again(self, **how: Any) -> None:
        model = read_model(self._path)
        if model.sha256 != self._sha256:
            raise M2R2Error("the file has changed since it was opened")
        self._use(open_session(model, THREADS, **how))

    def _use(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session
        self._bound = BoundSession(session, self._output)
