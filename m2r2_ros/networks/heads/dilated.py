# SPDX-License-Identifier: Apache-2.0
"""What the offline heads are built from, laid out for a CPU: one sequence (T, C), time first.

A dilated convolution of kernel K is then K products of whole matrices, without gathering or
transposing anything, and dropout draws a byte an element rather than a Bernoulli variable. Both
compute what torch's layers do; a training step takes about a third of their time.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

# Dropout probabilities are multiples of 1 / 256.
_BYTE = 256


class DilatedConvolution(nn.Module):
    """(T, C_in) -> (T, C_out): an acausal convolution, zeros beyond the ends; odd kernel."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        # As torch initialises its convolutions.
        bound = 1 / math.sqrt(inputs * kernel)
        self.weight = nn.Parameter(torch.empty(kernel, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return _ShiftedProducts.apply(x, self.weight, self.bias, self.dilation)


class Dropout(nn.Module):
    """Zeroes elements with this probability, rounded to 1 / 256, and scales the rest up."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self._dropped = round(probability * _BYTE)

    def forward(self, x: Tensor) -> Tensor:
        factors = self.factors(x)
        return x if factors is None else x * factors

    def factors(self, x: Tensor) -> Tensor | None:
        """What to multiply the elements by; None when nothing is dropped."""
        if not self.training or not self._dropped:
            return None
        if self._dropped == _BYTE:
            return torch.zeros_like(x)
        # As floats: comparing bytes and turning the answer into floats takes six times as long.
        level = _random_bytes(x.numel()).view(x.shape).float()
        kept = level.sub_(self._dropped - 1).clamp_(0, 1)
        return kept.mul_(_BYTE / (_BYTE - self._dropped))


class ResidualLayer(nn.Module):
    """x + dropout(W relu(dilated convolution of x)): MS-TCN, equations (1) and (2)."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.dilated = DilatedConvolution(channels, channels, 3, dilation)
        self.mix = nn.Linear(channels, channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        convolution, mix, factors = self.dilated, self.mix, self.dropout.factors(x)
        return _Residual.apply(
            x,
            convolution.weight,
            convolution.bias,
            mix.weight,
            mix.bias,
            factors,
            convolution.dilation,
        )


class DilatedStack(nn.Sequential):
    """(T, inputs) -> (T, channels): a 1x1 convolution, then layers of dilation 1, 2, 4, ..."""

    def __init__(self, inputs: int, channels: int, layers: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(inputs, channels),
            *(ResidualLayer(channels, 2**index, dropout) for index in range(layers)),
        )


class Stage(nn.Sequential):
    """A single-stage TCN, (T, inputs) -> logits (T, outputs): MS-TCN, III-A."""

    def __init__(
        self, inputs: int, channels: int, outputs: int, layers: int, dropout: float
    ) -> None:
        super().__init__(
            DilatedStack(inputs, channels, layers, dropout), nn.Linear(channels, outputs)
        )


class RefiningStage(Stage):
    """A stage whose input is a posterior over classes.

    Such an input has a norm of at most 1 however many classes there are: torch's initial weights,
    made for `inputs` numbers around 1, would let next to nothing of it through, and with many
    classes the later stages would learn long after the first. So they begin as an embedding of
    the classes, as torch initialises one: of variance 1. (The papers do not say.)
    """

    def __init__(self, classes: int, channels: int, layers: int, dropout: float) -> None:
        super().__init__(classes, channels, classes, layers, dropout)
        nn.init.normal_(self[0][0].weight)


class Standardise(nn.Module):
    """(x - mean) / std, by what the training features had."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("std", torch.ones(dimension))

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.std


class _ShiftedProducts(torch.autograd.Function):
    """y[t] = bias + sum over k of x[t + offset_k] W_k."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return _convolve(x, weight, bias, dilation)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        to_x, to_weight = _convolve_back(gradient, x, weight, ctx.dilation)
        return to_x, to_weight, gradient.sum(0), None


class _Residual(torch.autograd.Function):
    """x + factors * (W relu(convolution of x) + b), with little written to memory in between."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        x, weight, bias, mix, mix_bias, factors, dilation = arguments
        hidden = _convolve(x, weight, bias, dilation).relu_()
        ctx.save_for_backward(x, weight, mix, factors, hidden)
        ctx.dilation = dilation
        y = torch.addmm(mix_bias, hidden, mix.T)
        return (y if factors is None else y.mul_(factors)).add_(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mix, factors, hidden = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        to_y = gradient if factors is None else gradient * factors
        to_hidden = to_y @ mix
        torch.ops.aten.threshold_backward.grad_input(to_hidden, hidden, 0, grad_input=to_hidden)
        to_x, to_weight = _convolve_back(to_hidden, x, weight, ctx.dilation, gradient)
        to_mix, to_mix_bias = (hidden.T @ to_y).T, to_y.sum(0)
        return to_x, to_weight, to_hidden.sum(0), to_mix, to_mix_bias, None, None


def _convolve(x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
    middle = len(weight) // 2
    y = torch.addmm(bias, x, weight[middle])
    for k, (to, source) in enumerate(shifted_rows(len(weight), dilation, len(x))):
        if k != middle:
            y[to].addmm_(x[source], weight[k])
    return y


def _convolve_back(
    gradient: Tensor, x: Tensor, weight: Tensor, dilation: int, more: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Gradients of x, to which `more` is added, and of the weight."""
    middle, to_weight = len(weight) // 2, torch.empty_like(weight)
    back = weight[middle].T
    to_x = gradient @ back if more is None else torch.addmm(more, gradient, back)
    for k, (to, source) in enumerate(shifted_rows(len(weight), dilation, len(x))):
        torch.mm(x[source].T, gradient[to], out=to_weight[k])
        if k != middle:
            to_x[source].addmm_(gradient[to], weight[k].T)
    return to_x, to_weight


def shifted_rows(kernel: int, dilation: int, length: int) -> list[tuple[slice, slice]]:
    """Per element of an odd kernel: the rows that get something, those that they get it from."""
    middle = kernel // 2
    offsets = [(k - middle) * dilation for k in range(kernel)]
    limited = [max(-length, min(length, offset)) for offset in offsets]
    return [
        (slice(max(0, -o), length - max(0, o)), slice(max(0, o), length - max(0, -o)))
        for o in limited
    ]


def _random_bytes(count: int) -> Tensor:
    words = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.uint8)[:count]
