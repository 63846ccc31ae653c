# SPDX-License-Identifier: Apache-2.0
"""Vocabularies of all kinds, drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st

from m2r2_ros.errors import M2R2Error
from m2r2_ros.vocabulary import UNKNOWN, UNLABELLED, Parts, Vocabulary

CAPS = Vocabulary(
    ("wait", "tighten cap", "tighten bolt", "wipe"),
    ("wait",),
    {"tighten cap": Parts("tighten", "cap"), "tighten bolt": Parts("tighten", "bolt")},
    {"tighten": {"takes": ["tool"]}},
)
# Letters of several scripts, marks, digits, blanks inside; nothing of which a file is made.
_WORDS = st.text("aBz Éß水я9-_'\"#:&*[{,!%@🔧", min_size=1, max_size=12).map(
    lambda text: " ".join(text.split())
)
WORDS = _WORDS.filter(lambda text: text and text not in (UNKNOWN, UNLABELLED))


@st.composite
def vocabularies(draw, least: int = 1, most: int = 8) -> Vocabulary:
    """Several idle labels or none, parts for some of the others."""
    labels = draw(st.lists(WORDS, min_size=least, max_size=most, unique=True))
    idle = draw(st.lists(st.sampled_from(labels), max_size=2, unique=True))
    verbs = draw(st.lists(WORDS, min_size=1, max_size=3, unique_by=str.lower))
    parts = {}
    for label in labels:
        if label not in idle and draw(st.booleans()):
            part = Parts(draw(st.sampled_from(verbs)), draw(st.just("") | WORDS))
            # Two labels that say the same, or an action called like another label, are refused.
            if _is_possible(labels, idle, parts | {label: part}):
                parts[label] = part
    return Vocabulary(tuple(labels), tuple(idle), parts)


def _is_possible(labels, idle, parts) -> bool:
    try:
        Vocabulary(tuple(labels), tuple(idle), parts)
    except M2R2Error:
        return False
    return True
