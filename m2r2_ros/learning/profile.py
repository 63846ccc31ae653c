# SPDX-License-Identifier: Apache-2.0
"""A recording at ten frames a second: small enough to hold all of a data set beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from m2r2_ros.datasets.recording_source import gap_label
from m2r2_ros.datasets.source import open_source
from m2r2_ros.evaluation.segments import Segment, frame_labels, segments_from_actions
from m2r2_ros.inspection.film_strip import Thumbnail
from m2r2_ros.inspection.inspection import Inspection, inspect_source
from m2r2_ros.inspection.recording_checks import (
    frozen_problems,
    label_problems,
    stream_problems,
)
from m2r2_ros.inspection.spectrogram import Spectrogram
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.signal import Signal

RATE_HZ = 10.0
CAMERA, SOUND, SIGNAL = "camera", "sound", "signal"
# Of a picture, and of a spectrum in octaves from the highest frequency down.
_GRID, _OCTAVES = 5, 6
# Something that moves and is cut off comes to the end of the range as often as this.
_FEWEST_STAYS = 3


@dataclass(frozen=True)
class StreamProfile:
    """One stream in T frames of 1 / RATE_HZ from the recording's start.

    kind      CAMERA: D grey values 0 to 1 of a coarse picture; SOUND: D bands in dB; SIGNAL.
    columns   D names.
    values    float32 (T, D), NaN where nothing was measured.
    still     bool (T, D): no sample of the frame differs from the one before it.
    cut_off   float (D,): share of samples that stop dead at the highest or lowest value.
    unusable  share of samples that are no measurement.
    """

    kind: str
    columns: tuple[str, ...]
    values: np.ndarray
    still: np.ndarray
    cut_off: np.ndarray
    unusable: float = 0.0


@dataclass(frozen=True)
class RecordingProfile:
    """A recording as the checks see it.

    segments  confirmed labels, seconds from the first frame; `gap` is the label between them.
    streams   those of the layout that are there, `missing` names the others.
    problems  what `m2r2 inspect` says of its streams and labels, a line each.
    """

    name: str
    group: str
    duration_s: float
    segments: tuple[Segment, ...]
    gap: str
    streams: dict[str, StreamProfile]
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @cached_property
    def labels(self) -> list[str]:
        """The label of each frame."""
        return frame_labels(self.segments, self.duration_s, self.gap, RATE_HZ)


def read_profile(
    path: Path, layout: SensorLayout, deployment: Deployment, group: str = ""
) -> RecordingProfile:
    """Read a whole recording. Raises M2R2Error as `inspect_source` does."""
    with open_source(path, deployment.topics) as source:
        inspection = inspect_source(source, layout, deployment.limits)
        gap = gap_label(source)
    duration_s = max(stream.last_s for stream in inspection.streams.values())
    # Of samples that cannot be used a check of its own judges.
    summaries = {name: replace(one, unusable=0) for name, one in inspection.streams.items()}
    return RecordingProfile(
        name=inspection.name,
        group=group or inspection.name,
        duration_s=duration_s,
        segments=tuple(segments_from_actions(inspection.actions or ())),
        gap=gap,
        streams=_streams(inspection, duration_s),
        missing=tuple(name for name in layout.modalities if name not in inspection.streams),
        problems=(
            *stream_problems(summaries, layout, deployment.limits),
            *frozen_problems(inspection.signals, layout),
            *label_problems(inspection.actions, duration_s),
        ),
    )


def _streams(inspection: Inspection, duration_s: float) -> dict[str, StreamProfile]:
    found: dict[str, StreamProfile] = {}
    for name, film in inspection.films.items():
        found[name] = camera_profile(film.thumbnails, duration_s)
    if inspection.sound is not None:
        found[AUDIO] = sound_profile(inspection.sound, duration_s)
    for name, (times_s, values) in inspection.signals.items():
        signal = inspection.layout.signals[name]
        found[name] = signal_profile(signal, times_s, values, duration_s)
    summaries = inspection.streams
    return {
        name: replace(found[name], unusable=summaries[name].unusable / summaries[name].samples)
        for name in inspection.layout.modalities
        if name in found
    }


def signal_profile(
    signal: Signal, times_s: np.ndarray, values: np.ndarray, duration_s: float
) -> StreamProfile:
    """Of a signal at times (N,), increasing, with values (N, D), NaN where they are not usable."""
    usable = np.isfinite(values).all(axis=1)
    times_s, values = times_s[usable], _unwrapped(values[usable], signal)
    frames, inside = _frames_of(times_s, duration_s)
    times_s, values = times_s[inside], values[inside]
    changes = np.diff(values, axis=0, prepend=values[:1]) != 0
    count = round(duration_s * RATE_HZ)
    samples = np.bincount(frames, minlength=count)
    columns = range(values.shape[1])
    sums = np.array([np.bincount(frames, values[:, d], count) for d in columns]).T
    changed = np.array([np.bincount(frames, changes[:, d], count) for d in columns]).T
    with np.errstate(invalid="ignore"):
        means = (sums / samples[:, None]).astype(np.float32)
    return StreamProfile(
        SIGNAL,
        signal.columns,
        means,
        (changed == 0) & (samples[:, None] > 0),
        np.array([cut_off_share(values[:, d]) for d in columns]),
    )


def _unwrapped(values: np.ndarray, signal: Signal) -> np.ndarray:
    """Quaternions without jumps: q and -q are one rotation."""
    values = values.copy()
    for first, stop in signal.quaternions:
        part = values[:, first:stop]
        turns = np.where((part[1:] * part[:-1]).sum(axis=1) < 0, -1.0, 1.0)
        part[1:] *= np.cumprod(turns)[:, None]
    return values


def cut_off_share(values: np.ndarray) -> float:
    """Share of samples (N,) in stays at the extreme value that begin with a step, as by clipping.

    What comes to rest there has slowed down before. A gripper at its end has not, but stays.
    """
    steps = np.abs(np.diff(values))
    if not steps.any():
        return 0.0
    hard = np.median(steps[steps > 0]) / 2
    share = 0.0
    for extreme in (values.min(), values.max()):
        edges = np.flatnonzero(np.diff(np.r_[0, values == extreme, 0]))
        stays = [
            stop - first
            for first, stop in zip(edges[::2], edges[1::2], strict=True)
            # The last step is cut off itself.
            if first > 0 and stop - first > 2 and steps[max(0, first - 2) : first].max() > hard
        ]
        share += sum(stays) if len(stays) >= _FEWEST_STAYS else 0
    return float(share / len(values))


def camera_profile(thumbnails: Sequence[Thumbnail], duration_s: float) -> StreamProfile:
    """Of small pictures at some times; each is seen until the next one."""
    coarse = np.array([_coarse(each.picture) for each in thumbnails], np.float32)
    same = [False] + [
        np.array_equal(before.picture, after.picture) for before, after in pairwise(thumbnails)
    ]
    starts_s = [each.time_s for each in thumbnails]
    shown = np.searchsorted(starts_s, _middles(duration_s), "right") - 1
    values = np.where(shown[:, None] >= 0, coarse[shown], np.nan)
    still = np.array(same)[np.minimum(shown + 1, len(same) - 1)]
    columns = tuple(f"cell {row}, {column}" for row in range(_GRID) for column in range(_GRID))
    repeated = np.repeat(still[:, None], values.shape[1], axis=1)
    return StreamProfile(CAMERA, columns, values, repeated, np.zeros(values.shape[1]))


def _coarse(picture: np.ndarray) -> np.ndarray:
    grey = Image.fromarray(picture).convert("L").resize((_GRID, _GRID), Image.Resampling.BOX)
    return np.asarray(grey, np.float32).ravel() / 255


def sound_profile(sound: Spectrogram, duration_s: float) -> StreamProfile:
    """The loudest moment of each frame in octaves."""
    decibels = sound.decibels(0.0, duration_s, round(duration_s * RATE_HZ)).T
    edges = [0, *(decibels.shape[1] >> np.arange(_OCTAVES - 1, -1, -1))]
    with np.errstate(invalid="ignore"):
        bands = [
            10 * np.log10((10 ** (decibels[:, low:high] / 10)).mean(axis=1))
            for low, high in pairwise(edges)
        ]
    values = np.array(bands, np.float32).T
    columns = tuple(f"octave {octave}" for octave in range(_OCTAVES))
    still = np.diff(values, axis=0, prepend=np.nan) == 0
    return StreamProfile(SOUND, columns, values, still, np.zeros(_OCTAVES))


def _middles(duration_s: float) -> np.ndarray:
    return (np.arange(round(duration_s * RATE_HZ)) + 0.5) / RATE_HZ


def _frames_of(times_s: np.ndarray, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """The frame of each sample inside the recording, and which samples those are."""
    frames = np.floor(times_s * RATE_HZ).astype(int)
    inside = (frames >= 0) & (frames < round(duration_s * RATE_HZ))
    return frames[inside], inside
