# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a recording's streams and labels, a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from m2r2_ros.datasets.recording import Action
from m2r2_ros.inspection.stream_summary import StreamSummary
from m2r2_ros.labels import FINE_LABELS, NO_ACTION, is_reassemble, label_from_text
from m2r2_ros.sensing.layout import AUDIO, SensorLayout
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.signal_presets import PRESETS

# A force/torque sensor is noisy: the very same value for this long means that it is dead.
_ALWAYS_NOISY = ("force", "torque")
_FROZEN_S = 1.0
# Two sensors that do not start at the same moment leave a sample or two without a value.
_SHARE_WORTH_A_LINE = 1e-3
# Labels that touch may overlap by rounding.
_ROUNDING_S = 1e-3


def stream_problems(
    streams: Mapping[str, StreamSummary], layout: SensorLayout, limits: SensingLimits
) -> list[str]:
    """Streams that start late, end early, pause for longer than the limits, or hold garbage."""
    first_s = min(summary.first_s for summary in streams.values())
    last_s = max(summary.last_s for summary in streams.values())
    lines = []
    for name, summary in streams.items():
        limit_s = _longest_pause_s(name, layout, limits)
        tolerance_s = max(limit_s, limits.max_signal_age_s)
        if summary.first_s - first_s > tolerance_s:
            lines.append(f"'{name}' starts {summary.first_s - first_s:.1f} s late")
        if last_s - summary.last_s > tolerance_s:
            lines.append(f"'{name}' ends {last_s - summary.last_s:.1f} s early")
        if pauses := [gap for gap in summary.gaps if gap.length_s > limit_s]:
            longest = max(pauses, key=lambda gap: gap.length_s)
            lines.append(
                f"'{name}' is silent for {longest.length_s:.2f} s at {longest.start_s:.1f} s"
                + (f", and {len(pauses) - 1} times more" if len(pauses) > 1 else "")
            )
        if summary.out_of_order:
            lines.append(f"'{name}': {summary.out_of_order} samples out of order")
        share = summary.unusable / summary.samples
        if share >= _SHARE_WORTH_A_LINE:
            lines.append(f"'{name}': {summary.unusable} samples ({share:.1%}) are not usable")
        if (clipped := summary.clipped / summary.samples) >= _SHARE_WORTH_A_LINE:
            lines.append(f"'{name}' is clipped: {clipped:.1%} of its samples are at full scale")
    return lines


def _longest_pause_s(name: str, layout: SensorLayout, limits: SensingLimits) -> float:
    """How long a stream may be silent before it is masked."""
    if name == AUDIO:
        return limits.max_audio_gap_s
    return limits.max_signal_age_s if name in layout.signals else limits.max_camera_age_s


def frozen_problems(
    signals: Mapping[str, tuple[np.ndarray, np.ndarray]], layout: SensorLayout
) -> list[str]:
    """Whether a force or torque, in times (N,) and values (N, D), stays the same for a second."""
    lines = []
    for signal, (times_s, values) in signals.items():
        whose = "" if signal in PRESETS else f"'{signal}': "
        for quantity, columns in layout.signals[signal].spans():
            if quantity.name not in _ALWAYS_NOISY:
                continue
            if spans := _frozen_spans(times_s, values[:, columns]):
                total_s = sum(end_s - start_s for start_s, end_s in spans)
                lines.append(
                    f"{whose}{quantity.name} is frozen for {total_s:.1f} s, "
                    f"from {spans[0][0]:.1f} s on"
                )
    return lines


def _frozen_spans(times_s: np.ndarray, values: np.ndarray) -> list[tuple[float, float]]:
    changes = 1 + np.flatnonzero((np.diff(values, axis=0) != 0).any(axis=1))
    first, last = np.append(0, changes), np.append(changes, len(times_s)) - 1
    spans = zip(times_s[first], times_s[last], strict=True)
    return [(start_s, end_s) for start_s, end_s in spans if end_s - start_s >= _FROZEN_S]


def label_problems(actions: Sequence[Action] | None, last_s: float) -> list[str]:
    """What is odd about the labels of a recording whose data end at `last_s`."""
    if actions is None:
        return ["no labels"]
    if not actions:
        return ["the list of labels is empty"]
    labels = [label_from_text(action.text) for action in actions]
    lines = _strange_labels(labels) if is_reassemble(labels) else []
    overlaps = sum(b.start_s < a.end_s - _ROUNDING_S for a, b in pairwise(actions))
    if overlaps:
        lines.append(f"{overlaps} actions begin before the one before has ended")
    strays = sum(
        skill.start_s < action.start_s - _ROUNDING_S or skill.end_s > action.end_s + _ROUNDING_S
        for action in actions
        for skill in action.low_level
    )
    if strays:
        lines.append(f"{strays} low-level skills reach beyond their action")
    if actions[-1].end_s - last_s > 1.0:
        lines.append(f"the labels end {actions[-1].end_s - last_s:.1f} s after the data")
    return lines


def _strange_labels(labels: Sequence[str]) -> list[str]:
    lines = []
    if labels[0] != NO_ACTION:
        lines.append("no 'No action' at the beginning")
    if unknown := sorted(set(labels).difference(FINE_LABELS)):
        lines.append(f"labels that REASSEMBLE does not have: {', '.join(unknown)}")
    return lines


def unlabelled_problems(
    actions: Sequence[Action] | None, complete: bool, last_s: float
) -> list[str]:
    """How much of the time from 0 to `last_s` no action covers, where that is not idle."""
    if complete or not actions:
        return []
    covered = reached_s = 0.0
    for action in sorted(actions, key=lambda action: action.start_s):
        start_s, end_s = max(action.start_s, reached_s), min(action.end_s, last_s)
        covered += max(0.0, end_s - start_s)
        reached_s = max(reached_s, end_s)
    left_out = last_s - covered
    if left_out <= _ROUNDING_S:
        return []
    return [f"{left_out:.1f} of {last_s:.1f} s are unlabelled: neither trained on nor scored"]
