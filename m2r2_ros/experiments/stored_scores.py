# SPDX-License-Identifier: Apache-2.0
"""What a reproduction has measured already, as JSON; a damaged file counts as missing."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


def read_stored(path: Path) -> dict[str, Any] | None:
    """What is stored at `path`; None when nothing is, or it is damaged, which the log says."""
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("%s: damaged: %s; it is made anew", path, error)
        return None
    return content
