# SPDX-License-Identifier: Apache-2.0
"""The epochs that pretraining and head training share.

All randomness of an epoch follows from the seed and the epoch's number, so a run that was killed
goes on to the same losses. In several processes (`processes`) each takes its share of the batches.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from m2r2_ros.errors import M2R2Error, nearest_name
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.training import distributed
from m2r2_ros.training.run import TrainingRun
from m2r2_ros.training.settings import OptimiserSettings

# Named losses of a batch; "loss" is the one to descend.
Losses = dict[str, Tensor]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that descend at `scale` times the settings' learning rate.

    clipped_apart  the norm of their own gradients is limited, not that of all groups together.
    """

    parameters: Sequence[Tensor]
    scale: float = 1.0
    clipped_apart: bool = False


_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def train_epochs(
    run: TrainingRun,
    module: nn.Module,
    settings: OptimiserSettings,
    seed: int,
    batches: Callable[[np.random.Generator], list[Any]],
    losses: Callable[[Any], Losses],
    validation: list[Any],
    score: Callable[[], dict[str, float]] = dict,
    groups: Sequence[ParameterGroup] = (),
) -> None:
    """Train up to `settings.epochs`, going on where the run's checkpoint is.

    `batches` draws one epoch's batches; `losses` scores a batch (random parts of the network are
    on when `module.training`); `validation` holds the same batches after every epoch; `score` adds
    metrics of the module on them. With "f1@50" among these, it chooses the best epoch. `groups`
    are all trained parameters of the module, where not all of them descend at one rate.
    """
    distributed.connect()
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = make_optimiser(groups or [ParameterGroup(parameters)], settings)
    apart = [group.parameters for group in groups if group.clipped_apart]
    others = {id(p) for part in apart for p in part}
    clipped = [[p for p in parameters if id(p) not in others], *apart]
    first, best = run.resume(module, optimiser)
    losses = _in_half_precision(losses, settings.mixed_precision, parameters[0].device)
    averaged = distributed.with_averaged_gradients(module, losses)
    with _progress(first, settings.epochs) as progress:
        for epoch in range(first, settings.epochs):
            torch.manual_seed(seed * 100_003 + epoch + distributed.rank() * 1_000_000_007)
            drawn = batches(np.random.default_rng((seed, epoch)))
            module.train()
            metrics = _descend(optimiser, settings, epoch, drawn, averaged, clipped, progress)
            module.eval()
            metrics |= _evaluate(validation, losses)
            metrics |= {f"validation/{name}": value for name, value in score().items()}
            best = run.save(epoch, module, optimiser, metrics, best)
    # What the first has written is there for all.
    distributed.wait_for_others()


def _progress(first: int, epochs: int) -> Progress:
    """One bar for all epochs, shown by the first of several processes."""
    return Progress(
        desc="training",
        initial=first,
        total=epochs,
        bar_format="{desc}: {percentage:3.0f}% |{bar}| epoch {n:.1f} of {total} "
        "[{elapsed}<{remaining}{postfix}]",
        disable=distributed.rank() > 0,
    )


def make_optimiser(
    groups: Sequence[ParameterGroup], settings: OptimiserSettings
) -> torch.optim.Optimizer:
    """AdamW, a step in one pass over the parameters."""
    entries = [{"params": list(group.parameters), "scale": group.scale} for group in groups]
    return torch.optim.AdamW(
        entries, settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )


