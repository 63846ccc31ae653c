# SPDX-License-Identifier: Apache-2.0
"""Signals that run into the end of their sensor's range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from m2r2_ros.learning.checks.usual import unusual
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RecordingProfile

KIND = "saturated sensor"
# Share of samples that may be cut off without a word.
_LEAST = 0.01


def cut_off_signals(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    """Columns whose samples are cut off in an unusual share of a recording."""
    for stream in dict.fromkeys(name for profile in profiles for name in profile.streams):
        having = [profile for profile in profiles if stream in profile.streams]
        shares = np.array([profile.streams[stream].cut_off for profile in having])
        odd = np.array([unusual(column, _LEAST) for column in shares.T]).T
        for number in np.flatnonzero(odd.any(axis=1)):
            names = np.array(having[number].streams[stream].columns)[odd[number]]
            what = "" if len(names) == odd.shape[1] else f" ({', '.join(names)})"
            yield Finding(
                KIND,
                f"'{stream}'{what} is cut off at the end of its range in up to "
                f"{shares[number].max():.1%} of the samples",
                "widen the sensor's range or lower its gain, or leave the recording out",
                having[number].name,
                stream=stream,
            )
