# SPDX-License-Identifier: Apache-2.0
"""What the doctor has found, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m2r2_ros.diagnosis.candidates import TopicCandidate
from m2r2_ros.diagnosis.remarks import ERROR, Remark, common_delay_ns
from m2r2_ros.diagnosis.topic_survey import HERE, NO_STAMP, OTHER, SINCE_START, TopicSurvey
from m2r2_ros.diagnosis.trial import Surveys
from m2r2_ros.errors import printable

_HEADER = ("topic", "type", "Hz", "jitter", "gap", "stamps", "frame", "QoS", "size", "holds")
_MOST_OTHERS = 3
_MOST_CHARACTERS = 48


@dataclass(frozen=True)
class DoctorReport:
    """`serving`: sensor -> its topic and what is wrong with it, "" for nothing."""

    surveys: Surveys
    ranked: Mapping[str, Sequence[TopicCandidate]]
    serving: Mapping[str, tuple[str, str]]
    facts: Mapping[str, str]
    remarks: Sequence[Remark]

    @property
    def can_run(self) -> bool:
        return not any(remark.level == ERROR for remark in self.remarks)

    def text(self) -> str:
        """Tables: topics, sensors, the machine; then what is wrong."""
        parts = (self._topics(), self._sensors(), self._machine(), self._end())
        return "\n\n".join("\n".join(part) for part in parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        common_ns = common_delay_ns(self.surveys)
        return {
            "can_run": self.can_run,
            "topics": {name: _entry(each, common_ns) for name, each in self.surveys.items()},
            "sensors": {name: self._sensor(name) for name in self.serving},
            "machine": dict(self.facts),
            "remarks": [{"level": each.level, "text": each.text} for each in self.remarks],
        }

    def _sensor(self, name: str) -> dict[str, Any]:
        topic, problem = self.serving[name]
        found = [
            {"topic": each.topic, "fit": each.fit, "problem": each.problem}
            for each in self.ranked.get(name, ())
        ]
        return {"topic": topic, "problem": problem, "candidates": found}

    def _topics(self) -> list[str]:
        common_ns = common_delay_ns(self.surveys)
        rows = [_row(survey, common_ns) for survey in self.surveys.values()]
        return table([_HEADER, *rows]) if rows else ["there is no topic"]

    def _sensors(self) -> list[str]:
        rows: list[Sequence[str]] = [("sensor", "topic", "state", "others")]
        for name, (topic, problem) in self.serving.items():
            usable = [each.topic for each in self.ranked.get(name, ()) if each.is_usable]
            others = [other for other in usable if other != topic][:_MOST_OTHERS]
            state = "masked" if problem else "usable"
            rows.append((name, topic or "-", state, ", ".join(others)))
        return table(rows) if len(rows) > 1 else ["no topic can serve any sensor"]

    def _machine(self) -> list[str]:
        return table(list(self.facts.items()))

    def _end(self) -> Iterator[str]:
        for remark in self.remarks:
            yield printable(f"{remark.level}: {remark.text}")
        yield "the chain can run" if self.can_run else "the chain cannot run"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns two blanks apart; the last one is as long as it is."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    padded = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in padded]


def _row(survey: TopicSurvey, common_ns: int) -> tuple[str, ...]:
    if not survey.count:
        nothing = survey.problem or "nothing has come"
        return survey.name, _short(survey.type_name), "", "", "", "", "", survey.qos, "", nothing
    return (
        survey.name,
        _short(survey.type_name),
        f"{survey.rate_hz:.1f}",
        f"{survey.jitter_ms:.1f} ms",
        f"{survey.longest_gap_s:.2f} s",
        _clock(survey, common_ns),
        survey.content.frame,
        survey.qos,
        _size(survey.largest),
        survey.content.describe()[:_MOST_CHARACTERS],
    )


def _clock(survey: TopicSurvey, common_ns: int) -> str:
    """Whose clock, and how far from the others'."""
    if survey.clock not in (HERE, OTHER, SINCE_START):
        return survey.clock
    return f"{survey.clock} {(common_ns - survey.delay_ns) / 1e9:+.3f} s"


def _entry(survey: TopicSurvey, common_ns: int) -> dict[str, Any]:
    is_timed = survey.clock != NO_STAMP
    return {
        "type": survey.type_name,
        "messages": survey.count,
        "rate_hz": survey.rate_hz,
        "jitter_ms": survey.jitter_ms,
        "longest_gap_s": survey.longest_gap_s,
        "bytes_per_s": survey.bytes_per_s,
        "largest_bytes": survey.largest,
        "lost": survey.lost,
        "clock": survey.clock,
        "delay_s": survey.delay_ns / 1e9 if is_timed else None,
        "offset_s": (common_ns - survey.delay_ns) / 1e9 if is_timed else None,
        "frame": survey.content.frame,
        "joints": list(survey.content.joints),
        "picture": survey.content.picture,
        "qos": survey.qos,
        "publishers": survey.publishers,
        "problem": survey.problem,
    }


def _short(type_name: str) -> str:
    return type_name.replace("/msg/", "/")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
