# SPDX-License-Identifier: Apache-2.0
"""The one exception that means: the user can mend this."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class M2R2Error(Exception):
    """A problem with something from outside (file, topic, parameter, model).

    Its text is one clear line that names the thing and what to do. Commands print it and exit with
    status 2; nodes log it and publish it as a diagnostics ERROR.
    """


def nearest_name(name: str, valid: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest valid name, or "" when nothing is close."""
    matches = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f" (did you mean '{matches[0]}'?)" if matches else ""
