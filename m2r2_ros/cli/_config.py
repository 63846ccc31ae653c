# SPDX-License-Identifier: Apache-2.0
"""The option --config of the verbs that do offline what the nodes do."""

from __future__ import annotations

import sys
from pathlib import Path

from m2r2_ros.errors import printable
from m2r2_ros.offline.deployment import Deployment


def load_deployment(path: Path | None) -> Deployment:
    """Read the nodes' parameter file; say what it holds that is not used. Raises M2R2Error."""
    deployment = Deployment.load(path)
    for note in deployment.notes:
        print(printable(note), file=sys.stderr)
    return deployment
