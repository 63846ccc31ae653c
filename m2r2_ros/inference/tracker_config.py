# SPDX-License-Identifier: Apache-2.0
"""The segment tracker's parameters: each a probability or a time, with its range and meaning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from m2r2_ros.errors import M2R2Error, brief, nearest_name

# What only one of the two rules reads.
_WAITING = ("hysteresis", "confirm_s", "sure_above")
_EVIDENCE = ("procedure_prior", "evidence_per_s", "commit_level")


def _parameter(default: float, low: float, high: float, description: str) -> Any:
    metadata = {"range": (low, high), "description": description}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrackerConfig:
    """Conditions for believing a new label. Every field carries its range and description.

    procedure_prior, evidence_per_s and commit_level are of a tracker that decides by evidence;
    hysteresis, confirm_s and sure_above of one that waits.
    """

    unknown_below: float = _parameter(
        0.4,
        0.0,
        1.0,
        "An activity less probable than this, all its objects together, is 'unknown'.",
    )
    object_unknown_below: float = _parameter(
        0.5,
        0.0,
        1.0,
        "An object with less than this share of its activity's probability is left open: the "
        "activity is published without an object, which may follow.",
    )
    hysteresis: float = _parameter(
        0.1,
        0.0,
        1.0,
        "The open activity stays until another is more probable by this, or until it is this much "
        "below unknown_below; likewise the open object by its share.",
    )
    confirm_s: float = _parameter(
        0.3,
        0.0,
        60.0,
        "Seconds for which a new label must win before it is published. This is the delay.",
    )
    boundary_trust: float = _parameter(
        0.5,
        0.0,
        1.0,
        "A boundary of probability b shortens confirm_s by this times b; by evidence, this times b "
        "is the probability that a segment ends there. 0 ignores boundaries.",
    )
    sure_above: float = _parameter(
        0.0,
        0.0,
        1.0,
        "A new activity less probable than this is not believed yet, for patience_s at most.",
    )
    patience_s: float = _parameter(
        1.0,
        0.0,
        60.0,
        "Seconds from the open segment's end after which an activity need not be sure; by "
        "evidence, after which it is 'unknown'.",
    )
    procedure_prior: float = _parameter(
        0.1,
        0.0,
        1.0,
        "Probability that the order of labels is that of training; else any label may be next.",
    )
    evidence_per_s: float = _parameter(
        8.0,
        0.01,
        1000.0,
        "Independent looks that a second of frames is worth: neighbours tell much the same.",
    )
    commit_level: float = _parameter(
        0.8,
        0.5,
        1.0,
        "An activity is published once it has begun with this probability.",
    )
    min_duration_s: float = _parameter(
        0.5, 0.0, 60.0, "No segment that another one follows is shorter than these seconds."
    )
    heartbeat_s: float = _parameter(
        1.0, 0.0, 3600.0, "Seconds between ONGOING messages of an open segment."
    )

    outcome_unknown_below: float = _parameter(
        0.6,
        0.0,
        1.0,
        "An outcome less probable than this is not told: it is UNKNOWN.",
    )

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, (low, high) = getattr(self, entry.name), entry.metadata["range"]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not low <= value <= high:
                raise M2R2Error(
                    f"tracker {entry.name} must be in [{low}, {high}], got {brief(value)}"
                )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrackerConfig:
        """Defaults changed by `values`. Raises M2R2Error on an unknown name or a bad value."""
        known = {entry.name for entry in fields(cls)}
        for name in values:
            if name not in known:
                raise M2R2Error(f"unknown tracker entry '{name}'{nearest_name(str(name), known)}")
        return cls(**values)


def without_effect(changed: Iterable[str], by_evidence: bool) -> str:
    """A line that names the changed parameters which the head's tracker does not read, or ""."""
    unread = set(_WAITING if by_evidence else _EVIDENCE).intersection(changed)
    if not unread:
        return ""
    how, read = ("by evidence", _EVIDENCE) if by_evidence else ("by waiting", _WAITING)
    return (
        f"no effect: {', '.join(sorted(unread))}: this head's tracker decides {how} "
        f"({', '.join(read)})"
    )
