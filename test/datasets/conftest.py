# SPDX-License-Identifier: Apache-2.0
"""A module's `DATA` as a REASSEMBLE file."""

from __future__ import annotations

from pathlib import Path

import pytest

from m2r2_ros.datasets.reassemble_writer import write_recording


@pytest.fixture(scope="module")
def original(request, tmp_path_factory) -> Path:
    """Written once a module."""
    data = request.module.DATA
    path = tmp_path_factory.mktemp("original") / f"{data.name}.h5"
    write_recording(path, data)
    return path


@pytest.fixture
def path(original, tmp_path) -> Path:
    """A copy to change."""
    copy = tmp_path / original.name
    copy.write_bytes(original.read_bytes())
    return copy
