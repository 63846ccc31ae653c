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

from m2r2_ros.errors import M2R2Error, why_unreadable
from m2r2_ros.sensing.layout import SensorLayout

_MAX_BYTES = 1 << 20
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
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise M2R2Error(f"{path}: more than {_MAX_BYTES} bytes")
        return yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise M2R2Error(f"cannot read {path}: {why_unreadable(path, error)}") from error
    # Numbers and dates that YAML takes for such but Python refuses are a ValueError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise M2R2Error(f"{path}: not YAML: {' '.join(str(error).split())}") from error
