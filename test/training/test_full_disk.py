# SPDX-License-Identifier: Apache-2.0
"""A run whose disk is full says which file could not be written."""

import resource
from contextlib import contextmanager

import pytest
import torch

from m2r2_ros.errors import M2R2Error
from m2r2_ros.training.run import TrainingRun

METRICS = {"validation/loss": 1.0}


@contextmanager
def files_of_at_most(size: int):
    """Python ignores the signal: a write beyond it fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("size", "file"), [(1000, r"best\.safetensors"), (20_000, r"metrics\.jsonl")]
)
def test_a_file_that_does_not_fit_is_named(tmp_path, size, file):
    module = torch.nn.Linear(10, 10) if size > 1000 else torch.nn.Linear(100, 100)
    optimiser = torch.optim.SGD(module.parameters())
    run = TrainingRun(tmp_path, {})
    run.resume(module, optimiser)
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text("x" * 20_000)
    with files_of_at_most(size), pytest.raises(M2R2Error, match=f"cannot write .*{file}"):
        run.save(0, module, optimiser, METRICS, float("inf"))
