# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
import torch

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.heads.causal import CausalConfig, CausalHead
from m2r2_ros.networks.heads.causal_layers import CausalLayer
from m2r2_ros.networks.heads.outlook import OutlookLogits

TINY = CausalConfig(channels=6, layers=4, refinements=2, dropout=0.5, outlook_layers=3)


def make_head() -> CausalHead:
    torch.manual_seed(0)
    head = CausalHead(dimension=5, classes=3, config=TINY).eval()
    head.mean.copy_(torch.randn(5))
    head.std.copy_(torch.rand(5) + 0.5)
    head.outlook.acts.fill_(True)
    head.outlook.judged.fill_(True)
    torch.nn.init.normal_(head.outlook.success.weight)
    # One reading for all classes: members alone differ in the class that they find the likeliest.
    head.outlook.activity.fill_(0)
    return head


def run(head, features, chunks):
    """What a head tells: a column a class, then boundary, progress, success, and that of every
    class."""
    states, outputs, start = head.zero_states(), [], 0
    with torch.no_grad():
        for length in chunks:
            part = features[:, start : start + length]
            probabilities, boundary, states, outlook = head.tell(part, states)
            others = [v.nan_to_num(0.5).reshape(*v.shape[:2], -1) for v in outlook.values()]
            outputs.append(torch.cat([probabilities, boundary[..., None], *others], -1))
            start += length
    return torch.cat(outputs, 1)


def test_any_chunking_equals_the_whole_sequence():
    head, random = make_head(), np.random.default_rng(0)
    features = torch.randn(1, 300, 5)
    whole = run(head, features, [300])
    chunks = random.integers(1, 40, 100)
    chunks = chunks[: np.searchsorted(np.cumsum(chunks), 300)]
    for lengths in ([1] * 300, [*chunks, 300 - chunks.sum()]):
        torch.testing.assert_close(run(head, features, lengths), whole, atol=1e-6, rtol=0)


def test_ten_thousand_frames_in_any_chunks_equal_the_whole_sequence():
    """At the default sizes, whose oldest state lies a thousand frames back."""
    torch.manual_seed(0)
    head = CausalHead(dimension=16, classes=5, config=CausalConfig(members=1)).eval()
    features = torch.randn(1, 10_000, 16)
    whole = run(head, features, [10_000])
    for longest in (50, 3000):
        cuts = np.random.default_rng(longest).integers(1, longest, 10_000).cumsum()
        cuts = [0, *cuts[cuts < 10_000].tolist(), 10_000]
        chunked = run(head, features, np.diff(cuts).tolist())
        torch.testing.assert_close(chunked, whole, atol=1e-5, rtol=0)


def test_nothing_depends_on_the_future():
    head = make_head()
    features = torch.randn(1, 60, 5)
    other = features.clone()
    other[:, 40:] = torch.randn(1, 20, 5)
    before, after = run(head, features, [60]), run(head, other, [60])
    assert torch.equal(before[:, :40], after[:, :40])
    assert not torch.allclose(before[:, 40], after[:, 40])


def test_a_layer_is_a_residual_dilated_convolution_of_the_past():
    torch.manual_seed(0)
    layer = CausalLayer(channels=2, dilation=3, dropout=0.0).eval()
    x = np.random.default_rng(0).normal(size=(2, 9)).astype(np.float32)
    with torch.no_grad():
        found = layer(torch.from_numpy(x)[None], torch.zeros(1, 2, 6))[0][0].numpy()
    weight, bias = layer.dilated.weight.detach().numpy(), layer.dilated.bias.detach().numpy()
    mix, mix_bias = layer.mix.weight.detach().numpy()[..., 0], layer.mix.bias.detach().numpy()
    for t in range(9):
        past = [x[:, t - back] if t >= back else np.zeros(2) for back in (6, 3, 0)]
        hidden = np.maximum(0, sum(weight[..., k] @ past[k] for k in range(3)) + bias)
        np.testing.assert_allclose(found[:, t], x[:, t] + mix @ hidden + mix_bias, atol=1e-5)


def test_it_looks_back_as_far_as_its_layers_say():
    head = make_head()
    assert head.look_backs == [2, 4, 8, 16] * 3
    assert [tuple(state.shape) for state in head.zero_states()] == [
        *((1, 3 * 6, n) for n in (*head.look_backs, 2, 4, 8)),
        (1, 5, 15),
    ]


def test_members_see_nothing_of_one_another_and_are_averaged():
    """Each member's weights alone, in a head of one member, give its part of the mean."""
    head, features = make_head(), torch.randn(1, 30, 5)
    members = head.config.members
    alone, apart = [], dict(head.named_parameters())
    for name in ("weight", "bias"):
        del apart[f"outlook.success.{name}"]
    for m in range(members):
        one = CausalHead(5, 3, replace(TINY, members=1)).eval()
        weights = {
            name: value.chunk(members)[m] if name in apart else value
            for name, value in head.state_dict().items()
        }
        one.load_state_dict(weights)
        alone.append(run(one, features, [30]))
    assert not torch.allclose(alone[0], alone[1], atol=1e-3)
    mean = torch.stack(alone).mean(0)
    torch.testing.assert_close(run(head, features, [7, 23]), mean, atol=1e-6, rtol=0)


def test_the_number_of_members_has_limits():
    for members in (0, 17):
        with pytest.raises(M2R2Error, match=rf"members must be in \[1, 16\], got {members}"):
            CausalConfig(members=members)


def test_outputs_are_probabilities_and_temperature_flattens_them():
    head = make_head()
    features = torch.randn(1, 20, 5)
    sharp = run(head, features, [20])
    torch.testing.assert_close(sharp[..., :3].sum(-1), torch.ones(1, 20))
    assert ((sharp[..., 3] >= 0) & (sharp[..., 3] <= 1)).all()
    head.temperature.fill_(100.0)
    flat = run(head, features, [20])[..., :3]
    assert (flat - 1 / 3).abs().max() < 0.02 < (sharp[..., :3] - 1 / 3).abs().max()


def test_an_outlook_is_told_of_actions_alone_and_changes_nothing_else():
    head, likeliest = make_head(), torch.arange(60)[None] % 3
    probabilities = torch.eye(3)[likeliest]
    logits = OutlookLogits(torch.randn(1, 3, 60), torch.randn(1, 3, 60))
    before = head.outlook.tell(logits, probabilities)
    head.outlook.acts[0] = False
    head.outlook.judged[1] = False
    after = head.outlook.tell(logits, probabilities)
    never = (torch.arange(3) == 1).expand(1, 60, 3)
    silences = likeliest == 0, likeliest == 1, never
    for whole, fewer, silent in zip(before, after, silences, strict=True):
        assert not whole.isnan().any()
        assert torch.equal(fewer.isnan(), silent)
        assert torch.equal(fewer[~silent], whole[~silent])
    features = torch.randn(1, 60, 5)
    torch.manual_seed(0)
    plain = CausalHead(5, 3, replace(TINY, outlook_layers=0)).eval()
    torch.manual_seed(0)
    other = CausalHead(5, 3, TINY).eval()
    assert plain.told == () and other.told == ("progress",)
    same = (one.predict(features, one.zero_states())[:2] for one in (plain, other))
    for values, others in zip(*same, strict=True):
        assert torch.equal(values, others)
