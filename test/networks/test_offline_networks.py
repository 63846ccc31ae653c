# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter

from m2r2_ros.networks.heads.asrf import Asrf, AsrfConfig, find_peaks, refine
from m2r2_ros.networks.heads.diffact import (
    DiffAct,
    DiffActConfig,
    MixedLayer,
    median_over_time,
    step_embedding,
)
from m2r2_ros.networks.heads.diffusion import Diffusion
from m2r2_ros.networks.heads.mstcn import MsTcn, MsTcnConfig

TINY = DiffActConfig(
    encoder_layers=2,
    encoder_channels=8,
    feature_layers=(0, 1),
    decoder_layers=2,
    decoder_channels=8,
    time_dimension=16,
    sampling_steps=4,
)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_default_sizes_are_those_of_the_papers():
    """Counted by hand: per residual layer a 3 x 64 x 64 and a 64 x 64 product with biases."""
    layer, classes, dimension = 3 * 64 * 64 + 64 + 64 * 64 + 64, 17, 2048
    stack = 10 * layer + 64

    def stage(inputs, outputs):
        return stack + inputs * 64 + 64 * outputs + outputs

    ms_tcn = stage(dimension, classes) + 3 * stage(classes, classes)
    assert parameters(MsTcn(dimension, classes, MsTcnConfig())) == ms_tcn
    asrf = stage(dimension, classes) + 65 + 3 * stage(classes, classes) + 3 * stage(1, 1)
    assert parameters(Asrf(dimension, classes, AsrfConfig())) == asrf


def test_stages_refine_the_posterior_of_the_one_before():
    torch.manual_seed(0)
    network = MsTcn(5, 3, MsTcnConfig(stages=3, layers=2, channels=8)).eval()
    logits = network(torch.randn(9, 5))
    assert [tuple(stage.shape) for stage in logits] == [(9, 3)] * 3
    torch.testing.assert_close(logits[2], network.stages[2](logits[1].softmax(-1)))


@pytest.mark.parametrize("classes", [3, 69])
def test_a_posterior_reaches_the_later_stages_however_many_classes_there_are(classes):
    """Sure of one class or of another must make a difference from the first epoch on."""
    torch.manual_seed(0)
    for network in (MsTcn(5, classes, MsTcnConfig()), Asrf(5, classes, AsrfConfig())):
        stages = getattr(network, "segmentation_stages", None) or network.stages[1:]
        assert len(stages) == 3
        for stage in stages:
            enter = stage[0][0]
            difference = (enter.weight[:, 0] - enter.weight[:, 1]).square().mean().item()
            assert difference == pytest.approx(2, rel=0.7)


def test_asrf_has_two_branches():
    torch.manual_seed(0)
    config = AsrfConfig(layers=2, channels=8, segmentation_stages=3, boundary_stages=2)
    network = Asrf(5, 3, config).eval()
    classes, boundaries = network(torch.randn(9, 5))
    assert [tuple(stage.shape) for stage in classes] == [(9, 3)] * 3
    assert [tuple(stage.shape) for stage in boundaries] == [(9,)] * 2
    second = network.boundary_stages[0](boundaries[0].sigmoid()[:, None])[:, 0]
    torch.testing.assert_close(boundaries[1], second)


def test_peaks_are_local_maxima_above_the_threshold():
    boundary = np.array([0.9, 0.1, 0.6, 0.5, 0.7, 0.4, 0.49, 0.2, 0.8, 0.8, 0.1, 0.95])
    assert find_peaks(boundary, 0.5).tolist() == [0, 2, 4]
    assert find_peaks(boundary, 0.65).tolist() == [0, 4]
    assert find_peaks(np.array([0.9]), 0.5).tolist() == [0]
    assert find_peaks(np.array([0.1, 0.9]), 0.5).tolist() == [0]


def test_refinement_votes_between_boundaries():
    favoured = [0, 1, 0, 1, 1, 0, 2, 2]
    probabilities = np.full((8, 3), 0.2)
    probabilities[np.arange(8), favoured] = 0.6
    boundary = np.array([0, 0, 0, 0.9, 0, 0, 0.9, 0])
    classes, means = refine(probabilities, boundary, 0.5)
    assert classes.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    np.testing.assert_allclose(means[:3], [probabilities[:3].mean(0)] * 3)
    np.testing.assert_allclose(means.sum(1), 1)


def test_of_equally_many_votes_the_more_probable_class_wins():
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.9, 0.1], [0.4, 0.6]])
    assert refine(probabilities[:2], np.zeros(2), 0.5)[0].tolist() == [1, 1]
    assert refine(probabilities[2:], np.zeros(2), 0.5)[0].tolist() == [0, 0]


