# SPDX-License-Identifier: Apache-2.0
"""When a planner knew: delays, actions that it never heard of, and actions that did not begin.

A planner holds the label of the last message; what it holds is given as segments of belief, from
the stamp of the message to the stamp of the next. Three figures belong together, since each alone
can be bettered by a worse product: waiting lowers the false starts, guessing the delay, and
recognising only what is easy the mean delay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from m2r2_ros.evaluation.segments import Segment

# A label counts as recognised once it has been held for this long, or to the action's end.
HOLD_S = 0.5


@dataclass(frozen=True)
class Timeliness:
    """How one recording's true actions were recognised.

    delays_s      for each true action in order: seconds from its start to the first message within
                  it that says its label, which is then held for `HOLD_S` or to the action's end.
                  0 where the label was already held; None where no message did: not recognised.
    false_starts  beliefs in an action that are not the first one to meet a true action of that
                  label.
    """

    delays_s: list[float | None]
    false_starts: int


def timeliness(
    believed: Sequence[Segment],
    truth: Iterable[Segment],
    idle: Collection[str] = (),
    classes: Collection[str] = (),
) -> Timeliness:
    """Hold what was believed, in order of time, against the true segments.

    `idle` labels are no actions, on either side. Of what was believed only `classes` count as an
    announcement, if there are any: "unknown" and an activity that still lacks its object announce
    no class.
    """
    beliefs = _merged(believed)
    actions = [segment for segment in truth if segment.label not in idle]
    announced = [
        belief
        for belief in beliefs
        if belief.label not in idle and (not classes or belief.label in classes)
    ]
    delays = [_delay_s(beliefs, action) for action in actions]
    return Timeliness(delays, len(announced) - _first_to_meet(announced, actions))


def summary(recordings: Iterable[Timeliness]) -> dict[str, float | None]:
    """Over all true actions of a data set.

    delay_s, delay_p50_s, delay_p90_s  mean, median and 90th percentile over the recognised ones;
                                       None when there is none.
    recognised                         percent of the true actions; None when there is none.
    false_starts                       per true action.
    """
    recordings = list(recordings)
    delays = [delay for one in recordings for delay in one.delays_s]
    known = [delay for delay in delays if delay is not None]
    total = len(delays)
    middle, late = np.percentile(known, (50, 90)) if known else (None, None)
    return {
        "delay_s": float(np.mean(known)) if known else None,
        "delay_p50_s": float(middle) if known else None,
        "delay_p90_s": float(late) if known else None,
        "recognised": 100.0 * len(known) / total if total else None,
        "false_starts": sum(one.false_starts for one in recordings) / total if total else None,
    }


def held_at(believed: Iterable[Segment], times_s: np.ndarray, otherwise: str) -> list[str]:
    """The label that a planner holds at each time; `otherwise` where nothing is believed."""
    labels = np.full(len(times_s), otherwise, dtype=object)
    for label, start_s, end_s in believed:
        labels[(times_s >= start_s) & (times_s < end_s)] = label
    return labels.tolist()


def _merged(believed: Iterable[Segment]) -> list[Segment]:
    """Neighbours of one label as one belief; what takes no time is none."""
    lasting = [belief for belief in believed if belief.end_s > belief.start_s]
    merged: list[Segment] = []
    for belief in lasting:
        last = merged[-1] if merged else None
        if last and last.label == belief.label and last.end_s == belief.start_s:
            merged[-1] = last._replace(end_s=belief.end_s)
        else:
            merged.append(belief)
    return merged


def _delay_s(beliefs: Sequence[Segment], action: Segment) -> float | None:
    for label, start_s, end_s in beliefs:
        since = max(start_s, action.start_s)
        held = label == action.label and start_s < action.end_s and end_s > action.start_s
        if held and end_s >= min(since + HOLD_S, action.end_s):
            return since - action.start_s
    return None


def _first_to_meet(announced: Sequence[Segment], actions: Sequence[Segment]) -> int:
    """How many announcements are the first that overlaps some true action of their label."""
    first: set[int] = set()
    for action in actions:
        meeting = (
            index
            for index, (label, start_s, end_s) in enumerate(announced)
            if label == action.label and start_s < action.end_s and end_s > action.start_s
        )
        first |= set(list(meeting)[:1])
    return len(first)


def beliefs_from_frames(held: Sequence[str], edges_s: np.ndarray) -> list[Segment]:
    """What a planner believed, from the label that it held at the end of each frame.

    Frame i is `[edges_s[i], edges_s[i + 1])`, edges (T + 1,); its message is stamped at its end and
    stands until that of the next frame, the last one for as long as its frame was.
    """
    ends = [*edges_s[2:], 2 * edges_s[-1] - edges_s[-2]]
    frames = map(Segment, held, map(float, edges_s[1:]), map(float, ends))
    return _merged(frames)
