# SPDX-License-Identifier: Apache-2.0
"""Reports as one HTML file that opens without a network."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


def page_template(package: str, name: str) -> Template:
    """A template of a package; it may extend `page.html` and import `scores.html` from here."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    folders = dict.fromkeys((package, "m2r2_ros.evaluation"))
    loader = ChoiceLoader([PackageLoader(folder) for folder in folders])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return environment.get_template(name)


def embedded(png: bytes) -> str:
    """A picture as data for an <img>."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
