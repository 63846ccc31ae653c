# SPDX-License-Identifier: Apache-2.0
"""All checks of labelled recordings, before anything is learned from them.

What is usual is what most recordings show: from four recordings on they are compared with each
other. No check reads a file: `profile.read_profile` does, once for each recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from m2r2_ros.learning.checks.cameras import SWAPPED as CAMERAS_SWAPPED
from m2r2_ros.learning.checks.cameras import blank_cameras, swapped_cameras
from m2r2_ros.learning.checks.class_counts import few_examples
from m2r2_ros.learning.checks.cut_off_signals import cut_off_signals
from m2r2_ros.learning.checks.durations import odd_durations
from m2r2_ros.learning.checks.label_contradictions import (
    FOREIGN,
    SWAPPED,
    UNLIKE,
    contradicting_labels,
    odd_streams,
)
from m2r2_ros.learning.checks.label_model import fit_labels
from m2r2_ros.learning.checks.label_names import similar_labels
from m2r2_ros.learning.checks.label_shift import (
    CLOCK_KIND,
    SHIFTED,
    shifted_labels,
    shifted_streams,
)
from m2r2_ros.learning.checks.missing_streams import (
    inspected,
    missing_streams,
    unusable_samples,
)
from m2r2_ros.learning.checks.signal_columns import ORDER, SIGN, changed_columns
from m2r2_ros.learning.checks.silent_sound import silent_sound
from m2r2_ros.learning.checks.stuck_streams import stuck_streams
from m2r2_ros.learning.checks.usual import FEWEST
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RecordingProfile
from m2r2_ros.vocabulary import Vocabulary

# What is wrong with the labels of a whole recording.
LABEL_KINDS = (SHIFTED, SWAPPED, FOREIGN)


def examine(profiles: Sequence[RecordingProfile], vocabulary: Vocabulary) -> list[Finding]:
    """What somebody should look at, fatal findings first.

    `vocabulary` is that of all recordings.
    """
    of_sensors = list(_of_sensors(profiles, vocabulary))
    of_labels = list(_of_labels(profiles, vocabulary, of_sensors))
    # Labels that are wrong make columns look turned or exchanged, and so does a late stream.
    wrong = {finding.recording for finding in of_labels if finding.kind in LABEL_KINDS}
    late = {(one.recording, one.stream) for one in of_labels if one.kind == CLOCK_KIND}
    found = [
        *_of_classes(profiles, vocabulary),
        *of_labels,
        *(
            one
            for one in of_sensors
            if one.kind not in (SIGN, ORDER)
            or (one.recording not in wrong and (one.recording, one.stream) not in late)
        ),
    ]
    return sorted(found, key=lambda finding: not finding.fatal)


def _of_classes(profiles: Sequence[RecordingProfile], vocabulary: Vocabulary) -> Iterator[Finding]:
    yield from few_examples(profiles, vocabulary)
    yield from similar_labels(profiles)
    yield from odd_durations(profiles, vocabulary)


def _of_labels(
    profiles: Sequence[RecordingProfile], vocabulary: Vocabulary, known: Sequence[Finding]
) -> Iterator[Finding]:
    """Labels against signals, and signals against each other; of one fault its best explanation.

    `known`: what has been found of the sensors.
    """
    labelled = [profile for profile in profiles if profile.segments]
    if len(labelled) < FEWEST:
        yield Finding(
            "few recordings",
            f"{len(labelled)} of {len(profiles)} recordings are labelled: too few to tell by "
            "comparison which one has wrong labels or sensors",
            f"label {FEWEST} or more",
            fatal=not labelled,
        )
        return
    level = vocabulary.at("coarse") if vocabulary.has_objects else vocabulary
    fits = fit_labels(labelled, level.labels, vocabulary.coarse)
    contradictions = list(contradicting_labels(fits, level.labels))
    exchanged = {finding.recording for finding in contradictions if finding.kind != UNLIKE}
    shifts = [
        finding
        for finding in (*shifted_labels(fits), *shifted_streams(fits))
        if finding.recording not in exchanged
    ]
    blind = {(one.recording, one.stream) for one in known if one.kind not in (SIGN, ORDER)}
    shifts = [one for one in shifts if not one.stream or (one.recording, one.stream) not in blind]
    told = {(finding.recording, finding.stream) for finding in (*known, *shifts) if finding.stream}
    odd = [one for one in odd_streams(fits) if (one.recording, one.stream) not in told]
    whole = exchanged | {finding.recording for finding in shifts if not finding.stream}
    # Of cameras that have changed places both are unlike themselves.
    whole |= {one.recording for one in known if one.kind == CAMERAS_SWAPPED}
    yield from shifts
    yield from (one for one in odd if one.recording not in whole)
    spoiled = {one.recording for one in (*shifts, *odd)} | {recording for recording, _ in told}
    yield from (one for one in contradictions if one.kind != UNLIKE or one.recording not in spoiled)


def _of_sensors(profiles: Sequence[RecordingProfile], vocabulary: Vocabulary) -> Iterator[Finding]:
    yield from missing_streams(profiles)
    yield from unusable_samples(profiles)
    yield from stuck_streams(profiles)
    yield from cut_off_signals(profiles)
    labels = list(dict.fromkeys(map(vocabulary.coarse, vocabulary.labels)))
    yield from changed_columns(profiles, labels, vocabulary.coarse)
    yield from blank_cameras(profiles)
    yield from swapped_cameras(profiles)
    yield from silent_sound(profiles)
    yield from inspected(profiles)
