# SPDX-License-Identifier: Apache-2.0
import itertools
import json
import math

import numpy as np
import pytest
import torch

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.m2r2 import M2R2, M2R2Config
from m2r2_ros.networks.statistics import Statistics
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.onnx_export import random_inputs

TINY = M2R2Config(
    feature_dimension=8, image_size=32, image_stages=2, image_cells=2, audio_width=8, heads=2
)
LAYOUT = REASSEMBLE_LAYOUT


@pytest.fixture(scope="module")
def encoder() -> M2R2:
    torch.manual_seed(0)
    return M2R2(LAYOUT, TINY).eval()


def norm(x, layer):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + layer.eps)
    return scaled * array(layer.weight) + array(layer.bias)


def linear(x, layer):
    return x @ array(layer.weight).T + array(layer.bias)


def array(tensor):
    return tensor.detach().double().numpy()


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def test_equations_2_and_3_and_the_mlp_in_numpy(encoder):
    """tok -> one self-attention encoder layer -> concatenation -> MLP, written out."""
    inputs = random_inputs(LAYOUT, 1, (24, 32))
    prepared = encoder.prepare(inputs)
    tokens = array(encoder.tokens(prepared)[0][0])
    layer = encoder.modality_transformer.layers[0]
    attention, heads, width = layer.self_attn, TINY.heads, TINY.feature_dimension
    x = norm(tokens, layer.norm1)
    projected = x @ array(attention.in_proj_weight).T + array(attention.in_proj_bias)
    query, key, value = (
        part.reshape(-1, heads, width // heads) for part in np.split(projected, 3, axis=1)
    )
    scores = np.einsum("ihd,jhd->hij", query, key) / math.sqrt(width // heads)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    mixed = np.einsum("hij,jhd->ihd", weights, value).reshape(-1, width)
    tokens = tokens + linear(mixed, attention.out_proj)
    hidden = gelu(linear(norm(tokens, layer.norm2), layer.linear1))
    tokens = tokens + linear(hidden, layer.linear2)
    joined = norm(tokens.reshape(-1), encoder.fuse[0])
    expected = linear(gelu(linear(joined, encoder.fuse[1])), encoder.fuse[3])
    np.testing.assert_allclose(array(encoder(inputs)[0]), expected, atol=1e-5)


@pytest.mark.parametrize("modality", LAYOUT.modalities)
def test_what_a_masked_modality_holds_has_no_influence(encoder, modality):
    inputs = random_inputs(LAYOUT, 2, (24, 32))
    inputs["mask"][:, LAYOUT.modalities.index(modality)] = False
    expected = encoder(inputs)
    name = f"image_{modality}" if modality in LAYOUT.cameras else modality
    for filling in (0, 255) if modality in LAYOUT.cameras else (math.nan, math.inf, -1e30, 0.0):
        changed = inputs | {name: torch.full_like(inputs[name], filling)}
        assert torch.equal(encoder(changed), expected)


@pytest.mark.parametrize("modality", LAYOUT.modalities)
def test_every_modality_has_influence_when_it_is_there(encoder, modality):
    inputs = random_inputs(LAYOUT, 1, (24, 32))
    name = f"image_{modality}" if modality in LAYOUT.cameras else modality
    changed = inputs | {name: inputs[name].flip(-2 if inputs[name].dim() > 2 else -1)}
    changed[name] = (changed[name] * 0.5).to(inputs[name].dtype)
    assert not torch.allclose(encoder(changed), encoder(inputs))


def test_older_rows_than_the_length_have_no_influence(encoder):
    inputs = random_inputs(LAYOUT, 1, (24, 32))
    for name in [n for n in inputs if n.endswith("_length")]:
        inputs[name] = inputs[name] // 2
    expected = encoder(inputs)
    for name in (*LAYOUT.signals, "audio"):
        inputs[name] = inputs[name].clone()
        inputs[name][:, : inputs[name].shape[1] // 2] = math.nan
    assert torch.equal(encoder(inputs), expected)


def test_an_empty_stream_counts_as_masked(encoder):
    inputs = random_inputs(LAYOUT, 1, (24, 32))
    masked = inputs | {"mask": inputs["mask"].clone()}
    for name in ("audio", "pose"):
        masked["mask"][:, LAYOUT.modalities.index(name)] = False
        inputs[f"{name}_length"] = torch.zeros(1, dtype=torch.int64)
    torch.testing.assert_close(encoder(inputs), encoder(masked))


def test_nan_never_comes_out(encoder):
    inputs = random_inputs(LAYOUT, 1, (24, 32))
    for name in (*LAYOUT.signals, "audio"):
        inputs[name][:, ::3] = math.nan
        inputs[name][:, 1::3] = math.inf
    assert encoder(inputs).isfinite().all()


@pytest.mark.parametrize(
    "layout",
    [
        SensorLayout(cameras=("a",), audio=False, signals=()),
        SensorLayout(cameras=(), audio=True, signals=()),
        SensorLayout(cameras=(), audio=False, signals=("wrench", "gripper")),
        SensorLayout(cameras=("a", "b", "c"), window_rate_hz=30.0),
    ],
)
def test_any_subset_of_modalities(layout):
    encoder = M2R2(layout, TINY).eval()
    assert encoder(random_inputs(layout, 3, (24, 32))).shape == (3, TINY.feature_dimension)


def test_signals_are_normalised_by_the_training_statistics(encoder):
    torch.manual_seed(0)
    other = M2R2(LAYOUT, TINY).eval()
    random = np.random.default_rng(0)
    neutral = Statistics.neutral(LAYOUT)
    mean = {name: random.normal(size=len(v)).tolist() for name, v in neutral.mean.items()}
    std = {name: random.uniform(0.5, 2, len(v)).tolist() for name, v in neutral.std.items()}
    other.set_statistics(Statistics(mean, std, neutral.decibel_low, neutral.decibel_high))
    inputs = random_inputs(LAYOUT, 1, (24, 32))
    expected = encoder(inputs)
    raw = {
        name: inputs[name] * torch.tensor(std[name]) + torch.tensor(mean[name])
        for name in LAYOUT.signals
    }
    torch.testing.assert_close(other(inputs | raw), expected, atol=1e-4, rtol=1e-4)


def test_the_spectrogram_is_scaled_to_minus_one_to_one(encoder):
    low, high = encoder.decibel_range.tolist()
    scaled = encoder._scaled_decibel(torch.tensor([low, (low + high) / 2, high, high + 50]))
    torch.testing.assert_close(scaled, torch.tensor([-1.0, 0.0, 1.0, 1.0]))


def test_statistics_of_another_sensor_set_are_refused(encoder):
    neutral = Statistics.neutral(LAYOUT)
    for broken in (
        Statistics(),
        Statistics(neutral.mean, {name: [0.0] * len(v) for name, v in neutral.std.items()}),
        Statistics(neutral.mean, neutral.std, 0.0, 0.0),
    ):
        with pytest.raises(M2R2Error, match="statistics"):
            encoder.set_statistics(broken)
    with pytest.raises(M2R2Error, match="'wrench' are not finite"):
        Statistics(neutral.mean | {"wrench": [math.nan] * 6}, neutral.std).check(LAYOUT)
    whole = json.loads(neutral.to_json())
    for text in (
        "[1, 2]",
        "{}",
        "[" * 100_000,
        json.dumps(whole | {"mean": 3}),
        json.dumps(whole | {"std": {"wrench": ["one"] * 6}}),
        json.dumps(whole | {"decibel_low": None}),
        json.dumps(whole | {"more": 1}),
    ):
        with pytest.raises(M2R2Error, match="bad statistics file"):
            Statistics.from_json(text)
    assert Statistics.from_json(neutral.to_json()) == neutral


def test_batches_do_not_mix(encoder):
    inputs = random_inputs(LAYOUT, 3, (24, 32))
    together = encoder(inputs)
    for index, row in itertools.product((0, 2), (together,)):
        alone = encoder({name: value[index : index + 1] for name, value in inputs.items()})
        torch.testing.assert_close(alone[0], row[index], atol=1e-5, rtol=1e-4)