def _descend(
    optimiser: torch.optim.Optimizer,
    settings: OptimiserSettings,
    epoch: int,
    batches: list[Any],
    losses: Callable[[Any], Losses],
    clipped: Sequence[Sequence[Tensor]],
    progress: Progress,
) -> dict[str, float]:
    means = _Means("train")
    device = next(p.device for part in clipped for p in part)
    # Only float16 needs its losses scaled up, lest small gradients vanish.
    scaler = torch.amp.GradScaler(device.type, enabled=settings.mixed_precision == "fp16")
    own = _share(batches)
    for step, batch in enumerate(own):
        rate = learning_rate(settings, (epoch + step / len(own)) / settings.epochs)
        for group in optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        found = losses(batch)
        if not torch.isfinite(found["loss"]):
            raise M2R2Error(f"the loss is {found['loss'].item()} in epoch {epoch + 1}")
        optimiser.zero_grad()
        scaler.scale(found["loss"]).backward()
        scaler.unscale_(optimiser)
        for part in clipped:
            nn.utils.clip_grad_norm_(part, settings.clip)
        scaler.step(optimiser)
        scaler.update()
        means.add(found)
        progress.set_postfix(loss=f"{means.mean('loss'):.4f}", refresh=False)
        progress.update(1 / len(own))
    return distributed.average(means.all(), device)


def _share(batches: list[Any]) -> list[Any]:
    """This process's batches. All get equally many: the first ones may be taken twice."""
    steps = math.ceil(len(batches) / distributed.count())
    places = range(distributed.rank(), steps * distributed.count(), distributed.count())
    return [batches[place % len(batches)] for place in places]


def _in_half_precision(
    losses: Callable[[Any], Losses], precision: str, device: torch.device
) -> Callable[[Any], Losses]:
    if precision == "no":
        return losses

    def scored(batch: Any) -> Losses:
        with torch.autocast(device.type, _HALF[precision]):
            return losses(batch)

    return scored


@torch.no_grad()
def _evaluate(batches: Iterable[Any], losses: Callable[[Any], Losses]) -> dict[str, float]:
    means = _Means("validation")
    for batch in batches:
        means.add(losses(batch))
    return means.all()


def learning_rate(settings: OptimiserSettings, progress: float) -> float:
    """Linear warm-up, then a cosine to zero; `progress` of the whole run in [0, 1)."""
    if progress < settings.warm_up:
        return settings.learning_rate * (progress + 1e-3) / (settings.warm_up + 1e-3)
    rest = (progress - settings.warm_up) / (1 - settings.warm_up)
    return settings.learning_rate * (1 + math.cos(math.pi * rest)) / 2


def split_validation(
    names: list[str], fraction: float, chosen_names: Sequence[str] = ()
) -> tuple[list[int], list[int]]:
    """Indices for training and validation: `chosen_names`, or evenly spaced over the sorted names.

    What has the same name is of one recording and stays together.
    Raises M2R2Error when there are too few for both, or a chosen name is not there.
    """
    each, names = names, list(dict.fromkeys(names))
    for name in chosen_names:
        if name not in names:
            raise M2R2Error(
                f"no recording '{name}' to validate on{nearest_name(name, names)}: the settings' "
                "validation_recordings are of other data; without them some are chosen"
            )
    if len(names) < 2:
        raise M2R2Error("training needs at least two recordings, one of them for validation")
    held_out = set(chosen_names or spread_evenly(names, fraction))
    if len(held_out) == len(names):
        raise M2R2Error("every recording is for validation: none is left to train on")
    training = [i for i, name in enumerate(each) if name not in held_out]
    return training, [i for i, name in enumerate(each) if name in held_out]


def spread_evenly(names: Sequence[str], fraction: float) -> list[str]:
    """So large a part of different names, evenly spaced in their order: one at least, never all."""
    count = max(1, min(len(names) - 1, round(len(names) * fraction)))
    order = sorted(names)
    return [order[int((place + 0.5) * len(names) / count)] for place in range(count)]


class _Means:
    def __init__(self, prefix: str) -> None:
        self._prefix, self._sums, self._count = prefix, defaultdict(float), 0

    def add(self, losses: Losses) -> None:
        self._count += 1
        for name, value in losses.items():
            self._sums[name] += float(value.detach())

    def mean(self, name: str) -> float:
        return self._sums[name] / self._count

    def all(self) -> dict[str, float]:
        return {f"{self._prefix}/{name}": self.mean(name) for name in self._sums}
