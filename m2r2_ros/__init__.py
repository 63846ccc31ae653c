# SPDX-License-Identifier: Apache-2.0
"""Online multimodal temporal action segmentation for ROS 2."""

import importlib.metadata
import re
from pathlib import Path


def _version() -> str:
    """What package.xml says, in a source checkout, or the installed package."""
    manifest = Path(__file__).resolve().parents[1] / "package.xml"
    if manifest.is_file():
        return re.findall(r"<version>(.+?)</version>", manifest.read_text("utf-8"))[0]
    return importlib.metadata.version(__name__)


__version__ = _version()
