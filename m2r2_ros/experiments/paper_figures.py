# SPDX-License-Identifier: Apache-2.0
"""The figures that the papers print, in percent.

M2R2 (Sliwowski and Lee, ICRA 2026), Tables I and II: the rows, and their figures for REASSEMBLE;
and a table of the terms of its loss, which the paper does not have.
RoboAct-CLIP, Tables II and III: overall success on four tasks of Franka Kitchen, with another robot
than the simulated one.
"""

from __future__ import annotations

from dataclasses import dataclass

from m2r2_ros.networks.roboact.config import ENDS, TRANSFORMER, RoboActConfig

METRICS = ("f1@10", "f1@25", "f1@50", "acc", "edit", "dr")

# A table of no paper: anybody's recordings.
REAL = "real"

# CLIP frozen, without training on videos.
CLIP_SUCCESS = 51.0
_SUCCESS = {(TRANSFORMER, True): 76.5, (ENDS, True): 66.0, (TRANSFORMER, False): 70.0}

Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Row:
    """A method: `head` on the features of `encoder`, or on the signals for a baseline.

    published  labels ("fine", "coarse") -> metric -> percent; {} where the paper has none.
    """

    name: str
    encoder: str
    head: str
    published: Figures

    @property
    def key(self) -> str:
        """Names the row's files; rows of two tables that are the same method share them."""
        return f"{self.encoder}-{self.head}"


def _figures(fine: tuple[float, ...], coarse: tuple[float, ...] = ()) -> Figures:
    """Of the rows that the authors' own page adds to Table I there is no DR."""
    levels = {"fine": fine, "coarse": coarse}
    return {
        level: dict(zip(METRICS, values, strict=False))
        for level, values in levels.items()
        if values
    }


TABLES: dict[str, tuple[Row, ...]] = {
    "table1": (
        Row(
            "BR-Prompt + MS-TCN",
            "bridge_prompt",
            "mstcn",
            _figures((12.9, 10.9, 8.4, 7.9, 18.4), (32.1, 28.2, 20.0, 65.0, 34.0)),
        ),
        Row(
            "BR-Prompt + ASRF",
            "bridge_prompt",
            "asrf",
            _figures((12.8, 11.1, 8.6, 6.4, 19.4), (57.6, 44.5, 23.3, 54.3, 67.5)),
        ),
        Row(
            "BR-Prompt + DiffAct",
            "bridge_prompt",
            "diffact",
            _figures((12.0, 10.1, 5.1, 5.7, 21.4, 19.9), (62.9, 51.8, 22.5, 54.8, 73.4, 17.9)),
        ),
        Row("BR-Prompt's windows and integrated prompt + DiffAct", "br_prompt", "diffact", {}),
        Row("BOCPD", "signals", "bocpd", _figures((39.2, 32.6, 12.8, 35.0, 19.7, 17.4))),
        Row("AWE", "signals", "awe", _figures((72.5, 68.4, 35.8, 54.6, 54.9, 22.1))),
        Row(
            "M2R2 + MS-TCN",
            "m2r2",
            "mstcn",
            _figures((83.1, 82.7, 80.8, 82.4, 79.3, 89.5), (97.7, 97.6, 96.7, 96.7, 95.0, 94.5)),
        ),
        Row(
            "M2R2 + ASRF",
            "m2r2",
            "asrf",
            _figures((83.5, 83.4, 82.4, 82.7, 82.5, 95.1), (98.1, 98.1, 97.1, 96.0, 96.9, 95.9)),
        ),
        Row(
            "M2R2 + DiffAct",
            "m2r2",
            "diffact",
            _figures((78.1, 77.7, 74.6, 74.9, 68.7, 81.4), (95.1, 95.0, 92.1, 91.7, 90.3, 83.9)),
        ),
        Row("M2R2 + causal head, as published on the robot", "m2r2", "causal", {}),
    ),
    "table2": (
        Row(
            "only vision",
            "only_vision",
            "diffact",
            _figures((27.2, 26.1, 21.6, 21.4, 28.9, 44.3)),
        ),
        Row("only audio", "only_audio", "diffact", _figures((39.2, 38.7, 36.4, 34.5, 37.5, 80.1))),
        Row(
            "only prio",
            "only_proprioception",
            "diffact",
            _figures((78.0, 77.5, 74.5, 75.4, 69.2, 80.3)),
        ),
        Row("no gripper", "no_gripper", "diffact", _figures((67.9, 67.2, 64.2, 65.1, 59.2, 82.2))),
        Row(
            "no pos/vel", "no_pose_twist", "diffact", _figures((69.9, 69.1, 65.1, 64.6, 61.8, 80.5))
        ),
        Row("no F/T", "no_force_torque", "diffact", _figures((72.9, 72.4, 69.9, 70.4, 65.2, 80.6))),
        Row("all", "m2r2", "diffact", _figures((78.1, 77.7, 74.6, 74.9, 68.7, 82.4))),
        Row("all, without pretraining", "end_to_end", "diffact", {}),
        Row("all, hand camera by RoboAct-CLIP", "m2r2_roboact", "diffact", {}),
    ),
    # What of the loss makes the features; the paper has equation (5) only.
    "objective": (
        Row("equation (5)", "equation5", "mstcn", {}),
        Row("its first term alone: sentences", "action_term", "mstcn", {}),
        Row("its second term alone: boundaries", "boundary_term", "mstcn", {}),
        Row("frame labels alone", "end_to_end", "mstcn", {}),
        Row("equation (5) and frame labels, as shipped", "m2r2", "mstcn", {}),
    ),
}


def published_success(config: RoboActConfig) -> float | None:
    """Success of RoboAct-CLIP or an ablation; None for a variant that the paper does not have."""
    return _SUCCESS.get((config.motion, config.disentangle))
