# SPDX-License-Identifier: Apache-2.0
"""The forms of labels: each file of `label_formats/formats` is one, under the file's name."""

from __future__ import annotations

import importlib
import pkgutil

from m2r2_ros.label_formats import formats
from m2r2_ros.label_formats.label_format import LabelFormat


def format_names() -> tuple[str, ...]:
    """Names of all forms, from the files' names: none is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(formats.__path__)))


def find_format(name: str) -> LabelFormat:
    """The form of a name of `format_names`."""
    return importlib.import_module(f"{formats.__name__}.{name}").FORMAT
