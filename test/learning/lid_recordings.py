# SPDX-License-Identifier: Apache-2.0
"""Bags of the robot of docs/tutorials/other_robot.md, without its camera, in groups."""

from __future__ import annotations

from pathlib import Path

import yaml
from foreign_robots import write_lid_robot

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.groups import write_groups

LAYOUT = {
    "window_rate_hz": 10.0,
    "signal_rate_hz": 50,
    "signals": {"arm_joint_effort": {"width": 6}},
}
MAPPING = {
    "stamps": "t",
    "signals": {"arm_joint_effort": "torque[0:6]"},
    "labels": {
        "frames": "step",
        "names": {0: "wait", 1: "tighten cap", 2: "wipe", -1: None},
        "idle": ["wait"],
    },
}


def write_lid_bags(folder: Path, groups: dict[str, str]) -> Path:
    """A bag for each name with the group that it is in; returns the folder of the bags."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"arrays.yaml": MAPPING, "layout.yaml": LAYOUT}.items():
        (folder / name).write_text(yaml.safe_dump(content))
    write_lid_robot(folder / "arrays", list(groups), 0)
    bags = folder / "bags"
    words = ["convert", str(folder / "arrays"), "--out", str(bags)]
    words += ["--mapping", str(folder / "arrays.yaml"), "--layout", str(folder / "layout.yaml")]
    assert main(words) == 0
    (folder / "layout.yaml").rename(bags / "layout.yaml")
    write_groups(bags, groups)
    return bags
