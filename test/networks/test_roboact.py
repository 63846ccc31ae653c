# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP's equations (2) and (4) to (10), (17), (21) against plain NumPy."""

from __future__ import annotations

from math import erf

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

from m2r2_ros.errors import M2R2Error  # noqa: E402
from m2r2_ros.networks.roboact.config import RoboActConfig  # noqa: E402
from m2r2_ros.networks.roboact.disentanglement import (  # noqa: E402
    FACTORS,
    Combiner,
    Disentanglement,
    FactorClassifiers,
)
from m2r2_ros.networks.roboact.model import TextBranches, VideoBranches, hold_missing  # noqa: E402
from m2r2_ros.networks.roboact.streaming_window import StreamingWindow  # noqa: E402

N, D, WIDTH, HEADS = 5, 7, 8, 2


def config(**changes) -> RoboActConfig:
    return RoboActConfig(**{"frames": N, "width": WIDTH, "layers": 2, "heads": HEADS} | changes)


def video_branches(**changes) -> VideoBranches:
    torch.manual_seed(0)
    module = VideoBranches(config(**changes), D).eval()
    module.set_statistics(torch.randn(D), torch.rand(D) + 0.5)
    for parameter in module.parameters():
        # Norms and biases begin at one and zero, where mistakes would not show.
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def frames(batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, N, D, generator=torch.Generator().manual_seed(1))


def all_valid(batch: int = 3) -> torch.Tensor:
    return torch.ones(batch, N, dtype=torch.bool)


