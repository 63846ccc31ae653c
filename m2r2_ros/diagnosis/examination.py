# SPDX-License-Identifier: Apache-2.0
"""From what was seen of the topics to what serves which sensor and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from m2r2_ros.datasets.topics import TopicMap
from m2r2_ros.diagnosis.candidates import TopicCandidate, choose
from m2r2_ros.diagnosis.found_layout import found_layout, layout_of_topics, unusable_cameras
from m2r2_ros.diagnosis.machine import facts, machine_remarks
from m2r2_ros.diagnosis.remarks import (
    ERROR,
    WARNING,
    Remark,
    config_remarks,
    topic_remarks,
    usable,
)
from m2r2_ros.diagnosis.report import DoctorReport
from m2r2_ros.diagnosis.trial import Surveys, why_unusable
from m2r2_ros.inference.models import Models
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.limits import SensingLimits


@dataclass(frozen=True)
class Wanted:
    """What the topics are held against.

    topics   of a robot file, None without one.
    models   opened; None where none are given.
    problem  why the models that are given cannot be loaded, else "".
    """

    topics: TopicMap | None = None
    limits: SensingLimits = field(default_factory=SensingLimits)
    models: Models | None = None
    problem: str = ""

    def layout(self, surveys: Surveys) -> SensorLayout | None:
        """The encoder's sensors, else those of the robot file, else those that are there."""
        if self.models is not None:
            return self.models.encoder.layout
        if self.topics is not None:
            return layout_of_topics(self.topics, surveys)
        return found_layout(surveys)


def examine(
    surveys: Surveys, wanted: Wanted, is_live: bool, problems: Sequence[str] = ()
) -> tuple[DoctorReport, SensorLayout]:
    """The report, and the layout that it is about; `problems` are those of the bag itself.

    Raises M2R2Error where they make no layout.
    """
    layout = wanted.layout(surveys)
    remarks = [Remark(WARNING, line) for line in problems]
    remarks += [*topic_remarks(surveys), *machine_remarks(surveys, is_live)]
    if wanted.topics is None and wanted.models is None:
        unusable = unusable_cameras(surveys)
        remarks += [
            Remark(WARNING, f"{name} is no camera: {why}") for name, why in unusable.items()
        ]
    if wanted.problem:
        remarks.append(Remark(ERROR, wanted.problem))
    if layout is None:
        remarks.append(Remark(ERROR, "no topic can serve any sensor"))
        return DoctorReport(surveys, {}, {}, facts(), remarks), SensorLayout()
    ranked = choose(layout, surveys)
    if wanted.topics is None:
        serving = {name: _best(found) for name, found in ranked.items()}
        served = [name for name, (_, problem) in serving.items() if not problem]
        lacking = {name: problem for name, (_, problem) in serving.items() if problem}
        remarks += [Remark(WARNING, f"'{name}' is masked: {why}") for name, why in lacking.items()]
    else:
        serving = _given(layout, wanted.topics, wanted.limits, surveys)
        served = usable(layout, wanted.topics, wanted.limits, surveys)
        remarks += config_remarks(layout, wanted.topics, wanted.limits, surveys, ranked)
    if not served:
        remarks.append(Remark(ERROR, "no topic can serve any sensor as it is"))
    known = facts() | _provider(wanted.models)
    return DoctorReport(surveys, ranked, serving, known, remarks), layout


def _best(found: Sequence[TopicCandidate]) -> tuple[str, str]:
    return (found[0].topic, found[0].problem) if found else ("", "no topic can serve it")


def _given(
    layout: SensorLayout, topics: TopicMap, limits: SensingLimits, surveys: Surveys
) -> dict[str, tuple[str, str]]:
    """Each sensor's topic in the robot file, and what is wrong with it."""
    serving = {}
    for name in layout.sensed:
        topic = topics.topics.get(name, "")
        problem = "has no topic in the parameter file"
        if topic:
            problem = why_unusable(layout, topics, name, surveys, limits)
        serving[name] = topic, problem
    return serving


def _provider(models: Models | None) -> dict[str, str]:
    return {} if models is None else {"encoder runs on": models.encoder.providers[0]}
