# SPDX-License-Identifier: Apache-2.0
"""Make docs/badges/*.svg from what setup.py states.

.venv/bin/python tools/make_badges.py
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from html import escape
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "badges"
# The major version of rclpy tells the distribution.
DISTRIBUTIONS = {"7": "Jazzy", "9": "Kilted"}
# Of DejaVu Sans at 11 px, for text of any letters: a little too wide rather than too narrow [px].
LETTER, MARGIN, HEIGHT = 6.8, 10, 20

SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">
<title>{name}: {value}</title>
<rect width="{width}" height="{height}" rx="3" fill="{colour}"/>
<path d="M3 0h{stem}v{height}H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#4a4a4a"/>
<g fill="#fff" font-family="DejaVu Sans,Verdana,sans-serif" font-size="11" text-anchor="middle">
<text x="{name_x}" y="14">{name}</text>
<text x="{value_x}" y="14">{value}</text>
</g>
</svg>
"""


def setup_arguments() -> dict[str, Any]:
    """What setup.py hands to setuptools."""
    before = os.getcwd()
    os.chdir(ROOT)
    try:
        with mock.patch("setuptools.setup") as setup:
            runpy.run_path("setup.py")
    finally:
        os.chdir(before)
    return setup.call_args.kwargs


def badges(setup: dict[str, Any]) -> dict[str, str]:
    """File name -> SVG."""
    lowest, above = map(int, re.findall(r"3\.(\d+)", setup["python_requires"]))
    versions = " | ".join(f"3.{minor}" for minor in range(lowest, above))
    (rclpy,) = (one for one in setup["extras_require"]["ros"] if one.startswith("ros-rclpy=="))
    distribution = DISTRIBUTIONS[rclpy.partition("==")[2].partition(".")[0]]
    return {
        "licence.svg": badge("licence", setup["license"], "#009E73"),
        "python.svg": badge("python", versions, "#0072B2"),
        "ros.svg": badge("ROS 2", distribution, "#22314E"),
    }


def badge(name: str, value: str, colour: str) -> str:
    left, right = (round(LETTER * len(text)) + MARGIN for text in (name, value))
    return SVG.format(
        name=escape(name),
        value=escape(value),
        colour=colour,
        width=left + right,
        height=HEIGHT,
        stem=left - 3,
        name_x=left / 2,
        value_x=left + right / 2,
    )


def main() -> int:
    OUT.mkdir(exist_ok=True)
    for name, svg in badges(setup_arguments()).items():
        (OUT / name).write_text(svg, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
