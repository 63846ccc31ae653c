# SPDX-License-Identifier: Apache-2.0
"""The objects of the board: REASSEMBLE's names, the simulator's parts, and how to hold each one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BoardObject:
    """One object of the task.

    `grasp_height_m`: tool centre above the part's origin when held. The pads reach 8 mm below the
    tool centre, so this also keeps the fingers off the table and the board.
    `closing_axis`: the part's axis (0: x, 1: y) along which the fingers close; where any angle
    fits, the board's axis. The palm reaches 10 cm to both sides along it, 37 mm above the tool
    centre, so it must not point at a tall neighbour. `width_m`: the part's size along it.
    `grips`: in how many ways around the vertical the fingers fit (0: any angle); `turns`:
    rotations about the vertical that look the same to the fixture (0: any angle).
    `footprint_m`: what a kit pocket must hold upright, None if the part stands by itself.
    `twist`: held by a thread or bayonet. `click_n`: force that holds a seated connector.
    """

    name: str
    part: str
    grasp_height_m: float
    width_m: float
    closing_axis: int = 1
    grips: int = 2
    turns: int = 0
    footprint_m: tuple[float, float] | None = None
    twist: bool = False
    click_n: float = 0.0
    material: str = "steel"


def _round_peg(number: int, diameter_mm: int, closing_axis: int = 1) -> BoardObject:
    diameter = diameter_mm * 1e-3
    return BoardObject(
        f"round peg {number}",
        f"peg_round_{diameter_mm}",
        grasp_height_m=0.018,
        width_m=diameter,
        closing_axis=closing_axis,
        grips=0,
        footprint_m=(diameter, diameter),
    )


def _square_peg(number: int, width_mm: int, depth_mm: int, closing_axis: int = 1) -> BoardObject:
    size = (width_mm * 1e-3, depth_mm * 1e-3)
    return BoardObject(
        f"square peg {number}",
        f"peg_rect_{width_mm}",
        grasp_height_m=0.018,
        width_m=size[closing_axis],
        closing_axis=closing_axis,
        turns=2,
        footprint_m=size,
    )


OBJECTS: tuple[BoardObject, ...] = (
    _round_peg(1, 4),
    _round_peg(2, 8),
    _round_peg(3, 12),
    _round_peg(4, 16, closing_axis=0),
    _square_peg(1, 4, 4),
    _square_peg(2, 8, 7, closing_axis=0),
    _square_peg(3, 12, 8, closing_axis=0),
    _square_peg(4, 16, 10),
    BoardObject("small gear", "gear_small", 0.016, 0.022, grips=0, material="nylon"),
    BoardObject("medium gear", "gear_medium", 0.016, 0.042, grips=0, material="nylon"),
    BoardObject("large gear", "gear_large", 0.016, 0.062, grips=0, material="nylon"),
    BoardObject("BNC", "bnc", 0.016, 0.0141, grips=0, twist=True),
    BoardObject("D-SUB", "dsub", 0.024, 0.016, 0, turns=1, click_n=9.0, material="plastic"),
    BoardObject(
        "USB", "usb", 0.030, 0.0085, turns=2, footprint_m=(0.012, 0.0045), click_n=8.0,
        material="plastic",
    ),
    BoardObject(
        "Ethernet", "rj45", 0.028, 0.011, turns=2, footprint_m=(0.0117, 0.008), click_n=7.0,
        material="plastic",
    ),
    BoardObject("waterproof", "waterproof", 0.026, 0.032, turns=2, click_n=12.0,
                material="plastic"),
    BoardObject("bolt 4", "nut_m16", 0.014, 0.024, 0, grips=6, twist=True),
)  # fmt: skip

BY_NAME: dict[str, BoardObject] = {thing.name: thing for thing in OBJECTS}

# Gears on neighbouring shafts, whose teeth mesh.
MESHING: tuple[frozenset[str], ...] = (
    frozenset({"medium gear", "small gear"}),
    frozenset({"medium gear", "large gear"}),
)


def neighbours(name: str) -> frozenset[str]:
    """Names of the gears that mesh with this one; none for anything else."""
    return frozenset(other for pair in MESHING if name in pair for other in pair - {name})


def kind_of(name: str) -> str:
    """Peg, gear or connector: what looks alike and is fetched alike."""
    return next((kind for kind in ("peg", "gear") if kind in name), "connector")
