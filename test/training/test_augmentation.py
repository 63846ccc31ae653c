# SPDX-License-Identifier: Apache-2.0
import torch

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.augmentation import Augmentation


def test_offsets_are_constant_over_a_window_and_differ_between_windows():
    torch.manual_seed(0)
    prepared = {"wrench": torch.zeros(6, 4, 6), "pose": torch.zeros(6, 4, 7)}
    found = Augmentation(force_n=2.0, torque_nm=0.1)(prepared, 2, REASSEMBLE_LAYOUT)
    wrench = found["wrench"].view(2, -1, 6)
    assert torch.equal(wrench, wrench[:, :1].expand_as(wrench))
    assert not torch.allclose(wrench[0], wrench[1])
    assert wrench[..., :3].abs().mean() > 5 * wrench[..., 3:].abs().mean()
    assert found["pose"] is prepared["pose"]
    assert torch.equal(prepared["wrench"], torch.zeros(6, 4, 6)), "the cache is not written to"


def test_deviations_have_their_units():
    torch.manual_seed(0)
    prepared = {"pose": torch.zeros(4000, 1, 7), "audio": torch.zeros(4000, 2, 64)}
    found = Augmentation(position_m=0.02, decibel=3.0)(prepared, 4000, REASSEMBLE_LAYOUT)
    torch.testing.assert_close(
        found["pose"].std(0)[0, :3], torch.full((3,), 0.02), rtol=0.1, atol=0
    )
    assert (found["pose"][..., 3:] == 0).all()
    assert abs(found["audio"].std() - 3.0) < 0.2


def test_offsets_are_those_of_the_preset_whatever_the_signals_are_called():
    layout = SensorLayout((), False, {"left_wrench": {}, "pad": {"width": 6}, "right_pose": {}})
    prepared = {name: torch.zeros(500, 1, layout.signals[name].width) for name in layout.signals}
    torch.manual_seed(0)
    found = Augmentation(force_n=2.0, position_m=0.1)(prepared, 500, layout)
    assert found["pad"] is prepared["pad"]
    deviations = found["left_wrench"].std(0)[0]
    torch.testing.assert_close(deviations[:3], torch.full((3,), 2.0), rtol=0.2, atol=0)
    assert (deviations[3:] == 0).all() and (found["right_pose"][..., 3:] == 0).all()
    assert (found["right_pose"][..., :3] != 0).all()


def test_the_order_of_a_layout_does_not_change_what_is_drawn():
    prepared = {"wrench": torch.zeros(4, 1, 6), "pose": torch.zeros(4, 1, 7)}
    disturb, drawn = Augmentation(force_n=1.0, torque_nm=1.0, position_m=1.0), []
    for names in (("wrench", "pose"), ("pose", "wrench")):
        torch.manual_seed(0)
        drawn.append(disturb(prepared, 4, SensorLayout((), False, names)))
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in prepared)
