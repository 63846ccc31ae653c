# SPDX-License-Identifier: Apache-2.0
"""What is written in another tool's form and read again: what it has a place for, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_tracks import label_tracks

from m2r2_ros.datasets.recording_labels import IMPORT
from m2r2_ros.label_formats.label_format import (
    COMPLETE,
    CONFIDENCE,
    OUTCOME,
    SOURCE,
    VOCABULARY,
    FormatOptions,
)
from m2r2_ros.label_formats.label_track import LabelTrack, labels_of, track_of
from m2r2_ros.label_formats.registry import find_format, format_names

RATE_HZ = 20.0
MS = 1_000_000
# Times that a form can hold.
TICKS = {"elan": MS, "mstcn": 50 * MS, "lerobot": 50 * MS}
OPTIONS = FormatOptions(RATE_HZ)
TEXT_FORMS = sorted(set(format_names()) - {"reassemble"})


def what_is_held(name: str, track: LabelTrack) -> LabelTrack:
    """The track without what the form says that it has no place for."""
    form = find_format(name)
    kept = track if SOURCE in form.holds else track.confirmed()
    lost = {
        OUTCOME: {"outcome": None},
        SOURCE: {"source": IMPORT},
        CONFIDENCE: {"confidence": 1.0},
    }
    changes = {}
    for part in lost.keys() - form.holds:
        changes |= lost[part]
    spans = tuple(replace(span, **changes) for span in kept.spans)
    return replace(
        kept,
        spans=merged(spans) if form.tick_ns == 0 else spans,
        complete=kept.complete and COMPLETE in form.holds,
        vocabulary=kept.vocabulary if VOCABULARY in form.holds else None,
    )


def merged(spans):
    """Frames know no border between two labels of one name."""
    kept = []
    for span in spans:
        if kept and (kept[-1].label, kept[-1].end_ns) == (span.label, span.start_ns):
            kept[-1] = replace(kept[-1], end_ns=span.end_ns)
        else:
            kept.append(span)
    return tuple(kept)


@pytest.mark.parametrize("name", TEXT_FORMS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_a_form_has_a_place_for_comes_back(tmp_path_factory, name, data):
    if name == "lerobot":
        pytest.importorskip("pyarrow")
    form = find_format(name)
    labels = data.draw(label_tracks(TICKS.get(name, 1)))
    track = track_of("take 1", labels, labels.epoch_ns + 61 * 10**9)
    if form.tick_ns == 0:
        # Idle time becomes a label of its own there.
        track = replace(track, complete=False)
    path = tmp_path_factory.mktemp(name) / f"out{form.suffix}"
    tiers = ["", "subtask_index", "language_persistent"] if name == "lerobot" else [""]
    options = replace(OPTIONS, tier=data.draw(st.sampled_from(tiers)))
    form.write(path, [track if SOURCE in form.holds else track.confirmed()], options)
    (found,) = form.read(path, options)
    expected = what_is_held(name, track)
    assert found.spans == expected.spans
    assert (found.complete, found.vocabulary) == (expected.complete, expected.vocabulary)
    assert found.name in ("", "take 1") and found.epoch_ns in (None, labels.epoch_ns)
    # And as labels beside a recording.
    placed, problems = labels_of(found, labels.epoch_ns)
    assert track_of("take 1", placed).spans == expected.spans and not problems


@pytest.mark.parametrize("name", format_names())
@settings(max_examples=10, deadline=None)
@given(labels=label_tracks(MS))
def test_nothing_is_lost_where_nothing_is_said_to_be(name, labels):
    """`losses` is empty just where a form has a place for all of the track."""
    track = track_of("a", labels)
    form = find_format(name)
    lost = form.losses(track, OPTIONS)
    parts = {
        "outcome": any(span.outcome for span in track.spans),
        "confidence": any(span.confidence != 1 for span in track.spans),
        "what the labels mean": track.vocabulary is not None,
        "that nothing is done": track.complete,
        "proposal": track.proposals > 0,
    }
    held = {
        "outcome": OUTCOME, "confidence": CONFIDENCE, "what the labels mean": VOCABULARY,
        "that nothing is done": COMPLETE, "proposal": SOURCE,
    }  # fmt: skip
    for words, is_there in parts.items():
        is_lost = is_there and held[words] not in form.holds
        assert any(words in line for line in lost) == is_lost
