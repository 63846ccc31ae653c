# SPDX-License-Identifier: Apache-2.0
"""Which training recordings a head's epoch, temperature and tracker are chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from m2r2_ros.datasets.groups import Groups
from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.training.loop import spread_evenly
from m2r2_ros.training.offline_method import OfflineSettings
from m2r2_ros.training.streaming_method import StreamingSettings

Settings = TypeVar("Settings", OfflineSettings, StreamingSettings)
# In the place of groups: no recording.
NONE = "0"


def with_validation(
    settings: Settings, groups: Groups, names: Sequence[str], given: Sequence[str] = ()
) -> tuple[Settings, str]:
    """The settings with the validation recordings among `names`, and a line that says which.

    They are those of the groups that are `given`, else the settings', else whole groups as many as
    the settings' part says. Raises M2R2Error when a group is not there, none is left to train on,
    or one would be on both sides.
    """
    if list(given) == [NONE] or not (
        given or settings.validation or settings.validation_recordings
    ):
        settings = replace(settings, validation=0.0, validation_recordings=())
        return settings, "no validation: all recordings are trained on, up to the last epoch"
    groups = groups.among(names, "training recordings")
    members = groups.members(names)
    chosen = settings.validation_recordings
    if given:
        chosen = _of_groups(members, given, groups)
    elif not chosen and not groups.assumed:
        chosen = _of_groups(members, spread_evenly(list(members), settings.validation), groups)
    elif not chosen:
        return settings, f"validation on a part of the recordings: {groups.assumed}"
    settings = replace(settings, validation_recordings=tuple(chosen))
    # Names of other data are refused later, by the training.
    chosen = [name for name in chosen if name in groups.of]
    groups.check_apart(training=[n for n in names if n not in chosen], validation=chosen)
    return settings, _said(chosen, groups, names)


def _of_groups(
    members: dict[str, list[str]], given: Sequence[str], groups: Groups
) -> tuple[str, ...]:
    kind = "recording" if groups.assumed else "group"
    for group in given:
        if group not in members:
            near = nearest_name(group, members)
            raise M2R2Error(f"--validation: no {kind} '{group}' to train on{near}")
    if set(given) == set(members):
        raise M2R2Error(f"every {kind} is for validation: none is left to train on")
    return tuple(sorted(name for group in set(given) for name in members[group]))


def _said(chosen: Sequence[str], groups: Groups, names: Sequence[str]) -> str:
    kind = "recordings" if groups.assumed else "groups"
    held_out = list(groups.members(chosen))
    shown = held_out if len(held_out) <= 5 else [*held_out[:2], "...", held_out[-1]]
    count = "" if groups.assumed else f", {len(chosen)} of {len(names)} recordings"
    return f"validation on {len(held_out)} {kind}: {', '.join(shown)}{count}"
