# SPDX-License-Identifier: Apache-2.0
"""A parameter file to start from, with a comment at each choice that was made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from m2r2_ros.datasets.sensor_input import KEYS
from m2r2_ros.diagnosis.candidates import TopicCandidate, is_named
from m2r2_ros.diagnosis.trial import Surveys
from m2r2_ros.errors import M2R2Error, printable
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.signal_presets import preset_of

_HEAD = """\
# Written by `m2r2 doctor` from what it saw {where}: look through it, above all at what is guessed.
# One file for the nodes, and for --config of the commands (docs/sensors.md, "The robot file").
/**:
  ros__parameters:
"""
_INDENT = "    "
_MOST_OTHERS = 4


def robot_file(
    layout: SensorLayout,
    ranked: Mapping[str, Sequence[TopicCandidate]],
    surveys: Surveys,
    where: str,
) -> str:
    """The text of the file. Raises M2R2Error when no topic can serve any sensor."""
    chosen = {name: found[0] for name, found in ranked.items() if found and found[0].is_usable}
    if not chosen:
        raise M2R2Error("no topic can serve any sensor: there is nothing to write")
    lines = [_HEAD.format(where=printable(where)).rstrip("\n")]
    cameras = [name for name in layout.cameras if name in chosen]
    if cameras:
        lines.append(f"{_INDENT}# Its frames end the windows.")
        lines.append(f"{_INDENT}reference_camera: {cameras[0]}")
    for name in layout.sensed:
        if name not in chosen:
            lines += _lacking(name, ranked.get(name, ()))
    short = {name: each for name, each in chosen.items() if not _keys(each)}
    long = {name: each for name, each in chosen.items() if _keys(each)}
    if short:
        lines.append(f"{_INDENT}topics:")
        for name, each in short.items():
            lines += _comments(name, ranked[name], surveys)
            lines.append(f"{_INDENT}  {name}: {each.topic}")
    if long:
        lines.append(f"{_INDENT}signals:")
        for name, each in long.items():
            lines += _comments(name, ranked[name], surveys)
            lines += [f"{_INDENT}  {name}:", *_entries(each, f"{_INDENT}    ")]
    return "\n".join(lines) + "\n"


def _keys(candidate: TopicCandidate) -> dict[str, object]:
    """What the robot file says of it beside its topic."""
    values = {key: getattr(candidate.said, key) for key in KEYS if key != "topic"}
    return {key: value for key, value in values.items() if value}


def _entries(candidate: TopicCandidate, indent: str) -> Iterator[str]:
    yield f"{indent}topic: {candidate.topic}"
    for key, value in _keys(candidate).items():
        # JSON's lists and texts are YAML's.
        text = json.dumps(list(value) if isinstance(value, tuple) else value)
        yield f"{indent}{key}: {text}"


def _comments(name: str, found: Sequence[TopicCandidate], surveys: Surveys) -> Iterator[str]:
    indent = f"{_INDENT}  # "
    survey = surveys[found[0].topic]
    seen = [survey.type_name, f"{survey.rate_hz:.1f} Hz", survey.content.describe()]
    yield printable(indent + ", ".join(filter(None, seen)))
    if not (preset_of(name) or is_named(name, found[0].topic)):
        yield f"{indent}Guessed: no topic is called like it. Is it this camera?"
    others = [each.topic for each in found[1:] if each.is_usable and each.topic != found[0].topic]
    if others:
        shown = ", ".join(others[:_MOST_OTHERS])
        more = f", and {len(others) - _MOST_OTHERS} more" if len(others) > _MOST_OTHERS else ""
        yield printable(f"{indent}Others that could serve it: {shown}{more}")


def _lacking(name: str, found: Sequence[TopicCandidate]) -> Iterator[str]:
    """Why a sensor is left out; what could serve it once something is said, commented out."""
    if not found:
        yield f"{_INDENT}# {name}: no topic can serve it; it is masked."
        return
    best = found[0]
    yield printable(f"{_INDENT}# {name}: left out, for {best.topic}: {best.problem}")
    yield f"{_INDENT}# Complete this and put it under `signals:`"
    yield f"{_INDENT}#   {name}:"
    for line in _entries(best, f"{_INDENT}#     "):
        yield printable(line)
