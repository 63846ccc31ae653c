# SPDX-License-Identifier: Apache-2.0
"""Test recordings in which the procedure is not followed, cut and joined from those of a folder.

Of each test recording of a folder in the MS-TCN layout three are made: `-shuffled` has its segments
in another order, `-repeated` does two neighbouring actions a second time, `-skipped` lacks some. No
two segments of one label become neighbours. Train on the folder, evaluate on the one that is
written: what a tracker loses there against `procedure_prior` 0 is what its trust in the order of
training costs when an arm does something else.

Usage: recombine.py FOLDER SPLIT OUT [--seed N]
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    LabelledFeatures,
    Split,
    write_mapping,
    write_recording_features,
    write_split,
)
from m2r2_ros.datasets.vocabulary_file import VOCABULARY_FILE
from m2r2_ros.evaluation.metrics import find_runs

# Orders that are tried before one with equal neighbours is done without.
_TRIES = 1000
_SKIPPED = 0.3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("split", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder, random = FeatureFolder(args.folder), np.random.default_rng(args.seed)
    split, names = folder.split(args.split), []
    for recording in map(folder.read, split.test):
        for name, order in orders(recording.labels, random):
            joined = join(recording, order)
            names.append(f"{recording.name}-{name}")
            write_recording_features(
                args.out, names[-1], joined.features, joined.labels, joined.stamps_ns
            )
    write_mapping(args.out, folder.labels)
    write_split(args.out, args.split, Split(tuple(names), tuple(names)))
    if (args.folder / VOCABULARY_FILE).exists():
        shutil.copy(args.folder / VOCABULARY_FILE, args.out)
    print(f"{args.out}: {len(names)} recordings from {len(split.test)}")
    return 0


def orders(labels: Sequence[str], random: np.random.Generator) -> Iterator[tuple[str, list[slice]]]:
    """A name and the segments of each recording that is made; none where there is no such."""
    runs = find_runs(labels)
    count = len(runs)
    first = int(random.integers(0, max(count - 1, 1)))
    drawn = {
        "shuffled": (shuffled([run.label for run in runs], random) for _ in range(_TRIES)),
        "repeated": iter([[*range(first + 2), *range(first, count)]] if count > 1 else []),
        "skipped": (list(np.flatnonzero(random.random(count) > _SKIPPED)) for _ in range(_TRIES)),
    }
    for name, tries in drawn.items():
        for order in tries:
            said = [runs[i].label for i in order]
            whole = name != "shuffled" or len(order) == count
            changed = whole and len(order) > 1 and list(order) != list(range(count))
            if changed and all(a != b for a, b in pairwise(said)):
                yield name, [slice(runs[i].start, runs[i].end) for i in order]
                break


def shuffled(labels: Sequence[str], random: np.random.Generator) -> list[int]:
    """The numbers of all in another order, without equal neighbours; fewer where there is none.

    Half of the segments may be idle, so that an order drawn at random hardly ever is one.
    """
    left, order = list(range(len(labels))), []
    while left:
        counts = Counter(labels[i] for i in left)
        after = len(left) - 1

        def leaves_an_order(i: int, counts: Counter[str] = counts, after: int = after) -> bool:
            """Whether the rest can be put in order behind it: no label is more than half of it."""
            others = max((n for label, n in counts.items() if label != labels[i]), default=0)
            return counts[labels[i]] - 1 <= after // 2 and others <= (after + 1) // 2

        last = labels[order[-1]] if order else None
        fit = [i for i in left if labels[i] != last and leaves_an_order(i)]
        if not fit:
            break
        order.append(int(random.choice(fit)))
        left.remove(order[-1])
    return order


def join(recording: LabelledFeatures, order: Sequence[slice]) -> LabelledFeatures:
    """The segments one after the other, each with the time that its frames take."""

    def of(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[part] for part in order])

    labels = [label for part in order for label in recording.labels[part]]
    stamps_ns = recording.stamps_ns
    if stamps_ns is not None:
        steps = np.diff(stamps_ns, prepend=stamps_ns[:1] - np.diff(stamps_ns[:2]))
        stamps_ns = stamps_ns[0] + np.cumsum(of(steps)).astype(np.int64)
    return LabelledFeatures(
        recording.name, of(recording.features), labels, of(recording.classes), stamps_ns
    )


if __name__ == "__main__":
    sys.exit(main())
