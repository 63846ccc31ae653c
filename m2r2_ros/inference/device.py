# SPDX-License-Identifier: Apache-2.0
"""A graph on the GPU where there is one, and its fallback when the GPU fails in mid-run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.io_binding import BoundSession
from m2r2_ros.inference.model_file import ModelFile, read_model
from m2r2_ros.inference.session import CPU, TensorRt, offers_gpu, open_session
from m2r2_ros.inference.split_session import SplitSession

# The same on every machine: part of the bit-for-bit rule.
THREADS = 2

_log = logging.getLogger(__name__)


class DeviceSession:
    """One output of one graph.

    A GPU that fails in mid-run is a logged warning, and the CPU goes on; with `require_gpu` every
    call is an error until the GPU works again. CUDA graphs that fail are a warning, and the GPU
    goes on without. `session` is the one in use now; `inputs` and `outputs` are the graph's.
    """

    def __init__(
        self,
        model: ModelFile,
        output: str,
        require_gpu: bool = False,
        tensorrt: TensorRt | None = None,
        graphs: bool = False,
        pictures: str = "",
    ) -> None:
        """As `open_session`; raises M2R2Error.

        `pictures`: what the names of inputs begin with that may be begun before the others are
        there.
        """
        self._path, self._sha256 = model.path, model.sha256
        self._pictures = pictures
        self._output = output
        self._must_stay = require_gpu
        # Arguments to open it again without CUDA graphs.
        self._on_gpu = {"require_gpu": require_gpu, "tensorrt": tensorrt}
        self._open(model, **self._on_gpu, graphs=graphs)

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

    def begin(self, name: str, picture: Callable[[], np.ndarray]) -> None:
        """Work ahead on a picture that a later call will have as its input: on the CPU."""
        if isinstance(self._bound, SplitSession):
            self._bound.begin(name, picture)

    def _open_again(self, **how: Any) -> None:
        model = read_model(self._path)
        if model.sha256 != self._sha256:
            raise M2R2Error("the file has changed since it was opened")
        self._open(model, **how)

    def _open(self, model: ModelFile, **how: Any) -> None:
        self._bound = self._split(model, **how)
        if self._bound is None:
            session = open_session(model, THREADS, **how)
            self._bound = BoundSession(session, self._output)
        self.session = self._bound.session
        self.inputs, self.outputs = self._bound.inputs, self._bound.outputs

    def _split(
        self, model: ModelFile, allow_gpu: bool = True, tensorrt: TensorRt | None = None, **_: Any
    ) -> SplitSession | None:
        """The graph in parts, None where it is opened whole: for a GPU, or to say what is wrong."""
        if not self._pictures or (allow_gpu and (offers_gpu() or self._must_stay or tensorrt)):
            return None
        try:
            return SplitSession(model, self._output, self._pictures, THREADS)
        except (M2R2Error, ValueError, IndexError):
            return None
