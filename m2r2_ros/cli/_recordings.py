# SPDX-License-Identifier: Apache-2.0
"""The recordings that a command is given, and a line on those that it does not take."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from m2r2_ros.errors import printable
from m2r2_ros.offline.extraction import find_recordings, overlooked_recordings


def given_recordings(paths: Sequence[Path]) -> list[Path]:
    """As `find_recordings`, which says what it raises; what it leaves in folders is said."""
    found = find_recordings(paths)
    for path in paths:
        if overlooked := overlooked_recordings(path):
            line = (
                f"{path}: left out {len(overlooked)} in its folders, as {overlooked[0]}: others "
                "lie in it; put all recordings in folders, or none"
            )
            print(printable(line), file=sys.stderr)
    return found
