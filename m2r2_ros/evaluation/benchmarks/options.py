# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """`seconds` of load; a models folder; a folder for the logs of the programs that are run."""

    seconds: float
    models: Path
    logs: Path
