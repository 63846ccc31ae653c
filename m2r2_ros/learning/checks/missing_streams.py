# SPDX-License-Identifier: Apache-2.0
"""Streams that a recording lacks, or that hold little that can be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from m2r2_ros.learning.checks.usual import unusual
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RecordingProfile

KIND, UNUSABLE, PROBLEM = "missing sensor", "unusable samples", "as m2r2 inspect says"
# Share of samples without a word, and that which is too much however usual it is.
_LEAST, _MOST = 0.02, 0.2


def missing_streams(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    """What is in no recording is one finding, what is in some is one a recording."""
    for stream in dict.fromkeys(name for profile in profiles for name in profile.missing):
        without = [profile for profile in profiles if stream in profile.missing]
        if len(without) == len(profiles):
            yield never_there(stream)
            continue
        for profile in without:
            yield Finding(
                KIND,
                f"it has no '{stream}', {len(profiles) - len(without)} others have",
                "the sensor is masked there: leave the recording out if it was off by mistake",
                profile.name,
                stream=stream,
            )


def never_there(stream: str) -> Finding:
    """Of a sensor that is in no recording."""
    remedy = "correct its topic in the parameter file, or leave it out of there and of the layout"
    return Finding(KIND, f"'{stream}' is in none of the recordings", remedy, stream=stream)


def unusable_samples(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    """Streams of which an unusual share is NaN, out of range or cannot be decoded."""
    for stream in dict.fromkeys(name for profile in profiles for name in profile.streams):
        having = [profile for profile in profiles if stream in profile.streams]
        shares = np.array([profile.streams[stream].unusable for profile in having])
        for number in np.flatnonzero(unusual(shares, _LEAST) | (shares > _MOST)):
            yield Finding(
                UNUSABLE,
                f"{shares[number]:.0%} of the samples of '{stream}' are NaN, out of range or "
                f"cannot be decoded; usual is {np.median(shares):.1%}",
                "the sensor is masked there: leave the recording out if that is most of it",
                having[number].name,
                stream=stream,
            )


def inspected(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    """The lines of `m2r2 inspect`: pauses, late starts, frozen forces, labels that overlap."""
    for profile in profiles:
        for problem in profile.problems:
            yield Finding(PROBLEM, problem, "`m2r2 inspect` draws it", profile.name)
