# SPDX-License-Identifier: Apache-2.0
"""Which label is going on, and since when: a forward filter over (class, start).

An explicit-duration hidden Markov model, or hidden semi-Markov model (S.-Z. Yu, Hidden semi-Markov
models, Artificial Intelligence 174, 2010), filtered forwards: a segment of class c that began at s
goes on from one frame's end t' to the next one's t with probability S_c(t - s) / S_c(t' - s), less
where the head sees a boundary, else the next label has begun at t'. Each frame's evidence weighs
the classes. Times are those of the
stamps, so any rate will do and a late or missing frame is only a longer step.

What may have begun is a list of moments. It stays short: what has become impossible is left out,
and of more than `MOMENTS` the two are merged that are closest, seen from now.
"""

from __future__ import annotations

import numpy as np

from m2r2_ros.inference.deeds import Deeds
from m2r2_ros.inference.durations import Durations
from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.succession import Succession, WorldSuccession
from m2r2_ros.inference.world_state import WorldState

MOMENTS = 96
_IMPOSSIBLE = 1e-9


class DurationFilter:
    """`belief` float64 (C, K): that class c goes on and began at moment k, sums to 1.

    `began_ns` int64 (K,): the moments, rising; `now_ns`: the last frame's stamp; `world`: what has
    been done, as its user notes it, where training has counted that. Costs O(C K) a frame.
    """

    def __init__(self, procedure: Procedure, deeds: Deeds) -> None:
        self._procedure, self._idle = procedure, deeds.idle
        self._durations = Durations(procedure.durations)
        self.world = None if procedure.world is None else WorldState(procedure.world, deeds)
        self._succession = self._succeeding(1.0)
        self.reset()

    def reset(self) -> None:
        """Forget the sequence."""
        if self.world is not None:
            self.world.clear()
        classes = len(self._procedure.durations)
        self.belief, self.began_ns = np.empty((classes, 0)), np.empty(0, np.int64)
        self._hazard, self.now_ns = self.belief, 0

    @property
    def classes(self) -> np.ndarray:
        """Probability of each class, float64 (C,)."""
        return self.belief.sum(1)

    def step(
        self, stamp_ns: int, evidence: np.ndarray | None, prior: float, boundary: float = 0.0
    ) -> None:
        """Take the frame that ends at `stamp_ns`, not before the last one.

        evidence  logarithm of its likelihood under each class, (C,); None: it shows nothing.
        prior     probability that the order of labels is that of training.
        boundary  probability that what goes on ends with the frame before, whatever its duration.
        """
        if prior != self._succession.prior:
            self._succession = self._succeeding(prior)
        if len(self.began_ns):
            self._go_on(stamp_ns, boundary if stamp_ns > self.now_ns else 0.0)
        else:
            self.belief, self.began_ns = self._succession.first[:, None], np.array([stamp_ns])
            self._hazard = self._hazard_at(stamp_ns, self.began_ns)
        self.now_ns = stamp_ns
        if evidence is not None:
            self.belief = self.belief * np.exp(evidence - evidence.max())[:, None]
        self.belief = self.belief / self.belief.sum()
        self._shorten()

    def _succeeding(self, prior: float) -> Succession:
        if self.world is None:
            return Succession(self._procedure, prior)
        return WorldSuccession(self._procedure, prior, self.world, self._idle)

    def _go_on(self, stamp_ns: int, boundary: float) -> None:
        self.began_ns = np.append(self.began_ns, self.now_ns)
        hazard = self._hazard_at(stamp_ns, self.began_ns)
        lasting = self.belief * np.exp(self._hazard - hazard[:, :-1])
        lasting *= 1.0 - boundary
        entered = self._succession.next((self.belief - lasting).sum(1))
        self.belief = np.concatenate([lasting, entered[:, None]], axis=1)
        self._hazard = hazard

    def _hazard_at(self, stamp_ns: int, began_ns: np.ndarray) -> np.ndarray:
        return self._durations.hazard((stamp_ns - began_ns) / 1e9)

    def _shorten(self) -> None:
        possible = self.belief.sum(0) > _IMPOSSIBLE
        if not possible.all():
            self.belief, self.began_ns = self.belief[:, possible], self.began_ns[possible]
            self._hazard = self._hazard[:, possible]
        if len(self.began_ns) > MOMENTS:
            self._merge()

    def _merge(self) -> None:
        """Make one of the two neighbours that are closest for their age, at their mean."""
        apart, age = np.diff(self.began_ns), self.now_ns - self.began_ns[:-1]
        k = int((apart / np.maximum(age, 1)).argmin())
        older, newer = self.belief[:, k].sum(), self.belief[:, k + 1].sum()
        self.began_ns[k] += round(apart[k] * (newer / (older + newer)))
        self.belief[:, k] += self.belief[:, k + 1]
        self.belief = np.delete(self.belief, k + 1, axis=1)
        self.began_ns = np.delete(self.began_ns, k + 1)
        self._hazard = np.delete(self._hazard, k + 1, axis=1)
        self._hazard[:, k : k + 1] = self._hazard_at(self.now_ns, self.began_ns[k : k + 1])
