# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from m2r2_ros.networks.tokens import AudioToken, TemporalFusion, first_token, transformer


def test_temporal_fusion_is_the_papers_formula():
    torch.manual_seed(0)
    fusion = TemporalFusion(dimension=3, capacity=5, embedding=4)
    samples = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    samples[:2] = 0
    valid = np.array([False, False, True, True, True])
    found = fusion(torch.from_numpy(samples)[None], torch.from_numpy(valid)[None])[0]
    projection = fusion.projection.weight.detach().numpy()
    temporal = fusion.temporal.detach().numpy()
    rows = [temporal[t] * (projection @ samples[t]) for t in range(5) if valid[t]]
    np.testing.assert_allclose(found.detach().numpy(), np.mean(rows, axis=0), rtol=1e-5)


def test_the_last_row_of_the_temporal_embedding_belongs_to_the_last_sample():
    torch.manual_seed(0)
    fusion = TemporalFusion(dimension=2, capacity=6, embedding=4)
    sample = torch.randn(1, 1, 2)
    padded = torch.cat([torch.zeros(1, 5, 2), sample], 1)
    valid = torch.tensor([[False] * 5 + [True]])
    token = fusion(padded, valid)
    torch.testing.assert_close(token, fusion.projection(sample[:, 0]) * fusion.temporal[-1])
    torch.testing.assert_close(token, fusion(sample, valid[:, -1:]))


def test_a_window_without_samples_gives_no_nan():
    fusion = TemporalFusion(dimension=2, capacity=3, embedding=4)
    assert (fusion(torch.zeros(1, 3, 2), torch.zeros(1, 3, dtype=torch.bool)) == 0).all()


def test_audio_frames_that_are_not_valid_have_no_influence():
    torch.manual_seed(0)
    token = AudioToken(frames=6, width=8, layers=2, heads=2, embedding=4).eval()
    spectrogram = torch.randn(1, 6, 64)
    valid = torch.tensor([[False, False, True, True, True, True]])
    other = spectrogram.clone()
    other[:, :2] = 1e3
    expected = token(spectrogram, valid)
    torch.testing.assert_close(token(other, valid), expected)
    torch.testing.assert_close(token(spectrogram[:, 2:], valid[:, 2:]), expected)
    other[:, 3] = 0
    assert not torch.allclose(token(other, valid), expected)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("training", [False, True])
def test_the_first_token_alone_is_that_of_the_whole_transformer(layers, training):
    torch.manual_seed(0)
    encoder = transformer(width=8, heads=2, layers=layers).train(training)
    tokens = torch.randn(3, 5, 8, requires_grad=True)
    ignored = torch.zeros(3, 5, dtype=torch.bool)
    ignored[1, 2:], ignored[2, 1:] = True, True
    found = first_token(encoder, tokens, ignored)
    expected = encoder(tokens, src_key_padding_mask=ignored)[:, 0]
    torch.testing.assert_close(found, expected)
    weight = encoder.layers[-1].linear1.weight
    slopes = [torch.autograd.grad(x.square().sum(), (tokens, weight)) for x in (found, expected)]
    torch.testing.assert_close(*slopes)
