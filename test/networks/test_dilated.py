# SPDX-License-Identifier: Apache-2.0
"""The layers of the offline heads against torch's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from m2r2_ros.networks.heads.dilated import DilatedConvolution, Dropout, ResidualLayer, Standardise


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("dilation", [1, 4, 9, 10, 25])
def test_convolution_and_its_gradients_are_those_of_torch(kernel, dilation):
    """Dilations below, at and beyond the length of the sequence."""
    torch.manual_seed(0)
    layer = DilatedConvolution(4, 3, kernel, dilation)
    x = torch.randn(10, 4, requires_grad=True)
    pull = torch.randn(10, 3)

    def torch_way():
        padding = kernel // 2 * dilation
        weight = layer.weight.permute(2, 1, 0)
        return functional.conv1d(x.T[None], weight, layer.bias, padding=padding, dilation=dilation)

    found, expected = layer(x), torch_way()[0].T
    torch.testing.assert_close(found, expected)
    variables = (x, layer.weight, layer.bias)
    for one, other in zip(
        torch.autograd.grad((found * pull).sum(), variables),
        torch.autograd.grad((expected * pull).sum(), variables),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_weights_begin_as_those_of_torch():
    torch.manual_seed(0)
    weight, bias = DilatedConvolution(64, 64, 3, 1).weight, DilatedConvolution(64, 64, 3, 1).bias
    other = nn.Conv1d(64, 64, 3).weight
    assert weight.std().item() == pytest.approx(other.std().item(), rel=0.05)
    assert weight.abs().max().item() == pytest.approx(other.abs().max().item(), rel=0.01)
    assert bias.abs().max() <= 1 / (64 * 3) ** 0.5


@pytest.mark.parametrize("probability", [0.25, 0.3, 0.5])
def test_dropout_keeps_the_mean_and_drops_its_share(probability):
    torch.manual_seed(0)
    dropout = Dropout(probability)
    x = torch.ones(1000, 100, requires_grad=True)
    y = dropout(x)
    assert (y == 0).float().mean().item() == pytest.approx(probability, abs=0.01)
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    assert len(y.unique()) == 2
    y.sum().backward()
    assert torch.equal(x.grad, y)
    torch.manual_seed(0)
    assert torch.equal(dropout(x), y)
    assert not torch.equal(dropout(x), y)
    assert dropout.eval()(x) is x


def test_dropout_at_its_ends():
    x = torch.randn(5, 3)
    assert Dropout(0.0)(x) is x
    assert torch.equal(Dropout(1.0)(x), torch.zeros(5, 3))


@pytest.mark.parametrize("dilation", [1, 2, 9])
@pytest.mark.parametrize("training", [False, True])
def test_a_residual_layer_and_its_gradients_are_what_ms_tcn_writes(dilation, training):
    torch.manual_seed(0)
    layer = ResidualLayer(4, dilation, 0.5).train(training)
    x, pull = torch.randn(7, 4, requires_grad=True), torch.randn(7, 4)

    def written(factors):
        hidden = layer.dilated(x).clamp(min=0)
        return x + factors * (hidden @ layer.mix.weight.T + layer.mix.bias)

    torch.manual_seed(1)
    found = layer(x)
    torch.manual_seed(1)
    factors = layer.dropout.factors(x)
    assert (factors is None) is not training
    expected = written(torch.ones(7, 4) if factors is None else factors)
    torch.testing.assert_close(found, expected)
    variables = (x, *layer.parameters())
    for one, other in zip(
        torch.autograd.grad((found * pull).sum(), variables),
        torch.autograd.grad((expected * pull).sum(), variables),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_standardised_features_have_mean_0_and_deviation_1():
    layer = Standardise(2)
    layer.mean, layer.std = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])
    assert layer(torch.tensor([[3.0, -2.0]])).tolist() == [[1.0, -1.0]]
