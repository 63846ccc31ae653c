# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks are told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# What the load prints when everything has a subscriber; it then begins as soon as its input ends.
READY = "ready"


@dataclass(frozen=True)
class Options:
    """`seconds` of each load or measurement, and how often our way and the other take turns.

    A models folder, and a folder for the logs of the programs that are run. `peaks`: TFLOPS and
    GB/s of a GPU, where they are given.
    """

    seconds: float
    repetitions: int
    models: Path
    logs: Path
    peaks: tuple[float, float] | None = None
