# SPDX-License-Identifier: Apache-2.0
"""Feature banks, equations (13) to (16), and the triplets that are recombined from them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class FeatureBanks(nn.Module):
    """One stored feature per class of each factor, as buffers: part of every checkpoint.

    (16) is described both as the class's average over the batch and as its last instance. Here
    it is the average, which does not depend on the order of a batch.
    """

    def __init__(self, classes: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.factors = tuple(classes)
        for name, count in classes.items():
            self.register_buffer(f"{name}_features", torch.zeros(count, width))
            self.register_buffer(f"{name}_stored", torch.zeros(count, dtype=torch.bool))

    def features(self) -> dict[str, Tensor]:
        """The stored features, (classes, width) by factor; constants to the gradient."""
        return {name: self.get_buffer(f"{name}_features") for name in self.factors}

    def replace(
        self, branches: Mapping[str, Tensor], classes: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """(16): replace the entries of the classes (B,) in this batch; -1 is no class.

        Returns `features` in which the new entries carry the gradient of this batch. Without it
        the recombination loss could never reach the branches that it is to disentangle.
        """
        fresh = {}
        for name in self.factors:
            stored = self.get_buffer(f"{name}_features")
            member = classes[name][None] == torch.arange(len(stored))[:, None]
            count = member.sum(1, keepdim=True)
            mean = member.float() @ branches[name] / count.clamp(min=1)
            fresh[name] = torch.where(count > 0, mean, stored.clone())
            stored.copy_(fresh[name].detach())
            self.get_buffer(f"{name}_stored").logical_or_(count[:, 0] > 0)
        return fresh

    def sample(self, count: int) -> dict[str, Tensor]:
        """M of (19): class indices (m,) by factor of m <= `count` different, valid triplets.

        A triplet is valid when each of its three classes has a stored feature; whether the robot
        ever did that with that object does not matter, it is the point of recombining.
        """
        stored = [self.get_buffer(f"{name}_stored").nonzero()[:, 0] for name in self.factors]
        sizes = [len(indices) for indices in stored]
        chosen = torch.randperm(int(torch.tensor(sizes).prod()))[:count]
        places = torch.unravel_index(chosen, sizes) if len(chosen) else [chosen] * len(sizes)
        return {
            name: indices[place]
            for name, indices, place in zip(self.factors, stored, places, strict=True)
        }
