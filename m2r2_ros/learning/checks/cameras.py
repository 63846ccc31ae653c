# SPDX-License-Identifier: Apache-2.0
"""Cameras that show nothing, and cameras that have changed places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from m2r2_ros.learning.checks.usual import unusual
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import CAMERA, RecordingProfile

BLACK, SWAPPED = "blank camera", "swapped cameras"
# Contrast, in octaves below the usual one, that daylight or a lamp may take.
_LEAST = 3.0
# Grey values, 0 to 1, below which a picture has no contrast at all.
_NO_CONTRAST = 0.01


def blank_cameras(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    """Pictures of one grey: the lens covered, the light off, the exposure wrong."""
    for camera in _cameras(profiles):
        having = [profile for profile in profiles if camera in profile.streams]
        contrast = np.array([_contrast(profile.streams[camera].values) for profile in having])
        odd = unusual(-np.log2(contrast + 1e-3), _LEAST) | (contrast < _NO_CONTRAST)
        for number in np.flatnonzero(odd):
            grey = np.nanmean(having[number].streams[camera].values)
            yield Finding(
                BLACK,
                f"'{camera}' shows next to nothing: its pictures have a mean grey of {grey:.0%} "
                f"and a contrast of {contrast[number]:.1%}; usual is {np.median(contrast):.1%}",
                "uncover and light the camera, or leave the recording out",
                having[number].name,
                stream=camera,
            )


def _contrast(values: np.ndarray) -> float:
    """The median over time of the standard deviation within a coarse picture."""
    return float(np.nanmedian(values.std(axis=1)))


def swapped_cameras(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    """Two cameras that each show what the other one shows in the other recordings."""
    for pair in combinations(_cameras(profiles), 2):
        having = [p for p in profiles if all(camera in p.streams for camera in pair)]
        if not having:
            continue
        # What is fixed in a picture, (recordings, 2, cells), without how bright it is.
        seen = np.array([[_scene(p.streams[camera].values) for camera in pair] for p in having])
        usual = np.median(seen, axis=0)
        own = np.abs(seen - usual).mean(axis=(1, 2))
        other = np.abs(seen - usual[::-1]).mean(axis=(1, 2))
        for number in np.flatnonzero((other < own / 2) & unusual(own - other, 0.0)):
            yield Finding(
                SWAPPED,
                f"'{pair[0]}' and '{pair[1]}' show what the other one shows in the other "
                "recordings",
                "exchange their topics in the parameter file for it, or leave it out",
                having[number].name,
            )


def _scene(values: np.ndarray) -> np.ndarray:
    middle = np.nanmedian(values, axis=0)
    return middle - middle.mean()


def _cameras(profiles: Sequence[RecordingProfile]) -> list[str]:
    every = {name: each for profile in profiles for name, each in profile.streams.items()}
    return [name for name, stream in every.items() if stream.kind == CAMERA]
