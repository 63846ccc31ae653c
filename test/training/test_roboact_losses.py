# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP's losses, equations (11), (12), (19), (22), (23), and its banks (13) to (16)."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from m2r2_ros.training.roboact.banks import FeatureBanks  # noqa: E402
from m2r2_ros.training.roboact.roboact_losses import (  # noqa: E402
    auxiliary_loss,
    contrast,
    magnitude_loss,
    similarity_loss,
)

FACTORS = ("subject", "object", "action")


def branches(batch: int = 4, width: int = 3) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return {name: torch.randn(batch, width, generator=random) for name in FACTORS}


def cosine(a, b):
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def cross_entropy(logits, index):
    return -(logits[index] - np.log(np.exp(logits).sum()))


def test_similarity_is_equation_11_with_the_sign_of_its_text():
    s, o, a = (branch.numpy() for branch in branches().values())
    expected = np.mean((cosine(s, a) + cosine(s, o) + cosine(a, o)) / 3)
    assert float(similarity_loss(branches())) == pytest.approx(expected, abs=1e-6)
    alike = dict.fromkeys(FACTORS, torch.randn(4, 3))
    assert float(similarity_loss(alike)) == pytest.approx(1.0, abs=1e-5)


def test_magnitude_is_equation_12():
    norms = [np.linalg.norm(branch.numpy(), axis=-1).mean() for branch in branches().values()]
    assert float(magnitude_loss(branches())) == pytest.approx(0.01 * sum(norms), rel=1e-6)


def test_contrast_is_equations_19_and_23():
    features, texts = torch.randn(4, 5), torch.randn(4, 5)
    logits = cosine(features.numpy()[:, None], texts.numpy()[None]) / 0.07
    expected = np.mean([cross_entropy(logits[i], i) for i in range(4)])
    assert float(contrast(features, texts, torch.arange(4), 0.07)) == pytest.approx(
        expected, rel=1e-4
    )


def test_clips_that_share_a_sentence_are_not_pushed_apart():
    texts = torch.eye(2)
    features = torch.tensor([[5.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    assert float(contrast(features, texts, torch.tensor([0, 0, 1]), 0.05)) < 1e-6


def test_auxiliary_is_equation_22_as_a_positive_sum_over_known_classes():
    random = torch.Generator().manual_seed(1)
    logits = {name: torch.randn(3, 4, generator=random) for name in FACTORS}
    classes = {
        "subject": torch.tensor([0, 0, 0]),
        "object": torch.tensor([3, -1, 1]),
        "action": torch.tensor([-1, -1, -1]),
    }
    weights = {"subject": 0.5, "object": 2.0, "action": 1.0}
    numbers = {name: value.numpy().astype(float) for name, value in logits.items()}
    expected = 0.5 * np.mean([cross_entropy(numbers["subject"][i], 0) for i in range(3)])
    expected += 2.0 * np.mean(
        [cross_entropy(numbers["object"][0], 3), cross_entropy(numbers["object"][2], 1)]
    )
    assert float(auxiliary_loss(logits, classes, weights)) == pytest.approx(expected, rel=1e-5)
    unknown = dict.fromkeys(FACTORS, torch.tensor([-1, -1, -1]))
    assert float(auxiliary_loss(logits, unknown, weights)) == 0


def banks() -> FeatureBanks:
    return FeatureBanks({"subject": 2, "object": 4, "action": 3}, width=3)


CLASSES = {
    "subject": torch.tensor([0, 0, 0, 0]),
    "object": torch.tensor([2, 0, 2, -1]),
    "action": torch.tensor([1, 1, 0, 0]),
}


def test_banks_store_the_mean_of_each_class_in_the_batch():
    bank, given = banks(), branches()
    bank.replace(given, CLASSES)
    stored = bank.features()
    assert torch.allclose(stored["subject"][0], given["subject"].mean(0))
    assert torch.allclose(stored["object"][2], given["object"][[0, 2]].mean(0))
    assert torch.allclose(stored["object"][0], given["object"][1])
    assert stored["object"][[1, 3]].abs().sum() == 0
    again = {name: branch + 1 for name, branch in given.items()}
    first = {n: torch.cat([c[:1], torch.full((3,), -1)]) for n, c in CLASSES.items()}
    bank.replace(again, first)
    after = bank.features()
    assert torch.allclose(after["object"][2], again["object"][0])
    assert torch.allclose(after["object"][0], given["object"][1]), "not in the batch: as it was"


def test_only_entries_of_this_batch_carry_its_gradient():
    bank = banks()
    bank.replace(branches(), CLASSES)
    given = {name: branch.clone().requires_grad_() for name, branch in branches().items()}
    few = {name: torch.full_like(classes, -1) for name, classes in CLASSES.items()}
    few["object"] = torch.tensor([-1, 0, -1, -1])
    fresh = bank.replace(given, few)
    fresh["object"].sum().backward()
    touched = given["object"].grad.abs().sum(1) > 0
    assert touched.tolist() == [False, True, False, False]
    assert not any(table.requires_grad for table in bank.features().values())


def test_triplets_are_different_and_every_class_of_them_is_stored():
    bank = banks()
    assert all(len(rows) == 0 for rows in bank.sample(10).values()), "nothing is stored yet"
    bank.replace(branches(), CLASSES)
    stored = {"subject": {0}, "object": {0, 2}, "action": {0, 1}}
    for count in (1, 3, 4, 100):
        sampled = bank.sample(count)
        triplets = list(zip(*(sampled[name].tolist() for name in FACTORS), strict=True))
        assert len(triplets) == len(set(triplets)) == min(count, 4)
        for triplet in triplets:
            assert all(c in stored[name] for name, c in zip(FACTORS, triplet, strict=True))


def test_pairs_never_seen_together_are_among_the_triplets():
    bank = banks()
    bank.replace(branches(), CLASSES)
    seen = set(zip(CLASSES["object"].tolist(), CLASSES["action"].tolist(), strict=True))
    sampled = bank.sample(100)
    pairs = set(zip(sampled["object"].tolist(), sampled["action"].tolist(), strict=True))
    assert pairs - seen == {(0, 0)}


def test_banks_are_part_of_the_state():
    bank, other = banks(), banks()
    bank.replace(branches(), CLASSES)
    other.load_state_dict(bank.state_dict())
    torch.manual_seed(3)
    first = bank.sample(3)
    torch.manual_seed(3)
    assert all(torch.equal(rows, first[name]) for name, rows in other.sample(3).items())
