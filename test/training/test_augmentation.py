# SPDX-License-Identifier: Apache-2.0
import torch

from m2r2_ros.training.augmentation import Augmentation


def test_offsets_are_constant_over_a_window_and_differ_between_windows():
    torch.manual_seed(0)
    prepared = {"wrench": torch.zeros(6, 4, 6), "pose": torch.zeros(6, 4, 7)}
    found = Augmentation(force_n=2.0, torque_nm=0.1)(prepared, windows=2)
    wrench = found["wrench"].view(2, -1, 6)
    assert torch.equal(wrench, wrench[:, :1].expand_as(wrench))
    assert not torch.allclose(wrench[0], wrench[1])
    assert wrench[..., :3].abs().mean() > 5 * wrench[..., 3:].abs().mean()
    assert found["pose"] is prepared["pose"]
    assert torch.equal(prepared["wrench"], torch.zeros(6, 4, 6)), "the cache is not written to"


def test_deviations_have_their_units():
    torch.manual_seed(0)
    prepared = {"pose": torch.zeros(4000, 1, 7), "audio": torch.zeros(4000, 2, 64)}
    found = Augmentation(position_m=0.02, decibel=3.0)(prepared, windows=4000)
    torch.testing.assert_close(
        found["pose"].std(0)[0, :3], torch.full((3,), 0.02), rtol=0.1, atol=0
    )
    assert (found["pose"][..., 3:] == 0).all()
    assert abs(found["audio"].std() - 3.0) < 0.2
