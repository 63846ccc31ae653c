# SPDX-License-Identifier: Apache-2.0
"""Temperature scaling (Guo et al. 2017): a probability is the share of cases that are right."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

# The search interval; beyond it the head is broken, not badly calibrated.
LOWEST, HIGHEST = 0.05, 20.0
_STEPS = 60
_GOLDEN = (math.sqrt(5) - 1) / 2


def best_temperature(logits: Tensor, classes: Tensor) -> float:
    """The T that minimises the negative log-likelihood of the members' mean of softmax(logits / T).

    logits float32 (N, M, C) of M members, classes int64 (N,). Of one member the likelihood has one
    minimum in log T, which golden section search finds; of several it finds a minimum.
    """

    def loss(log_temperature: float) -> float:
        each = (logits / math.exp(log_temperature)).log_softmax(-1)
        return float(functional.nll_loss(each.logsumexp(1), classes))

    low, high = math.log(LOWEST), math.log(HIGHEST)
    with torch.no_grad():
        for _ in range(_STEPS):
            left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
            if loss(left) < loss(right):
                high = right
            else:
                low = left
    return math.exp((low + high) / 2)
