# SPDX-License-Identifier: Apache-2.0
"""Segments that are far shorter or longer than others of their class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from m2r2_ros.learning.checks.class_counts import FEWEST_EXAMPLES
from m2r2_ros.learning.checks.usual import highest_usual
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RATE_HZ, RecordingProfile
from m2r2_ros.vocabulary import Vocabulary

KIND = "odd durations"
# Within four times the median nothing is said, however alike the others are.
_LEAST = np.log(4.0)


def odd_durations(
    profiles: Sequence[RecordingProfile], vocabulary: Vocabulary
) -> Iterator[Finding]:
    """By the logarithm of the duration; idle lasts as long as it lasts."""
    everything = [(profile, segment) for profile in profiles for segment in profile.segments]
    for label in vocabulary.labels:
        own = [pair for pair in everything if pair[1].label == label]
        lengths_s = np.array([one.end_s - one.start_s for _, one in own])
        usual_s = float(np.median(lengths_s)) if len(own) else 0.0
        off = np.abs(np.log(np.maximum(lengths_s, 1e-3) / max(usual_s, 1e-3)))
        known = len(own) >= FEWEST_EXAMPLES and not vocabulary.is_idle(label)
        limit = highest_usual(off, _LEAST) if known else np.inf
        for (profile, segment), length_s, far in zip(own, lengths_s, off, strict=True):
            if far <= limit and length_s >= 1 / RATE_HZ:
                continue
            yield Finding(
                KIND,
                f"'{label}' lasts {length_s:.2f} s; half of its {len(own)} examples last longer "
                f"and half shorter than {usual_s:.2f} s",
                "check where it begins and ends",
                profile.name,
                label,
                start_s=segment.start_s,
                end_s=segment.end_s,
            )
