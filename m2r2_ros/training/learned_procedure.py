# SPDX-License-Identifier: Apache-2.0
"""How long labels last and what follows what, counted in the recordings that a head trains on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.evaluation.frame_times import edges_from_stamps, segments_from_frames
from m2r2_ros.evaluation.segments import Segment
from m2r2_ros.evaluation.streamed_predictions import nominal_stamps
from m2r2_ros.inference.deeds import Deeds
from m2r2_ros.inference.procedure import Duration, Procedure
from m2r2_ros.inference.world_order import count_world
from m2r2_ros.vocabulary import Vocabulary

# A few recordings say little of how much a duration varies. Before any is seen its logarithm has
# this standard deviation, worth so many segments; and never less than the last.
_SPREAD, _SEGMENTS, _LEAST_SPREAD = 0.3, 3, 0.15
# No segment is shorter than a frame of a fast camera [s].
_SHORTEST_S = 1e-2


def learn_procedure(
    sequences: Iterable[LabelledFeatures], vocabulary: Vocabulary, rate_hz: float
) -> Procedure:
    """From the labels of sequences, in seconds by their stamps, else by the rate.

    vocabulary  of the labels; index = class id.
    """
    labels, orders = vocabulary.labels, []
    first: Counter[int] = Counter()
    followed: Counter[tuple[int, int]] = Counter()
    whole: dict[int, list[float]] = defaultdict(list)
    cut: dict[int, list[float]] = defaultdict(list)
    ids = {label: number for number, label in enumerate(labels)}
    for segments in (_segments(sequence, rate_hz) for sequence in sequences):
        order = [ids[segment.label] for segment in segments]
        orders.append(order)
        first[order[0]] += 1
        followed.update(pairwise(order))
        for place, (label, segment) in enumerate(zip(order, segments, strict=True)):
            # The first and the last may have begun earlier and have ended later.
            kind = whole if 0 < place < len(order) - 1 else cut
            kind[label].append(max(segment.end_s - segment.start_s, _SHORTEST_S))
    seen = {label: whole.get(label) or cut[label] for label in {**whole, **cut}}
    # Of a label that training has not: as all others.
    every = [seconds for durations in seen.values() for seconds in durations]
    return Procedure(
        tuple(_duration(seen.get(number, every)) for number in range(len(labels))),
        tuple(sorted(first.items())),
        tuple(sorted((*pair, count) for pair, count in followed.items())),
        count_world(orders, Deeds(vocabulary)),
    )


def _segments(sequence: LabelledFeatures, rate_hz: float) -> list[Segment]:
    stamps_ns = sequence.stamps_ns
    if stamps_ns is None:
        stamps_ns = nominal_stamps(len(sequence.labels), rate_hz)
    return segments_from_frames(sequence.labels, edges_from_stamps(stamps_ns, rate_hz))


def _duration(seconds: Sequence[float]) -> Duration:
    logarithms = np.log(seconds)
    count = len(logarithms)
    variance = (logarithms.var() * count + _SPREAD**2 * _SEGMENTS) / (count + _SEGMENTS)
    found = Duration.of_logarithm(logarithms.mean(), max(variance**0.5, _LEAST_SPREAD))
    return Duration(*(round(float(seconds), 4) for seconds in found))
