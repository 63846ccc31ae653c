# SPDX-License-Identifier: Apache-2.0
"""What is wrong: with topics, with a robot file, with its clocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m2r2_ros.datasets.stream_clocks import OTHER_CLOCK_NS
from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.diagnosis.candidates import TopicCandidate
from m2r2_ros.diagnosis.topic_survey import HERE, OTHER, SINCE_START, ZERO, TopicSurvey
from m2r2_ros.diagnosis.trial import Surveys, frame_problem, why_unusable
from m2r2_ros.errors import nearest_name
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits

ERROR, WARNING = "error", "warning"
# Further than publishers of one topic overtake each other: nodes take it for a step of the clock.
_STEP_BACK_NS = 250_000_000


@dataclass(frozen=True)
class Remark:
    """With an ERROR the chain cannot run; with a WARNING it runs on less than there could be."""

    level: str
    text: str


def topic_remarks(surveys: Surveys) -> Iterator[Remark]:
    """Faults of topics, whoever uses them."""
    common_ns = common_delay_ns(surveys)
    for survey in surveys.values():
        for text in _faults(survey, common_ns):
            yield Remark(WARNING, f"{survey.name}: {text}")


def common_delay_ns(surveys: Surveys) -> int:
    """How late messages come after their stamps by the clock that most topics are on."""
    delays = [s.delay_ns for s in surveys.values() if s.clock in (HERE, OTHER, SINCE_START)]
    near = [sum(abs(d - each) < OTHER_CLOCK_NS for d in delays) for each in delays]
    return delays[int(np.argmax(near))] if delays else 0


def config_remarks(
    layout: SensorLayout,
    topics: TopicMap,
    limits: SensingLimits,
    surveys: Surveys,
    ranked: Mapping[str, Sequence[TopicCandidate]],
) -> Iterator[Remark]:
    """What a robot file lacks or states wrongly."""
    for name in layout.sensed:
        fitting = [each.topic for each in ranked.get(name, ()) if each.is_usable]
        if not topics.topics.get(name):
            could = f": {fitting[0]} could serve it" if fitting else ""
            yield Remark(WARNING, f"'{name}' has no topic in the parameter file{could}")
            continue
        if problem := why_unusable(layout, topics, name, surveys, limits):
            is_missing = topics.topics[name] not in surveys
            near = nearest_name(topics.topics[name], surveys) if is_missing else ""
            others = [topic for topic in fitting if topic != topics.topics[name]]
            could = f"; {others[0]} could serve it" if others and not near else ""
            yield Remark(WARNING, f"'{name}' is masked: {problem}{near}{could}")
        elif problem := frame_problem(topics, name, surveys):
            yield Remark(WARNING, f"'{name}' {problem}")
    if topics.reference_camera and layout.cameras:
        problem = why_unusable(layout, topics, topics.reference_camera, surveys, limits)
        if problem and topics.reference_camera in layout.cameras:
            text = f"reference_camera '{topics.reference_camera}' gives no frames"
            yield Remark(WARNING, f"{text}: windows come at a fixed rate, as gap windows")


def usable(
    layout: SensorLayout, topics: TopicMap, limits: SensingLimits, surveys: Surveys
) -> list[str]:
    """Sensors of the layout that the robot file serves with messages that can be read."""
    given = [name for name in layout.sensed if topics.topics.get(name)]
    return [name for name in given if not why_unusable(layout, topics, name, surveys, limits)]


def _faults(survey: TopicSurvey, common_ns: int) -> Iterator[str]:
    if survey.problem:
        yield survey.problem
    if len(survey.types) > 1:
        yield f"is published as {' and as '.join(survey.types)}: one of them is not received"
    if survey.lost:
        yield f"{survey.lost} messages were lost on their way"
    if survey.clock == ZERO:
        yield "stamps are zero: its driver does not fill header.stamp"
    else:
        yield from _stamp_faults(survey)
    apart_ns = common_ns - survey.delay_ns
    if survey.clock in (HERE, OTHER, SINCE_START) and abs(apart_ns) > OTHER_CLOCK_NS:
        side = "ahead of" if apart_ns > 0 else "behind"
        yield f"is stamped {abs(apart_ns) / 1e9:.1f} s {side} the other topics, by another clock"
    frames = sorted({content.frame for content in survey.contents})
    if len(frames) > 1:
        yield f"has frames {', '.join(map(repr, frames[:3]))}: two publishers on one topic?"


def _stamp_faults(survey: TopicSurvey) -> Iterator[str]:
    """Of stamps that are no times at which something was measured."""
    if survey.count and not (survey.contents and (survey.stamps or not survey.is_stamped)):
        yield f"none of its {survey.count} messages can be read: of another type, or damaged"
    if min(survey.stamps, default=0) < 0:
        yield "is stamped before 1970 or after 2038, which no clock of ROS says"
    steps_ns = np.diff(np.array(survey.stamps, np.int64))
    back_ns = -steps_ns[steps_ns < 0]
    if len(steps_ns) and not steps_ns.any():
        yield f"all {survey.count} messages have one stamp: its driver must stamp each one anew"
    elif steps_ns.sum() < 0 or back_ns.max(initial=0) > _STEP_BACK_NS:
        yield (
            f"stamps go back {len(back_ns)} times, by up to {back_ns.max() / 1e9:.2f} s: a clock "
            "that is set, a recording that begins again, or two publishers on one topic"
        )