def numpy_of(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


def linear(x, weights, name):
    y = x @ weights[f"{name}.weight"].T
    return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y


def norm(x, weights, name):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * weights[f"{name}.weight"] + weights[
        f"{name}.bias"
    ]


def gelu(x):
    return x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def two_layers(x, weights, name):
    inner = gelu(linear(norm(x, weights, f"{name}.0"), weights, f"{name}.1"))
    return linear(inner, weights, f"{name}.4")


def temporal(projected, weights):
    """Equations (4), (5) and (6), token by token."""
    tokens = weights["temporal.rest"] + projected[:, 1:] - projected[:, :-1]
    count, size = tokens.shape[1], WIDTH // HEADS
    for layer in range(2):
        prefix = f"temporal.layers.{layer}."
        w = {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
        split = linear(norm(tokens, w, "before_attention"), w, "query_key_value")
        query, key, value = np.split(split, 3, axis=-1)
        attended = np.zeros_like(tokens)
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            for i in range(count):
                scores = np.array(
                    [
                        (query[:, i, part] * key[:, j, part]).sum(-1) / np.sqrt(size)
                        + w["distance_bias"][head, j - i + count - 1]
                        for j in range(count)
                    ]
                ).T
                weight = softmax(scores)
                attended[:, i, part] = (weight[..., None] * value[:, :, part]).sum(1)
        tokens = tokens + linear(attended, w, "project")
        inner = gelu(linear(norm(tokens, w, "before_mlp"), w, "mlp.0"))
        tokens = tokens + linear(inner, w, "mlp.3")
    return norm(tokens[:, -1], weights, "temporal.norm")


def fused(x, weights):
    """Equations (4) to (8)."""
    projected = ((x - weights["mean"]) / weights["std"]) @ weights["project.weight"].T
    first, last = projected[:, 0], projected[:, -1]
    parts = [temporal(projected, weights), last - first, first, last]
    return projected, two_layers(np.concatenate(parts, -1), weights, "temporal.fuse")


def attended(query, seen, weights):
    """Equation (9)."""
    size = WIDTH // HEADS
    packed = seen @ weights["disentanglement.attention.in_proj_weight"].T
    packed = packed + weights["disentanglement.attention.in_proj_bias"]
    _, key, value = np.split(packed, 3, axis=-1)
    asked = query @ weights["disentanglement.attention.in_proj_weight"][:WIDTH].T
    asked = asked + weights["disentanglement.attention.in_proj_bias"][:WIDTH]
    heads = []
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        scores = np.einsum("bw,bjw->bj", asked[:, part], key[..., part]) / np.sqrt(size)
        heads.append(np.einsum("bj,bjw->bw", softmax(scores), value[..., part]))
    return linear(np.concatenate(heads, -1), weights, "disentanglement.attention.out_proj")


def test_video_features_are_equations_4_to_10():
    module, weights = video_branches(), numpy_of(video_branches())
    found = module(frames(), all_valid())
    projected, f_v = fused(frames().double().numpy(), weights)
    f_attn = attended(f_v, np.concatenate([f_v[:, None], projected], 1), weights)
    np.testing.assert_allclose(found.attended.detach(), f_attn, atol=1e-4)
    for name in FACTORS:
        branch = two_layers(f_attn, weights, f"disentanglement.branches.{name}")
        np.testing.assert_allclose(found.branches[name].detach(), branch, atol=1e-4)
    joined = torch.cat([found.branches[name] for name in ("subject", "object", "action")], -1)
    assert torch.equal(found.video, joined)


def test_attention_to_the_letter_is_a_linear_map():
    module = video_branches(attend_frames=False)
    weights = numpy_of(module)
    _, f_v = fused(frames().double().numpy(), weights)
    name = "disentanglement.attention"
    value = f_v @ weights[f"{name}.in_proj_weight"][2 * WIDTH :].T
    value = value + weights[f"{name}.in_proj_bias"][2 * WIDTH :]
    expected = linear(value, weights, f"{name}.out_proj")
    found = module(frames(), all_valid()).attended.detach()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_ablation_1_sees_the_first_and_the_last_frame_only():
    module, weights = video_branches(motion="ends"), numpy_of(video_branches(motion="ends"))
    x = frames().double().numpy()
    projected = ((x - weights["mean"]) / weights["std"]) @ weights["project.weight"].T
    ends = projected[:, [0, -1]]
    f_v = two_layers(ends.reshape(3, -1), weights, "temporal.fuse")
    f_attn = attended(f_v, np.concatenate([f_v[:, None], ends], 1), weights)
    found = module(frames(), all_valid()).attended.detach()
    np.testing.assert_allclose(found, f_attn, atol=1e-4)


def test_ablation_2_gives_the_fused_feature_itself():
    module = video_branches(disentangle=False)
    found = module(frames(), all_valid())
    _, f_v = fused(frames().double().numpy(), numpy_of(module))
    np.testing.assert_allclose(found.video.detach(), f_v, atol=1e-4)
    assert found.video.shape == (3, 3 * WIDTH)
    assert (found.attended, found.branches) == (None, {})


def test_the_mean_frame_knows_no_order_and_the_transformer_does():
    order = torch.tensor([3, 0, 4, 1, 2])
    for motion, same in (("mean", True), ("transformer", False)):
        module = video_branches(motion=motion)
        one, other = module(frames(), all_valid()), module(frames()[:, order], all_valid())
        assert torch.allclose(one.video, other.video, atol=1e-5) == same


def test_distance_alone_tells_the_tokens_apart():
    """A window whose only change comes earlier gives another Tem: (5) is not order-blind."""
    module = video_branches().temporal
    still = torch.zeros(1, N, WIDTH)
    early, late = still.clone(), still.clone()
    move = torch.randn(WIDTH)
    early[:, 1:], late[:, 3:] = move, move
    assert not torch.allclose(module.temporal(early), module.temporal(late), atol=1e-3)


def test_a_small_motion_is_not_taken_for_a_large_one():
    module = video_branches().temporal
    move = torch.randn(1, N, WIDTH)
    still = module.temporal(torch.zeros(1, N, WIDTH))
    small, large = ((module.temporal(x) - still).norm() for x in (1e-4 * move, move))
    assert small < large / 100


def test_text_branches_are_equation_2():
    torch.manual_seed(0)
    module = TextBranches(WIDTH, 6).eval()
    text, weights = torch.randn(4, 6), numpy_of(module)
    parts = [two_layers(text.double().numpy(), weights, f"branches.{name}") for name in FACTORS]
    np.testing.assert_allclose(module(text).detach(), np.concatenate(parts, -1), atol=1e-5)


def test_the_combiner_begins_as_the_concatenation_and_is_equation_17():
    torch.manual_seed(0)
    module = Combiner(WIDTH).eval()
    branches = {name: torch.randn(4, WIDTH) for name in ("action", "subject", "object")}
    joined = torch.cat([branches["subject"], branches["object"], branches["action"]], -1)
    assert torch.equal(module(branches), joined)
    torch.nn.init.normal_(module.correction[-1].weight)
    expected = joined.numpy() + two_layers(joined.double().numpy(), numpy_of(module), "correction")
    np.testing.assert_allclose(module(branches).detach(), expected, atol=1e-4)


def test_classifiers_are_equation_21_before_the_softmax():
    torch.manual_seed(0)
    module = FactorClassifiers(WIDTH, {"subject": 1, "object": 4, "action": 3})
    attended_, weights = torch.randn(2, WIDTH), numpy_of(module)
    for name, logits in module(attended_).items():
        inner = gelu(linear(attended_.double().numpy(), weights, f"classify.{name}.0"))
        expected = linear(inner, weights, f"classify.{name}.2")
        np.testing.assert_allclose(logits.detach(), expected, atol=1e-5)


def test_a_missing_frame_is_held():
    x = torch.arange(5.0)[None, :, None]
    cases = {
        (1, 1, 1, 1, 1): [0, 1, 2, 3, 4],
        (1, 0, 0, 1, 0): [0, 0, 0, 3, 3],
        (0, 0, 1, 0, 1): [2, 2, 2, 2, 4],
        (0, 0, 0, 0, 0): [0, 0, 0, 0, 0],
    }
    for valid, expected in cases.items():
        held = hold_missing(x, torch.tensor([valid], dtype=torch.bool))
        assert held[0, :, 0].tolist() == expected, valid


@pytest.mark.parametrize("content", [1e30, float("nan"), float("inf")])
def test_what_a_missing_frame_holds_has_no_influence(content):
    module, valid = video_branches(), all_valid()
    valid[0, [0, 2]], valid[1] = False, False
    spoiled = frames().clone()
    spoiled[~valid] = content
    expected, found = module(frames(), valid).video, module(spoiled, valid).video
    assert found.isfinite().all()
    assert torch.equal(found, expected)


@pytest.mark.parametrize("strides", [(1,), (2,), (1, 3)])
def test_streaming_is_the_window_of_every_strideth_frame(strides):
    module = video_branches()
    window = StreamingWindow(module, strides)
    random = torch.Generator().manual_seed(2)
    stream = torch.randn(2, 20, D, generator=random)
    seen = torch.rand(2, 20, generator=random) > 0.2
    state = [torch.zeros(2, window.history, D), torch.zeros(2, window.history)]
    for now in range(20):
        feature, *state = window(stream[:, now], seen[:, now], *state)
        parts = []
        for stride in strides:
            chosen = [now - stride * (N - 1 - k) for k in range(N)]
            past = torch.stack([stream[:, max(i, 0)] for i in chosen], 1)
            valid = torch.stack([seen[:, max(i, 0)] & (i >= 0) for i in chosen], 1)
            parts.append(module(past, valid).video)
        expected = torch.stack(parts, 1).reshape(1, -1)
        assert torch.allclose(feature, expected, atol=1e-5)


@pytest.mark.parametrize(
    "changes", [{"motion": "transformers"}, {"width": 9}, {"frames": 1}, {"layers": 0}]
)
def test_impossible_sizes_are_refused(changes):
    with pytest.raises(M2R2Error):
        config(**changes)


def test_attending_frames_changes_what_disentanglement_sees():
    torch.manual_seed(0)
    module = Disentanglement(config()).eval()
    query, seen = torch.randn(2, WIDTH), torch.randn(2, N, WIDTH)
    assert not torch.allclose(module(query, seen)[0], module(query, seen[:, :0])[0], atol=1e-3)
