# SPDX-License-Identifier: Apache-2.0
"""What a device should take for a graph, from its counted FLOPs and bytes and the device's peaks.

The graph is run once on the CPU as it is stored, and onnxruntime notes the shapes of each node. A
node takes as long as its FLOPs at the device's peak or its bytes at its bandwidth, whichever is
longer (Williams, Waterman and Patterson, Roofline, CACM 52, 2009). With every intermediate result
in memory that is `expected_ms`; where all nodes were fused into one, `least_ms`. Neither has what a
launch costs, which small graphs feel most.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from m2r2_ros.benchmarks.comparison import rounded
from m2r2_ros.inference.model_file import read_model

# Device -> float32 TFLOPS without tensor cores, and GB/s: of the data sheets.
_DEVICES = {
    "T4": (8.1, 320.0),
    "L4": (30.3, 300.0),
    "A100-SXM4-40GB": (19.5, 1555.0),
    "A100-SXM4-80GB": (19.5, 2039.0),
    "H100 80GB HBM3": (67.0, 3350.0),
    "H200": (67.0, 4800.0),
}

# They compute nothing, and a device need not copy.
_VIEWS = {"Constant", "Flatten", "Identity", "Reshape", "Shape", "Squeeze", "Unsqueeze"}


@dataclass(frozen=True)
class Peaks:
    """Of a device: FLOPs a second, and bytes a second of its memory."""

    flops: float
    bandwidth: float

    @classmethod
    def of(cls, tflops: float, gb_s: float) -> Peaks:
        return cls(tflops * 1e12, gb_s * 1e9)


@dataclass(frozen=True)
class Cost:
    """Of a node: FLOPs, a multiplication with its addition as two; bytes of its weights, and of all
    that it reads and writes."""

    flops: int
    weights: int
    bytes: int

    def seconds(self, peaks: Peaks) -> float:
        """By the roofline."""
        return max(self.flops / peaks.flops, self.bytes / peaks.bandwidth)


def count(graph: Path, inputs: Mapping[str, np.ndarray]) -> list[Cost]:
    """The cost of every node for these inputs."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    # Weights that were packed beforehand are not listed.
    options.add_session_config_entry("session.disable_prepacking", "1")
    with tempfile.TemporaryDirectory(prefix="m2r2_bench_counts_") as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(read_model(graph).data, options, providers)
        session.run(None, dict(inputs))
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    return [_cost(event["args"]) for event in events if event["name"].endswith("_kernel_time")]


def _cost(node: Mapping[str, Any]) -> Cost:
    if node["op_name"] in _VIEWS:
        return Cost(0, 0, 0)
    sizes = [int(node[f"{kind}_size"]) for kind in ("parameter", "activation", "output")]
    return Cost(_flops(node), sizes[0], sum(sizes))


def _flops(node: Mapping[str, Any]) -> int:
    taken, given = (list(map(_shape, node[f"{way}_type_shape"])) for way in ("input", "output"))
    operation, out = node["op_name"], prod(given[0])
    if operation == "Conv":
        return 2 * out * prod(taken[1][1:])
    if operation == "ConvTranspose":
        return 2 * prod(taken[0]) * prod(taken[1][1:])
    if operation == "MatMul":
        return 2 * out * taken[0][-1]
    if operation == "Gemm":
        return 2 * out * (prod(taken[0]) // given[0][0])
    return out


def _shape(entry: Mapping[str, list[int]]) -> list[int]:
    """Of a tensor, which is listed with its type; of an input that is left out, none."""
    return next(iter(entry.values()), [0])


def expect(costs: Iterable[Cost], peaks: Peaks | None) -> dict[str, Any]:
    """What was counted and, with peaks, the times [ms]."""
    costs = list(costs)
    flops, moved = sum(cost.flops for cost in costs), sum(cost.bytes for cost in costs)
    counted = {"nodes": len(costs), "gflops": rounded(flops / 1e9), "mb": rounded(moved / 1e6)}
    if peaks is None:
        return counted
    seconds = sum(cost.seconds(peaks) for cost in costs)
    weights = sum(cost.weights for cost in costs)
    least = max(flops / peaks.flops, weights / peaks.bandwidth)
    return counted | {"least_ms": rounded(1e3 * least), "expected_ms": rounded(1e3 * seconds)}


def gpu_name() -> str:
    """What NVIDIA's driver calls this machine's first GPU; "" without one."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.partition("\n")[0].strip()


def known_peaks(name: str) -> Peaks | None:
    """Those of a GPU, if it is known here."""
    found = next((p for known, p in _DEVICES.items() if name.endswith(known)), None)
    return Peaks.of(*found) if found else None
