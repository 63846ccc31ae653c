# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from m2r2_ros.training.calibration import best_temperature


@pytest.mark.parametrize("truth", [0.5, 1.0, 4.0])
def test_it_finds_the_temperature_that_the_labels_were_drawn_with(truth):
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 5, generator=random) * 3
    classes = torch.multinomial((logits / truth).softmax(-1), 1, generator=random)[:, 0]
    assert best_temperature(logits[:, None], classes) == pytest.approx(truth, rel=0.05)


def test_of_several_members_the_mean_of_their_probabilities_is_calibrated():
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 3, 5, generator=random) * 3
    classes = torch.multinomial((logits / 2).softmax(-1).mean(1), 1, generator=random)[:, 0]
    assert best_temperature(logits, classes) == pytest.approx(2, rel=0.05)
    assert best_temperature(logits[:, :1], classes) > 3
