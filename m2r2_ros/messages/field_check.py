# SPDX-License-Identifier: Apache-2.0
"""Whether field paths exist in a message type, before the first message has come."""

from __future__ import annotations

from collections.abc import Sequence

from m2r2_ros.errors import nearest_name
from m2r2_ros.messages.cdr import MessageError
from m2r2_ros.messages.definition import NUMBERS, TEXT, Definitions, Fields, FieldType, stamp_field
from m2r2_ros.messages.field_path import RPY, FieldPath, Step

_MAX_DEPTH = 32


def is_stamped(type_name: str, definitions: Definitions) -> bool:
    """Whether messages say when they were measured. Raises MessageError for an unknown type."""
    return bool(stamp_field(definitions(type_name)))


def count_numbers(
    type_name: str, paths: Sequence[FieldPath], definitions: Definitions
) -> int | None:
    """How many columns the paths give; None where only a message tells.

    Raises MessageError for a path that leads nowhere, or to what is no number.
    """
    counts = [_count_of(path, type_name, definitions) for path in paths]
    return None if None in counts else sum(counts)


def _count_of(path: FieldPath, type_name: str, definitions: Definitions) -> int | None:
    try:
        count = _below(type_name, path.steps, definitions, 0)
    except MessageError as error:
        raise MessageError(f"'{path}': {error}") from error
    if path.is_rpy and count not in (None, RPY):
        raise MessageError(f"'{path}': roll, pitch and yaw are 3 numbers, not {count}")
    return RPY + 1 if path.is_rpy else count


def _below(
    type_name: str, steps: tuple[Step, ...], definitions: Definitions, depth: int
) -> int | None:
    """Numbers of a message that the steps mean; all without a step."""
    if depth > _MAX_DEPTH:
        raise MessageError(f"{type_name} is nested too deep")
    fields = definitions(type_name)
    if not steps:
        counts = [_entries(kind, (), definitions, depth) for _, kind in fields]
        return None if None in counts else sum(counts)
    kinds = dict(fields)
    step = steps[0]
    if step.field not in kinds:
        near = nearest_name(step.field, kinds)
        raise MessageError(f"{type_name} has no field '{step.field}'{near}")
    kind = kinds[step.field]
    chosen = _chosen(step, kind, fields)
    each = _entries(FieldType(kind.name), steps[1:], definitions, depth)
    return None if chosen is None or each is None else chosen * each


def _entries(
    kind: FieldType, steps: tuple[Step, ...], definitions: Definitions, depth: int
) -> int | None:
    """Numbers in a field, or in each entry of a list."""
    if kind.name == TEXT or (kind.name in NUMBERS and steps):
        raise MessageError(f"a {kind.name} is no {'message' if steps else 'number'}")
    each = 1 if kind.name in NUMBERS else _below(kind.name, steps, definitions, depth + 1)
    if kind.count == 0 or each is None:
        return None
    return each * (1 if kind.count is None else kind.count)


def _chosen(step: Step, kind: FieldType, fields: Fields) -> int | None:
    """How many entries a step means; None where all of a list whose length varies."""
    is_part = bool(step.name) or step.stop is not None
    if kind.count is None:
        if is_part:
            raise MessageError(f"{step.field} is no list: write it without brackets")
        return 1
    if step.name:
        _check_names(step, fields)
        return 1
    if step.stop is None:
        return kind.count or None
    if kind.count and step.stop > kind.count:
        raise MessageError(f"{step} is beyond its {kind.count} entries")
    return step.stop - step.start


def _check_names(step: Step, fields: Fields) -> None:
    """A name is looked up in the list of texts that stands before the numbers."""
    for name, kind in fields:
        if name == step.field:
            raise MessageError(
                f"nothing names the entries of {step.field}: count them from 0, {step.field}[3]"
            )
        if kind.name == TEXT and kind.count is not None:
            return
