# SPDX-License-Identifier: Apache-2.0
"""Classes with too few examples to be learned, or to be learned when a group is held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RecordingProfile
from m2r2_ros.vocabulary import Vocabulary

KIND = "few examples"
# In tune with what the effort curves show: below, a class is a matter of luck.
FEWEST_EXAMPLES = 5
# Named in one line; the number of all stands there, too.
_MOST_NAMED = 8


def few_examples(profiles: Sequence[RecordingProfile], vocabulary: Vocabulary) -> Iterator[Finding]:
    """Of the labels of the vocabulary."""
    counts = Counter(segment.label for profile in profiles for segment in profile.segments)
    done = [label for label in vocabulary.labels if counts[label]]
    if len(done) < 2:
        yield Finding(
            KIND,
            f"the labels name {len(done)} {'class' if len(done) == 1 else 'classes'}",
            "label two or more classes: the work, and what is done in between",
            fatal=True,
        )
        return
    groups = {label: {p.group for p in profiles if _has(p, label)} for label in done}
    alone = {label: counts[label] for label in done if len(groups[label]) == 1}
    if alone and len({profile.group for profile in profiles}) > 1:
        yield _finding(
            alone,
            "in one group of recordings alone: nothing is left to learn from when it is held out",
        )
    if few := {n: counts[n] for n in done if counts[n] < FEWEST_EXAMPLES and n not in alone}:
        yield _finding(few, f"fewer than {FEWEST_EXAMPLES} times")
    if absent := [label for label in vocabulary.labels if not counts[label]]:
        yield _finding(dict.fromkeys(absent, 0), "never, but the vocabulary names them")


def _has(profile: RecordingProfile, label: str) -> bool:
    return any(segment.label == label for segment in profile.segments)


def _finding(counts: dict[str, int], how: str) -> Finding:
    rarest = sorted(counts, key=lambda label: counts[label])
    named = ", ".join(f"'{label}' ({counts[label]})" for label in rarest[:_MOST_NAMED])
    more = f" and {len(rarest) - _MOST_NAMED} more" if len(rarest) > _MOST_NAMED else ""
    number = f"{len(rarest)} class{'es' if len(rarest) > 1 else ''} occur"
    return Finding(
        KIND,
        f"{number}{'s' if len(rarest) == 1 else ''} {how}: {named}{more}",
        "record more of them, or take them out of the vocabulary",
        label=rarest[0],
    )
