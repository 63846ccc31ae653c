# SPDX-License-Identifier: Apache-2.0
"""How long a causal method takes to see that an action has begun."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable

import numpy as np

from m2r2_ros.evaluation.metrics import Labels, find_runs


def decision_delays(
    decided: Labels, truth: Labels, period_s: float, background: Collection[Hashable] = ()
) -> list[float | None]:
    """For each true segment in order: seconds until the decision agreed, None if it never did.

    decided[i] is what was believed once frame i had been processed, and nothing later: a causal
    head's frame label, or the label of the segment that was open then. 0 means that the
    segment's first frame sufficed, or that the label already stood.
    """
    return [
        _first_agreement(decided[run.start : run.end], run.label, period_s)
        for run in find_runs(truth, background)
    ]


def mean_decision_delay(delays: Iterable[float | None]) -> float | None:
    """Mean over the segments that were recognised, in seconds; None when none was."""
    known = [delay for delay in delays if delay is not None]
    return float(np.mean(known)) if known else None


def _first_agreement(decided: Labels, label: Hashable, period_s: float) -> float | None:
    frames = (i for i, guess in enumerate(decided) if guess == label)
    first = next(frames, None)
    return None if first is None else first * period_s
