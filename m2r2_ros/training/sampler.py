# SPDX-License-Identifier: Apache-2.0
"""The three-action window sampler of M2R2 (III-C), and that of its baseline Bridge-Prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from m2r2_ros.vocabulary import UNLABELLED


@dataclass(frozen=True)
class ActionSpan:
    """Frames [begin, end) of one action, an index pair [i_b, i_e) of the paper."""

    begin: int
    end: int
    label: str


@dataclass(frozen=True)
class SampledWindow:
    """`frames` int64 (N_w,), ascending; `labels`: the actions in it, in order; `boundaries`
    float32 (N_w,): 1 at the first sample of every action but the first (B_gt)."""

    frames: np.ndarray
    labels: tuple[str, ...]
    boundaries: np.ndarray


def action_spans(labels: Sequence[str]) -> list[ActionSpan]:
    """The actions of a recording: runs of equal frame labels, without unlabelled frames."""
    starts = [i for i, label in enumerate(labels) if i == 0 or label != labels[i - 1]]
    edges = [*starts, len(labels)] if starts else []
    spans = [ActionSpan(b, e, labels[b]) for b, e in pairwise(edges)]
    return [span for span in spans if span.label != UNLABELLED]


def sample_window(
    spans: Sequence[ActionSpan],
    action: int,
    padding: int,
    samples: int,
    random: np.random.Generator,
) -> SampledWindow:
    """Sample the window [i_b - p, i_e + p) around `spans[action]`.

    The padding ends where the neighbouring action ends, so that no fourth action enters. Each of
    the three sections gets samples in proportion to its duration, and at least one when it has a
    frame. At the ends of a recording, sections are missing. Sections shorter than their share
    repeat frames.
    """
    sections = _sections(spans, action, padding)
    shares = _proportional([span.end - span.begin for span in sections], samples)
    frames = [_draw(s, n, random) for s, n in zip(sections, shares, strict=True)]
    boundaries = np.zeros(samples, np.float32)
    boundaries[np.cumsum(shares)[:-1]] = 1
    return SampledWindow(np.concatenate(frames), tuple(span.label for span in sections), boundaries)


def sample_evenly(
    spans: Sequence[ActionSpan],
    action: int,
    stride: int,
    samples: int,
    random: np.random.Generator,
) -> SampledWindow:
    """Bridge-Prompt's window: frames `stride` apart, from a random frame of `spans[action]` on.

    Actions that no sample shows are not in it. Past the end of the recording, or where frames are
    unlabelled, the last frame is repeated.
    """
    start = random.integers(spans[action].begin, spans[action].end)
    frames = np.minimum(start + stride * np.arange(samples), _unbroken_end(spans, action) - 1)
    shown = np.searchsorted([span.begin for span in spans], frames, "right") - 1
    boundaries = np.zeros(samples, np.float32)
    boundaries[1:] = np.diff(shown) > 0
    return SampledWindow(frames, tuple(spans[i].label for i in np.unique(shown)), boundaries)


def soft_boundaries(boundaries: np.ndarray, sigma: float) -> np.ndarray:
    """The boundaries under a Gaussian kernel with peak 1: float32 (N_w,) in [0, 1].

    Where the bells of two boundaries meet, the higher one counts.
    """
    index = np.arange(len(boundaries))
    distance = index[:, None] - index[boundaries > 0][None]
    bells = np.exp(-0.5 * (distance / sigma) ** 2)
    return bells.max(axis=1, initial=0).astype(np.float32)


def _sections(spans: Sequence[ActionSpan], action: int, padding: int) -> list[ActionSpan]:
    middle = spans[action]
    sections = [middle]
    if action > 0 and spans[action - 1].end == middle.begin:
        before = spans[action - 1]
        begin = max(before.begin, middle.begin - padding)
        sections.insert(0, ActionSpan(begin, middle.begin, before.label))
    if action + 1 < len(spans) and spans[action + 1].begin == middle.end:
        after = spans[action + 1]
        sections.append(ActionSpan(middle.end, min(after.end, middle.end + padding), after.label))
    return [section for section in sections if section.begin < section.end]


def _unbroken_end(spans: Sequence[ActionSpan], action: int) -> int:
    """The end of the last action that is reached from `action` without a gap."""
    end = spans[action].end
    for span in spans[action + 1 :]:
        if span.begin != end:
            break
        end = span.end
    return end


def _proportional(durations: Sequence[int], samples: int) -> list[int]:
    """Shares of `samples` in proportion to `durations`, by largest remainder, none below one."""
    exact = np.array(durations) * samples / sum(durations)
    shares = np.maximum(1, np.floor(exact)).astype(int)
    while shares.sum() < samples:
        shares[np.argmax(exact - shares)] += 1
    while shares.sum() > samples:
        shares[np.argmax(shares - exact + (shares == 1) * -samples)] -= 1
    return shares.tolist()


def _draw(span: ActionSpan, count: int, random: np.random.Generator) -> np.ndarray:
    length = span.end - span.begin
    return np.sort(span.begin + random.choice(length, count, replace=count > length))
