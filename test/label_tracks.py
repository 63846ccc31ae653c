# SPDX-License-Identifier: Apache-2.0
"""Labels of a recording, drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st
from vocabularies import WORDS, vocabularies

from m2r2_ros.datasets.recording_labels import OUTCOMES, SOURCES, Label, RecordingLabels
from m2r2_ros.errors import M2R2Error

EPOCH_NS = 1_736_510_400 * 10**9 + 123_456_789


def _is_possible(name: str) -> bool:
    try:
        Label(1, 2, name)
    except M2R2Error:
        return False
    return True


NAMES = WORDS.filter(_is_possible)


@st.composite
def label_tracks(draw, tick_ns: int = 1, most: int = 6) -> RecordingLabels:
    """Labels with and without gaps between them, from the epoch on, at multiples of `tick_ns`."""
    vocabulary = draw(st.none() | vocabularies().filter(lambda v: all(map(_is_possible, v.labels))))
    names = st.sampled_from(vocabulary.labels) if vocabulary else NAMES
    labels, now = [], 0
    for _ in range(draw(st.integers(0, most))):
        start = now + draw(st.just(0) | st.integers(0, 10**10 // tick_ns))
        now = start + draw(st.integers(1, 10**10 // tick_ns))
        given = (
            draw(names),
            draw(st.none() | st.sampled_from(OUTCOMES)),
            draw(st.sampled_from(SOURCES)),
            draw(st.floats(0, 1)),
        )
        bounds = (EPOCH_NS + tick_ns * start, EPOCH_NS + tick_ns * now)
        labels.append(Label(*bounds, *given))
    return RecordingLabels(EPOCH_NS, tuple(labels), draw(st.booleans()), vocabulary)
