# SPDX-License-Identifier: Apache-2.0
"""How long the stages of one study take, by the costs of its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from m2r2_ros.learning.costs import Costs
from m2r2_ros.learning.outcome import FROZEN, SCRATCH
from m2r2_ros.learning.plan import encoder_settings, head_settings
from m2r2_ros.learning.study import Study


@dataclass(frozen=True)
class Reckoning:
    """Seconds on the wall, of `ways` that are tried by `workers` processes."""

    study: Study
    ways: tuple[str, ...]
    workers: int

    @property
    def costs(self) -> Costs:
        """Of these sensors."""
        layout = self.study.layout
        per_minute = 60 * layout.window_rate_hz
        return Costs(len(layout.modalities), len(layout.cameras), per_minute)

    @property
    def checking_s(self) -> list[float]:
        """Each recording's."""
        minutes = self.study.facts.minutes.values()
        return [self.costs.reading(each) / self.workers for each in minutes]

    @property
    def preparing_s(self) -> float:
        """Recordings are read once for encoders that are trained, and once for one that is not."""
        times = (FROZEN in self.ways) + bool({*self.ways} - {FROZEN})
        return times * sum(self.checking_s)

    @property
    def reading_s(self) -> float:
        """Both."""
        return sum(self.checking_s) + self.preparing_s

    def side_by_side(self, trials: Sequence[Sequence[float]]) -> list[float]:
        """What each trial adds, of the seconds of its parts."""
        count = max(1, min(self.workers, len(trials)))
        return [sum(parts) / count for parts in trials]

    @property
    def final_s(self) -> float:
        """As if it were from scratch, and as long as in a fold."""
        facts, layout = self.study.facts, self.study.layout
        epochs = encoder_settings(layout, facts.labels, SCRATCH).optimiser.epochs
        actions = sum(count for count, _ in facts.labels.values())
        encoder = self.costs.encoder(SCRATCH, epochs, actions)
        minutes = sum(facts.minutes.values())
        return encoder + self.costs.head(head_settings(), minutes, len(facts.minutes))
