# SPDX-License-Identifier: Apache-2.0
"""The one exception that means: the user can mend this; and text that is safe to show."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from reprlib import Repr
from typing import Any

# A path may have 4096 characters; a line of a file that is no text may have millions.
_MAX_SHOWN = 5000
# Files of a folder that are compared with a name; a data set may have very many.
_MAX_COMPARED = 10_000


# Packages that pip does not install.
_REMEDIES = {
    "m2r2_msgs": "the ROS package m2r2_msgs is not built or not sourced: in the workspace run "
    "`ln -s m2r2_ros/m2r2_msgs src/m2r2_msgs && colcon build && source install/setup.bash`",
    "starlette": "the page needs two Python packages: `pip install starlette uvicorn`",
    "uvicorn": "the page needs the Python package 'uvicorn': `pip install uvicorn`",
    "py_trees": "needs the Python package 'py_trees': `pip install py_trees`",
    "foxglove": "Foxglove needs the Python package 'foxglove-sdk': `pip install foxglove-sdk`",
    "rerun": "Rerun needs the Python package 'rerun-sdk': `pip install rerun-sdk`",
    "rclpy": "no ROS 2 is sourced: run `source /opt/ros/<distribution>/setup.bash`",
}


class M2R2Error(Exception):
    """A problem with something from outside (file, topic, parameter, model).

    Its text is one clear line that names the thing and what to do, made printable. Commands print
    it and exit with status 2; nodes log it and publish it as a diagnostics ERROR.
    """

    def __init__(self, text: object = "") -> None:
        super().__init__(printable(text))


def printable(text: object) -> str:
    r"""Return `text` as one line for a terminal, a log or a diagnostic.

    Control characters, line breaks and lone surrogates become escapes (\x1b, \n, \udc80), since
    names and labels from files and topics may hold any. A longer text loses its middle.
    """
    line = str(text)
    if len(line) > _MAX_SHOWN:
        left_out, half = len(line) - _MAX_SHOWN, _MAX_SHOWN // 2
        line = f"{line[:half]} [{left_out} characters more] {line[-half:]}"
    return escaped(line)


def escaped(text: str) -> str:
    """Return `text` with an escape in place of each character that cannot be printed."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def brief(value: object) -> str:
    """Return `repr(value)` cut short, also of values that are nested without an end."""
    try:
        return _BRIEF.repr(value)
    except ValueError:  # Python prints no number of more than 4300 digits.
        return f"an endless {type(value).__name__}"


def differences(before: Any, now: Any, name: str = "") -> str:
    """The entries in which nested settings differ, with both values, in one line; "" for none."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return "" if before == now else f"{name}: {brief(before)} there, now {brief(now)}"
    parts = (
        differences(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
        for key in {**before, **now}
    )
    return ", ".join(filter(None, parts))


def missing_package(module: str) -> str:
    """Return what to do about a module that cannot be found."""
    package = module.partition(".")[0]
    return _REMEDIES.get(package, f"needs the Python package '{package}': install it")


def nearest_name(name: str, valid: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest valid name, or "" when nothing is close."""
    # The search compares every pair of characters: no name of ours is longer.
    matches = difflib.get_close_matches(str(name)[:200], list(valid), n=1, cutoff=0.5)
    return f" (did you mean '{matches[0]}'?)" if matches else ""


def nearest_path(path: Path) -> str:
    """As `nearest_name`, for a path that is not there: the first part of it that is missing."""
    try:
        missing = next(part for part in (*reversed(path.parents), path) if not part.exists())
        if missing.is_symlink():
            return f": the link {missing} leads to nothing"
        beside = [entry.name for entry in islice(missing.parent.iterdir(), _MAX_COMPARED)]
    except (OSError, StopIteration):
        return ""
    return nearest_name(missing.name, beside)


def why_unreadable(path: Path, error: Exception) -> str:
    """Return why a file cannot be read; of one that is not there, with the nearest name."""
    reason = getattr(error, "strerror", None) or str(error)
    return reason + (nearest_path(path) if isinstance(error, FileNotFoundError) else "")


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


_BRIEF = Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother, _BRIEF.maxlong = 2, 80, 80, 80
