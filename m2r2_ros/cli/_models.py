# SPDX-License-Identifier: Apache-2.0
"""The models that an option names: a folder, or `org/name@revision` on the Hugging Face hub."""

from __future__ import annotations

import sys
from pathlib import Path

from m2r2_ros.errors import printable
from m2r2_ros.hub.models_folder import encoder_file, models_folder


def given_models(given: Path) -> Path:
    """The folder. Raises M2R2Error."""
    return models_folder(given, _say)


def given_encoder(given: Path) -> Path:
    """The encoder's file. Raises M2R2Error."""
    return encoder_file(given, _say)


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr)
