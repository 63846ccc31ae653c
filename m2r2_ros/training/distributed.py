# SPDX-License-Identifier: Apache-2.0
"""Training in several processes, one a GPU, as `torchrun` starts them.

Every process draws the same batches and takes its share of them; torch's DistributedDataParallel
averages the gradients while they are computed. A term that contrasts the windows of a batch with
each other contrasts those of one process only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

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
    has_gpu = torch.cuda.is_available()
    if count() == 1:
        return torch.device("cuda" if has_gpu else "cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if has_gpu:
        torch.cuda.set_device(device)
    if not torch.distributed.is_initialized():
        # A head may train on the CPU where there are GPUs.
        backend = "cpu:gloo,cuda:nccl" if has_gpu else "gloo"
        torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    return device if has_gpu else torch.device("cpu")


@contextmanager
def first_process_first() -> Iterator[None]:
    """Process 0 goes through the block before the others begin it."""
    if rank() > 0:
        wait_for_others()
    yield
    if rank() == 0:
        wait_for_others()


def wait_for_others() -> None:
    """Return when every process has come so far."""
    if count() > 1:
        torch.distributed.barrier()


def with_averaged_gradients(
    module: nn.Module, losses: Callable[[Any], dict[str, Tensor]]
) -> Callable[[Any], dict[str, Tensor]]:
    """`losses` of the module, "loss" among them, whose gradients are means over the processes.

    A parameter that no process has used has no gradient, one that some have not used counts as 0
    there. The weights of the first process become those of all.
    """
    if count() == 1:
        return losses
    step = _Step(module, losses)
    return DistributedDataParallel(step, find_unused_parameters=True)


class _Step(nn.Module):
    """Losses as a forward pass; only "loss" is descended, and only its graph is waited for."""

    def __init__(self, module: nn.Module, losses: Callable[[Any], dict[str, Tensor]]) -> None:
        super().__init__()
        self.module, self._losses = module, losses

    def forward(self, batch: Any) -> dict[str, Tensor]:
        found = self._losses(batch)
        return {name: x if name == "loss" else x.detach() for name, x in found.items()}


def average(values: dict[str, float], device: torch.device) -> dict[str, float]:
    """Means over the processes."""
    if count() == 1:
        return values
    # float32: not every device has float64.
    total = torch.tensor(list(values.values()), dtype=torch.float32, device=device)
    torch.distributed.all_reduce(total)
    return dict(zip(values, (total / count()).tolist(), strict=True))