def test_attention_looks_at_the_same_frames_as_the_convolution():
    torch.manual_seed(0)
    layer = MixedLayer(channels=2, conditions=1, kernel=3, dilation=2, dropout=0.5).eval()
    x, seen = torch.randn(5, 2), torch.randn(5, 3)
    with torch.no_grad():
        found = layer._attend(x, seen).numpy()
        query, key, value = layer.query(seen).numpy(), layer.key(seen).numpy(), layer.value(x)
    value = value.numpy()
    for t in range(5):
        near = [s for s in (t - 2, t, t + 2) if 0 <= s < 5]
        scores = np.exp([query[t] @ key[s] / np.sqrt(2) for s in near])
        expected = sum(w * value[s] for w, s in zip(scores / scores.sum(), near, strict=True))
        np.testing.assert_allclose(found[t], expected, atol=1e-6)


def test_a_mixed_layer_passes_exact_gradients():
    torch.manual_seed(0)
    layer = MixedLayer(channels=3, conditions=2, kernel=5, dilation=2, dropout=0.0).double()
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    conditions = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x, conditions), atol=1e-6)


def test_step_embedding_is_sines_and_cosines():
    found = step_embedding(7, 4).numpy()
    np.testing.assert_allclose(found, [np.sin(7), np.sin(7e-4), np.cos(7), np.cos(7e-4)], rtol=1e-5)


def test_the_cosine_schedule_keeps_less_and_less():
    kept = Diffusion(1000, 0.5, 1.0).kept().numpy()
    time = np.arange(1001) / 1000
    level = np.cos((time + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(kept[:990], (level[1:] / level[0])[:990], rtol=1e-6)
    assert (np.diff(kept) < 0).all() and 0 < kept[-1] < 1e-6


def test_noise_is_added_by_the_schedule():
    diffusion = Diffusion(1000, 0.5, 1.0)
    clean, noise = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.2, -0.3]])
    kept = diffusion.kept()[300].item()
    expected = np.sqrt(kept) * np.array([0.5, -0.5]) + np.sqrt(1 - kept) * np.array([0.2, -0.3])
    expected = (expected.clip(-0.5, 0.5) / 0.5 + 1) / 2
    np.testing.assert_allclose(diffusion.add_noise(clean, 300, noise)[0], expected, rtol=1e-5)
    torch.testing.assert_close(diffusion.add_noise(clean, 0, noise), clean, atol=0.02, rtol=0)


@pytest.mark.parametrize("steps", [1, 8, 25, 1000])
def test_sampling_strides_from_noise_to_what_the_denoiser_says(steps):
    diffusion = Diffusion(1000, 0.5, 1.0)
    target = torch.eye(3)[torch.tensor([0, 1, 2, 2])]
    times, first = [], []

    def denoise(noisy, time):
        assert ((noisy >= 0) & (noisy <= 1)).all()
        times.append(time)
        first.append(noisy)
        return target

    found = diffusion.sample(denoise, (4, 3), steps, seed=0)
    assert torch.equal(found, target)
    assert len(times) == steps and times[0] == 999
    assert times == sorted(times, reverse=True) and times[-1] >= 0
    assert steps < 8 or (first[-1] - target).abs().mean() < (first[0] - target).abs().mean()


def test_without_new_noise_sampling_reverses_the_diffusion():
    """With eta 0 and a denoiser that knows the truth, every stride lies on the noise's own path."""
    diffusion = Diffusion(1000, 1.0, 0.0)
    target, seen = torch.full((2, 2), 0.5), []

    def denoise(noisy, time):
        seen.append((noisy, time))
        return target

    diffusion.sample(denoise, (2, 2), 5, seed=3)
    noise = torch.randn((2, 2), generator=torch.Generator().manual_seed(3))
    for noisy, time in seen:
        kept = diffusion.kept()[time].item()
        expected = ((1 - kept) ** 0.5 * noise).clamp(-1, 1) / 2 + 0.5
        torch.testing.assert_close(noisy, expected, atol=1e-4, rtol=0)


def test_a_sample_is_a_posterior_and_follows_from_its_seed():
    torch.manual_seed(0)
    network = DiffAct(5, 3, TINY).eval()
    features = torch.randn(30, 5)
    with torch.no_grad():
        found = network.sample(features, 4, seed=1)
        torch.testing.assert_close(found.sum(1), torch.ones(30))
        torch.manual_seed(99)
        assert torch.equal(found, network.sample(features, 4, seed=1))
        assert not torch.equal(found, network.sample(features, 4, seed=2))
        assert network.sample(features[:1], 4).shape == (1, 3)


@pytest.mark.parametrize("size", [1, 4, 5, 30])
def test_the_median_is_that_of_scipy(size):
    values = np.random.default_rng(0).random((20, 3)).astype(np.float32)
    expected = np.stack([median_filter(column, size) for column in values.T], 1)
    np.testing.assert_array_equal(median_over_time(values, size), expected)
