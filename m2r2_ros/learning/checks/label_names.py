# SPDX-License-Identifier: Apache-2.0
"""Labels that are probably one label, written in two ways."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import combinations, zip_longest

from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RecordingProfile

KIND = "label names"
# A slip of the pen: as alike as this, and so much rarer than the right spelling.
_ALIKE, _RARER = 0.85, 5
# Words that differ by a letter or two are names of things ("peg a", "peg b") where they are short.
_SHORTEST_WORD = 4


def similar_labels(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    """Pairs that differ by case, space or spelling; the rarer one of each is the finding's."""
    counts = Counter(segment.label for profile in profiles for segment in profile.segments)
    for one, other in combinations(sorted(counts), 2):
        common, rare = sorted((one, other), key=lambda label: -counts[label])
        same = _plain(one) == _plain(other)
        if same or (counts[common] >= _RARER * counts[rare] and _is_slip(common, rare)):
            where = [p.name for p in profiles if any(s.label == rare for s in p.segments)]
            yield Finding(
                KIND,
                f"'{rare}' ({counts[rare]} times, first in {where[0]}) and '{common}' "
                f"({counts[common]} times) differ by {'case or space' if same else 'spelling'} and "
                "are two classes",
                f"call both '{common}', unless they are two things",
                label=rare,
            )


def _plain(label: str) -> str:
    return re.sub(r"[\s_-]+", "", label.casefold())


def _is_slip(one: str, other: str) -> bool:
    """Whether each pair of words is equal or alike, and no number differs."""
    words = list(zip_longest(one.casefold().split(), other.casefold().split(), fillvalue=""))
    unequal = [pair for pair in words if pair[0] != pair[1]]
    return len(unequal) == 1 and all(
        min(map(len, pair)) >= _SHORTEST_WORD
        and not any(re.search(r"\d", word) for word in pair)
        and _alike(*pair) >= _ALIKE
        for pair in unequal
    )


def _alike(one: str, other: str) -> float:
    """Part of the letters that are common; two neighbours that changed places count as one slip."""
    for i in range(len(one) - 1):
        if one[:i] + one[i + 1] + one[i] + one[i + 2 :] == other:
            return 1.0
    return SequenceMatcher(None, one, other).ratio()
