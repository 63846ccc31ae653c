# SPDX-License-Identifier: Apache-2.0
"""Files that nodes keep in `$ROS_HOME` (`~/.ros`), and what is done where there is none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def state_file(node_name: str, suffix: str) -> Path:
    """A file of a node, by its fully qualified name; nodes of other ROS domains do not meet."""
    home = Path(os.environ.get("ROS_HOME") or "~/.ros").expanduser()
    domain = (os.environ.get("ROS_DOMAIN_ID") or "0").strip()
    # No name has a dot in it, so that no two have one file.
    return home / f"m2r2_{domain}{node_name.replace('/', '.')}{suffix}"


class StateFile:
    """A file that outlives the node that keeps it, and that an orderly end removes.

    problem  why it cannot be kept, "" as long as it can.
    """

    def __init__(self, node_name: str, suffix: str) -> None:
        """`node_name` is fully qualified."""
        self.path = state_file(node_name, suffix)
        self.problem = ""

    def remove(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            self.problem = f"{self.path} cannot be removed ({error.strerror})"


def find_log_folder() -> str:
    """Let ROS log into a temporary folder where it cannot into its own: else no node starts.

    Returns a line that says so, "" where nothing is wrong.
    """
    if os.environ.get("ROS_LOG_DIR"):
        return ""
    home = Path(os.environ.get("ROS_HOME") or "~/.ros").expanduser()
    try:
        (home / "log").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home / "log"):
            return ""
    except OSError as error:
        folder = tempfile.mkdtemp(prefix="m2r2_log_")
        os.environ["ROS_LOG_DIR"] = folder
        return f"{home} cannot be written ({error.strerror}): logs go to {folder}"
