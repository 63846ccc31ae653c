# SPDX-License-Identifier: Apache-2.0
"""Settings of `m2r2 imitate`."""

from __future__ import annotations

from dataclasses import dataclass, field

from m2r2_ros.errors import M2R2Error
from m2r2_ros.training.settings import OptimiserSettings


@dataclass(frozen=True)
class TaskSettings:
    """One task on the simulated board."""

    # The parts that a sentence names, one after the other.
    parts: tuple[str, ...]
    # Largest offset of the task's object (the kit to grasp from, the board to insert into) from its
    # usual place along x and y [m], and its largest turn [rad].
    spread_m: float
    spread_rad: float
    # Largest push [N] that bumps the hand off its way while it is being moved: the demonstrations
    # then also show how to come back.
    bump_n: float
    # While it presses its part down, the arm circles with a growing radius of up to this [m], as
    # assembly controllers do to find a hole; 0: no search.
    search_m: float
    # Time for an episode [s].
    limit_s: float

    def __post_init__(self) -> None:
        numbers = (self.spread_m, self.spread_rad, self.bump_n, self.search_m, self.limit_s)
        if not self.parts or min(numbers) < 0:
            raise M2R2Error("a task needs parts, and no number of it may be below 0")


@dataclass(frozen=True)
class GraspSettings(TaskSettings):
    """The kit stands and is turned as in recordings for training: up to 2 cm and 15 degrees off."""

    parts: tuple[str, ...] = ("round peg 3", "medium gear", "large gear", "waterproof")
    spread_m: float = 0.02
    spread_rad: float = 0.26
    bump_n: float = 8.0
    search_m: float = 0.0
    limit_s: float = 7.0


@dataclass(frozen=True)
class InsertSettings(TaskSettings):
    """The board less: a hole is 0.2 mm wider than its peg, and from a few millimetres away only
    the arm's search finds it."""

    parts: tuple[str, ...] = ("round peg 4",)
    spread_m: float = 0.01
    spread_rad: float = 0.05
    bump_n: float = 8.0
    search_m: float = 0.002
    limit_s: float = 10.0


@dataclass(frozen=True)
class NetworkSettings:
    """The policy on top of the frozen features."""

    # Of the two hidden layers, and of what features and sentence are each brought down to.
    width: int = 256
    narrow: int = 64
    dropout: float = 0.1
    # Set-points predicted at once, and how many of them are followed before looking again.
    horizon: int = 8
    followed: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.followed <= self.horizon:
            raise M2R2Error(f"of {self.horizon} set-points, {self.followed} cannot be followed")


@dataclass(frozen=True)
class ImitationSettings:
    """`m2r2 imitate`: the same for every encoder that it compares."""

    # Of everything that training draws at random.
    seed: int = 0
    # How the kit is filled, which is the same in all episodes.
    arrangement: int = 3
    # What the policies see by, of the cameras that the encoders were trained on. Of all, the hand's
    # shows best where a part is from the hand: the one thing that a policy has to know.
    cameras: tuple[str, ...] = ("hand",)
    # Pictures, and set-points of the arm, a second.
    rate_hz: float = 10.0
    # Pictures from one frame of the encoder's window to the next: 16 frames then span three
    # seconds, as long as the actions that it was trained on.
    stride: int = 2
    # For each task.
    demonstrations: int = 100
    grasp: GraspSettings = field(default_factory=GraspSettings)
    insert: InsertSettings = field(default_factory=InsertSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(
            epochs=20, batch_size=128, learning_rate=1e-3, weight_decay=0.01
        )
    )
    # Batches, drawn at random, of one of these epochs.
    steps: int = 200
    # Gaussian noise on the standardised features and proprioception.
    noise: float = 0.1
    # Part of the demonstrations that are kept for validation.
    validation: float = 0.15
