# SPDX-License-Identifier: Apache-2.0
"""A float16 graph that onnxruntime opens on a CPU, too."""

from __future__ import annotations

from typing import Any

import onnx
from onnxscript.rewriter import pattern, rewrite


class _ProductFirst(pattern.RewriteRuleClassBase):
    """transpose(x) W = transpose(x W), where W is a matrix and the last axis stays the last.

    A CPU multiplies in float32, so onnxruntime turns W into float32 when it opens the graph. With
    a transpose of three axes before the product, as torch's attention has it, versions 1.23 and
    1.31 end the process by a segmentation fault there.
    """

    def pattern(self, op: Any, x: Any, weight: Any) -> Any:
        return op.MatMul(op.Transpose(x, _outputs=["transposed"]), weight)

    def check(self, _context: Any, transposed: Any, weight: Any, **_: Any) -> bool:
        self._axes = list(transposed.producer().attributes["perm"].as_ints())
        is_matrix = weight.shape is not None and len(weight.shape) == 2
        return is_matrix and self._axes[-1] == len(self._axes) - 1

    def rewrite(self, op: Any, x: Any, weight: Any, **_: Any) -> Any:
        return op.Transpose(op.MatMul(x, weight), perm=self._axes)


def openable_on_cpus(data: bytes) -> bytes:
    """The same function as a graph that every CPU can open."""
    rules = [_ProductFirst.rule()]
    return rewrite(onnx.load_from_string(data), pattern_rewrite_rules=rules).SerializeToString()
