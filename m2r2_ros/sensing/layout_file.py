# SPDX-License-Identifier: Apache-2.0
"""A layout of one's own sensors, from a YAML file.

cameras: [wrist]
audio: false
window_rate_hz: 20.0
signals:
  left_pose:
  right_pose:
  pad: {width: 16, unit: kPa, range: [0, 400], rate_hz: 100}
  left_twist:
derived: {left_twist: left_pose}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from m2r2_ros.errors import M2R2Error
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.small_files import read_small_text, strict_yaml

# What the file leaves out, the robot does not have.
_NOTHING: dict[str, Any] = {"cameras": [], "audio": False, "signals": []}


def load_layout(path: Path) -> SensorLayout:
    """Read a layout. Raises M2R2Error that names the file."""
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise M2R2Error(f"{path}: no layout: expected entries such as 'signals'")
    try:
        return SensorLayout.from_dict(_NOTHING | values)
    except M2R2Error as error:
        raise M2R2Error(f"{path}: {error}") from error


def read_yaml(path: Path) -> Any:
    """Read a file of at most a megabyte. Raises M2R2Error that names it."""
    text = read_small_text(path)
    try:
        return strict_yaml(text)
    # Numbers and dates that YAML takes for such but Python refuses are a ValueError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise M2R2Error(f"{path}: not YAML: {' '.join(str(error).split())}") from error
