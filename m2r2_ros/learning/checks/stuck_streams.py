# SPDX-License-Identifier: Apache-2.0
"""Signals, cameras and microphones that stand still while they do not in other recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from m2r2_ros.learning.checks.usual import FEWEST, unusual
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RATE_HZ, RecordingProfile

KIND = "stuck sensor"
# A stillness of which others show less than one in e^20 is unusual, however alike they are.
_LEAST = 20.0
# Neighbouring frames tell much the same: so many count as one.
_TOLD_TOGETHER = 5


def stuck_streams(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    """By how improbable a recording's longest stillness is, by what others do at its labels."""
    for stream in dict.fromkeys(name for profile in profiles for name in profile.streams):
        having = [profile for profile in profiles if stream in profile.streams]
        columns = having[0].streams[stream].columns
        runs = _improbable_runs(having, stream)
        odd = [
            unusual(np.array([run[d][0] for run in runs]), _LEAST)
            | _alone_constant(having, stream, d)
            for d in range(len(columns))
        ]
        for number, profile in enumerate(having):
            stuck = [d for d in range(len(columns)) if odd[d][number]]
            if stuck:
                worst = max(stuck, key=lambda d: runs[number][d][0])
                yield _finding(profile, stream, [columns[d] for d in stuck], runs[number][worst])
    yield from _dead(profiles)


# Minus the log probability of a stillness, and its frames [first, stop).
_Run = tuple[float, int, int]


def _improbable_runs(profiles: Sequence[RecordingProfile], stream: str) -> list[list[_Run]]:
    """For each recording and column the stillness that is most improbable by the others."""
    classes = list(dict.fromkeys(label for profile in profiles for label in profile.labels))
    index = {label: number for number, label in enumerate(classes)}
    known = [np.array([index[label] for label in profile.labels]) for profile in profiles]
    still = [profile.streams[stream].still for profile in profiles]
    member = [k[:, None] == np.arange(len(classes)) for k in known]
    frames = np.array([one.sum(axis=0) for one in member])
    stills = np.array([one.T.astype(float) @ s for one, s in zip(member, still, strict=True)])
    # As the rule of succession has it: of others that show none of it, one in as many frames.
    others = (stills.sum(axis=0) - stills + 1) / (frames.sum(axis=0) - frames + 2)[..., None]
    improbable = -np.log(others) / _TOLD_TOGETHER
    return [
        [_worst_run(s[:, d], each[k, d]) for d in range(s.shape[1])]
        for s, k, each in zip(still, known, improbable, strict=True)
    ]


def _worst_run(still: np.ndarray, improbable: np.ndarray) -> _Run:
    edges = np.flatnonzero(np.diff(np.r_[0, still, 0]))
    runs = [
        (float(improbable[first:stop].sum()), int(first), int(stop))
        for first, stop in zip(edges[::2], edges[1::2], strict=True)
    ]
    return max(runs, default=(0.0, 0, 0))


def _alone_constant(profiles: Sequence[RecordingProfile], stream: str, column: int) -> np.ndarray:
    """Whether it is the one recording, of enough, in which a column never changes."""
    constant = np.array([p.streams[stream].still[1:, column].all() for p in profiles])
    return constant & (constant.sum() == 1) & (len(profiles) >= FEWEST)


def _finding(profile: RecordingProfile, stream: str, columns: Sequence[str], run: _Run) -> Finding:
    _, first, stop = run
    total = len(profile.streams[stream].columns)
    what = "" if len(columns) == total else f" ({', '.join(columns)})"
    return Finding(
        KIND,
        f"'{stream}'{what} does not change at all for {(stop - first) / RATE_HZ:.1f} s, from "
        f"{first / RATE_HZ:.1f} s on, where it does in the other recordings",
        "see to the sensor, or leave the recording out",
        profile.name,
        stream=stream,
        start_s=first / RATE_HZ,
        end_s=stop / RATE_HZ,
    )


def _dead(profiles: Sequence[RecordingProfile]) -> Iterator[Finding]:
    for stream in dict.fromkeys(name for profile in profiles for name in profile.streams):
        values = [p.streams[stream].values for p in profiles if stream in p.streams]
        known = np.concatenate(values)
        known = known[np.isfinite(known).all(axis=1)]
        if not len(known) or (known == known[0]).all():
            yield Finding(
                KIND,
                f"'{stream}' never changes in any recording",
                "is it the right topic, and is the sensor on? else leave it out of the layout",
                stream=stream,
            )
