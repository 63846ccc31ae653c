# SPDX-License-Identifier: Apache-2.0
"""Training in several processes, one a GPU, as `torchrun` starts them.

Every process draws the same batches and takes its share of them; gradients are averaged. A term
that contrasts the windows of a batch with each other contrasts those of one process only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor

# One process may prepare recordings for hours while the others wait.
_PATIENCE = timedelta(days=2)


def rank() -> int:
    """This process's number, from 0; process 0 writes the run."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """The number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def connect() -> torch.device:
    """Meet the other processes, if any; returns the device of this one."""
    if count() > 1:
        from accelerate import PartialState

        return PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE).device
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def first_process_first() -> Iterator[None]:
    """Process 0 goes through the block before the others begin it."""
    if rank() > 0:
        torch.distributed.barrier()
    yield
    if rank() == 0 and count() > 1:
        torch.distributed.barrier()


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by its mean over the processes."""
    if count() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    parts = (flat / count()).split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def average(values: dict[str, float], device: torch.device) -> dict[str, float]:
    """Means over the processes."""
    if count() == 1:
        return values
    # float32: not every device has float64.
    total = torch.tensor(list(values.values()), dtype=torch.float32, device=device)
    torch.distributed.all_reduce(total)
    return dict(zip(values, (total / count()).tolist(), strict=True))
