# SPDX-License-Identifier: Apache-2.0
"""Recordings at other speeds: what differs most between people, days and arms, and few have all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from m2r2_ros.datasets.mstcn import LabelledFeatures

# Of the logarithm of a speed, in standard deviations: beyond lies what no arm does.
_MOST = 3.0


def warped(
    sequence: LabelledFeatures, spread: float, random: np.random.Generator
) -> LabelledFeatures:
    """The sequence played faster or slower, as a whole and changing along the way.

    spread  standard deviation of the logarithm of both speeds. The second is drawn at as many
            moments as there are segments, and is linear in between.
    """
    frames = len(sequence.classes)
    if not spread or frames < 2:
        return sequence
    segments = 1 + np.count_nonzero(np.diff(sequence.classes))
    whole, *along = np.exp(spread * random.normal(size=segments + 2).clip(-_MOST, _MOST))
    pace = whole * np.interp(np.linspace(0, segments, frames), np.arange(segments + 1), along)
    ends = np.concatenate([[0.0], pace.cumsum()])
    count = max(2, round(ends[-1]))
    # Where each new frame is in the old ones.
    place = np.interp(np.arange(count) * (ends[-1] / count), ends, np.arange(frames + 1))
    left = place.astype(int).clip(0, frames - 1)
    right, share = (left + 1).clip(max=frames - 1), (place - left)[:, None].astype(np.float32)
    old = np.asarray(sequence.features)
    return replace(
        sequence,
        features=old[left] * (1 - share) + old[right] * share,
        labels=[sequence.labels[i] for i in left],
        classes=sequence.classes[left],
        stamps_ns=None,
        outcomes=None if sequence.outcomes is None else sequence.outcomes[left],
        progress=None if sequence.progress is None else sequence.progress[left],
    )
