# SPDX-License-Identifier: Apache-2.0
"""onnxruntime sessions set up for a robot: few threads, no spinning, no silent loss of the GPU."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.graph_loops import check_ends
from m2r2_ros.inference.model_file import ModelFile

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

# ONNX element type and shape; None is a dimension that the caller chooses at each call.
TensorType = tuple[str, tuple[int | None, ...]]

# Provider -> the option with which its runs can be captured.
_GRAPHS = {CUDA: {"enable_cuda_graph": "1"}, TENSORRT: {"trt_cuda_graph_enable": "1"}}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TensorRt:
    """Run the graph as a TensorRT engine, which takes minutes to build for a new graph or GPU.

    cache   folder where engines are kept, so that they are built once.
    half    compute in float16 where TensorRT finds it faster; features then differ by 1e-2.
    """

    cache: Path
    half: bool = False


def open_session(
    model: ModelFile,
    threads: int,
    allow_gpu: bool = True,
    require_gpu: bool = False,
    tensorrt: TensorRt | None = None,
    graphs: bool = False,
) -> onnxruntime.InferenceSession:
    """Open `model` on the GPU where there is one and it may, else on `threads` CPU threads.

    On a GPU by CUDA, or by `tensorrt` with CUDA for what TensorRT cannot do. With `graphs` a run
    may be captured as one CUDA graph and replayed (`io_binding.BoundSession`); a model that needs
    the CPU for some part is opened without graphs, with a logged warning.

    The number of threads is the caller's constant: features are then equal on all machines.
    Raises M2R2Error when the file is no valid ONNX graph, when its run may have no end or, with
    `require_gpu`, when the GPU cannot be used; without it the loss of a GPU is a logged warning.
    """
    check_ends(model)
    providers = _providers(model.path, allow_gpu, require_gpu, tensorrt is not None)
    try:
        settings = [(name, _provider_options(name, tensorrt)) for name in providers]
        if graphs:
            settings[0][1].update(_GRAPHS.get(providers[0], {}))
        # From bytes, so that external data beside the file is never followed.
        session = onnxruntime.InferenceSession(model.data, _options(threads), providers=settings)
    except Exception as error:  # onnxruntime's own exceptions share no base class.
        if graphs and providers[0] != CPU:
            _log.warning("%s: opened without CUDA graphs: %s", model.path, _first_line(error))
            return open_session(model, threads, allow_gpu, require_gpu, tensorrt)
        raise M2R2Error(f"{model.path}: no usable ONNX model: {_first_line(error)}") from error
    # CUDA is offered even where its libraries do not load; only the session knows.
    if session.get_providers()[0] != providers[0]:
        name = providers[0].removesuffix("ExecutionProvider")
        problem = f"{model.path}: {name} did not start (driver, CUDA or cuDNN of another version?)"
        if require_gpu:
            raise M2R2Error(f"{problem}, and require_gpu forbids the CPU")
        _log.warning("%s: running on the CPU", problem)
    if require_gpu:
        # onnxruntime would otherwise answer a failure in mid-run by a new session on the CPU.
        session.disable_fallback()
    return session


def _providers(path: Path, allow_gpu: bool, require_gpu: bool, tensorrt: bool) -> list[str]:
    """Execution providers to ask for, the fastest first."""
    offered = onnxruntime.get_available_providers()
    if require_gpu and CUDA not in offered:
        raise M2R2Error(
            f"{path}: require_gpu is set, but this onnxruntime has only "
            f"{', '.join(offered)}: install onnxruntime-gpu"
        )
    providers = [name for name in (CUDA, CPU) if name == CPU or (allow_gpu and name in offered)]
    if tensorrt and allow_gpu:
        if TENSORRT in offered:
            providers.insert(0, TENSORRT)
        elif require_gpu:
            raise M2R2Error(f"{path}: this onnxruntime has no TensorRT")
        else:
            _log.warning("%s: this onnxruntime has no TensorRT", path)
    return providers


def offers_gpu() -> bool:
    """Whether this onnxruntime was built for a GPU; whether one is there, only a session knows."""
    return CUDA in onnxruntime.get_available_providers()


def can_capture(session: onnxruntime.InferenceSession) -> bool:
    """Whether the session was opened with `graphs`, on a GPU."""
    provider = session.get_providers()[0]
    options = session.get_provider_options().get(provider, {})
    return any(options.get(name) == value for name, value in _GRAPHS.get(provider, {}).items())


def _provider_options(name: str, tensorrt: TensorRt | None) -> dict[str, str]:
    if name == CUDA:
        return {
            # Exhaustive search takes seconds for every new image size.
            "cudnn_conv_algo_search": "HEURISTIC",
            # Its ten bits of mantissa would show: features agree with the CPU's to 1e-4 without.
            "use_tf32": "0",
        }
    if name == TENSORRT:
        tensorrt.cache.mkdir(parents=True, exist_ok=True)
        return {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(tensorrt.cache),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(tensorrt.cache),
            "trt_fp16_enable": "1" if tensorrt.half else "0",
        }
    return {}


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning pool takes the cores that the sensor queues need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    return options


def check_tensors(
    model: ModelFile,
    direction: str,
    tensors: Iterable[Any],
    expected: Mapping[str, TensorType],
    exact: bool = True,
) -> None:
    """Compare a graph's inputs or outputs with what its metadata promises.

    `direction` ("input", "output") is for the message. With `exact` no other tensor may be there
    and every dimension must be as declared; without, a free dimension matches a fixed one.
    Raises M2R2Error that names the file, the tensor and both shapes.
    """
    found = {tensor.name: tensor for tensor in tensors}
    for name, (kind, shape) in expected.items():
        if name not in found:
            raise M2R2Error(f"{model.path}: has no {direction} '{name}', its metadata promises one")
        tensor = found[name]
        if tensor.type != f"tensor({kind})" or not _shapes_agree(tensor.shape, shape, exact):
            raise M2R2Error(
                f"{model.path}: {direction} '{name}' is {tensor.type} {_text(tensor.shape)}, "
                f"its metadata promises tensor({kind}) {_text(shape)}"
            )
    for name in found:
        if exact and name not in expected:
            raise M2R2Error(
                f"{model.path}: has an {direction} '{name}' that its metadata does not know"
            )


def _shapes_agree(actual: list[Any], expected: tuple[int | None, ...], exact: bool) -> bool:
    if len(actual) != len(expected):
        return False
    pairs = [(a if isinstance(a, int) else None, e) for a, e in zip(actual, expected, strict=True)]
    return all(a == e or (not exact and None in (a, e)) for a, e in pairs)


def _text(shape: Iterable[Any]) -> str:
    return "(" + ", ".join(str(d) if isinstance(d, int) else "any" for d in shape) + ")"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
