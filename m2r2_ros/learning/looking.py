# SPDX-License-Identifier: Apache-2.0
"""The checks of a study's recordings, each read once for all starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.learning.checks.missing_streams import never_there
from m2r2_ros.learning.examination import examine
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.profile import RecordingProfile, read_profile
from m2r2_ros.learning.study import Study
from m2r2_ros.parallel.processes import told_in_processes


def find_problems(
    study: Study, file: Path, workers: int, listener: Callable[[int, float], None]
) -> list[Finding]:
    """What somebody should look at, from `file` where an earlier start has written it.

    Raises M2R2Error.
    """
    if file.exists():
        # A power cut may have left it empty.
        with suppress(ValueError, TypeError):
            return [Finding(**entry) for entry in json.loads(file.read_text("utf-8"))]
    read = told_in_processes(partial(_profile, study), list(study.recordings), workers, listener)
    profiles = sorted(read, key=lambda profile: profile.name)
    findings = [*examine(profiles, study.vocabulary), *map(never_there, study.absent)]
    with partial_file(file) as temporary:
        temporary.write_text(json.dumps([asdict(one) for one in findings], indent=1), "utf-8")
    return findings


def _profile(study: Study, name: str) -> RecordingProfile:
    group = study.groups.of[name]
    return read_profile(study.recordings[name], study.layout, study.deployment, group)
