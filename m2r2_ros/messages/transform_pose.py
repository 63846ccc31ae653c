# SPDX-License-Identifier: Apache-2.0
"""The pose of one frame in another, from the messages of /tf and /tf_static."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from m2r2_ros.messages.signals import Stamped
from m2r2_ros.messages.transforms import TransformBatch, TransformForm, TransformReader, frame_name
from m2r2_ros.sensing.limits import SensingLimits
from m2r2_ros.sensing.transform_chain import TransformChain
from m2r2_ros.sensing.transform_tree import Edge, NoPathError, TransformTree, show

# What waits for the path to be complete: a second and more of a large robot.
_MOST_HELD_BYTES = 1 << 23
_MOST_SETTLED = 256


class TransformPose:
    """Feed all that has come of both topics, in order; poses come out.

    While the path is incomplete, messages of /tf are kept; they are read once it is complete. The
    transforms of /tf_static hold for all time: when one comes, what was kept is read as if it had
    come first. So the poses follow from stamps and from the order within /tf. A static transform
    that is sent again with other values holds from then on.

    lost    messages of /tf that were not kept, since the path was incomplete for long.
    notice  what is odd of the transforms, else "".
    """

    def __init__(
        self,
        frame: str,
        child_frame: str,
        limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
    ) -> None:
        self._limits = limits
        self._ends = frame_name(frame.encode()), frame_name(child_frame.encode())
        self._reader, self._tree = TransformReader(), TransformTree()
        self._fixed: dict[Edge, np.ndarray] = {}
        self._chain: TransformChain | None = None
        self._no_path = "nothing has come on /tf"
        # Forms of messages that say nothing new of the tree.
        self._settled: set[TransformForm] = set()
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        # The tree before the oldest of them.
        self._before_held: Mapping[bytes, bytes] = {}
        self._refused = self.lost = 0
        self._notice = ""

    @property
    def malformed(self) -> int:
        """Messages and transforms that could not be read."""
        return self._reader.malformed + self._refused

    @property
    def notice(self) -> str:
        return self._notice or self._tree.notice

    @property
    def problem(self) -> str:
        """Why there is no pose now, else ""."""
        if self._chain is not None:
            return self._chain.problem
        if self._reader.reason:
            return f"{self._no_path}; {self._reader.malformed} messages: {self._reader.reason}"
        return self._no_path if self._fixed else f"{self._no_path}; nothing has come on /tf_static"

    def add(self, static: Sequence[bytes], moving: Sequence[bytes]) -> Stamped:
        """Stamps int64 (n,) and poses float64 (n, 7) that these messages give.

        static  messages of /tf_static; moving: of /tf.
        """
        parts: list[Stamped] = []
        if self._add_static(static):
            if self._held:
                moving = [*self._held, *moving]
                self._tree.restore(self._before_held)
                self._drop_held()
            parts.append(self._find_path())
        parts += self._add_moving(moving)
        return np.concatenate([s for s, _ in parts]), np.concatenate([p for _, p in parts])

    def _add_static(self, messages: Sequence[bytes]) -> bool:
        """Whether the tree has changed."""
        batch, changed = self._reader.batch(messages), False
        for index, form in enumerate(batch.forms):
            edges = list(dict.fromkeys(form.edges)) if form else []
            numbers = {edge: number for number, edge in enumerate(edges)}
            samples = batch.samples(numbers, index, index + 1)
            self._refused += samples.refused
            for number, pose in zip(samples.edge.tolist(), samples.poses, strict=True):
                changed |= self._fix(edges[number], pose)
        if changed:
            self._settled.clear()
        elif messages and self._chain is not None:
            self._chain.use(self._fixed)
        return changed

    def _fix(self, edge: Edge, pose: np.ndarray) -> bool:
        """Take a static transform; whether the tree has changed."""
        if np.isnan(pose).any():
            self._refused += 1
            self._notice = f"the static transform {show(edge)} is no rotation, or not finite"
            return False
        if edge in self._fixed and (self._fixed[edge] != pose).any():
            self._notice = f"the static transform {show(edge)} was sent again with other values"
        self._fixed[edge] = pose
        if self._tree.knows([edge], is_static=True):
            return False
        self._tree.add([edge], is_static=True)
        return True

    def _add_moving(self, messages: Sequence[bytes]) -> list[Stamped]:
        batch, begin, parts = self._reader.batch(messages), 0, []
        before: Mapping[bytes, bytes] | None = None
        for index, form in enumerate(batch.forms):
            if form is None or form in self._settled:
                continue
            if not self._tree.knows(form.edges, is_static=False):
                parts.append(self._poses(batch, begin, index, before))
                begin, before = index, self._tree.moving
                self._tree.add(form.edges, is_static=False)
                self._settled.clear()
                parts.append(self._find_path())
            if len(self._settled) >= _MOST_SETTLED:
                self._settled.clear()
            self._settled.add(form)
        return [*parts, self._poses(batch, begin, len(messages), before)]

    def _poses(
        self, batch: TransformBatch, begin: int, end: int, before: Mapping[bytes, bytes] | None
    ) -> Stamped:
        """Of messages that leave the tree as it is; `before`: the tree before the first of them."""
        if self._chain is None:
            kept = [batch.messages[i] for i in range(begin, end) if batch.forms[i] is not None]
            if kept and not self._held:
                self._before_held = self._tree.moving if before is None else before
            self._hold(kept)
            return _nothing()
        samples = batch.samples(self._chain.wanted, begin, end)
        self._refused += samples.refused
        return self._chain.add(samples.message, samples.edge, samples.stamps, samples.poses)

    def _find_path(self) -> Stamped:
        """Follow the tree to another path, if it leads there.

        Returns the poses that still waited on the old one, or those of the messages that were kept.
        """
        old = self._chain
        try:
            steps = self._tree.path(*self._ends)
        except NoPathError as error:
            self._no_path, self._chain = str(error), None
            return _nothing() if old is None else old.flush()
        if old is not None and old.steps == steps:
            old.use(self._fixed)
            return _nothing()
        self._chain = TransformChain(steps, self._fixed, old, self._limits)
        if old is not None:
            return old.flush()
        kept = self._reader.batch(list(self._held))
        self._drop_held()
        return self._poses(kept, 0, len(kept.messages), None)

    def _hold(self, messages: Sequence[bytes]) -> None:
        self._held += messages
        self._held_bytes += sum(map(len, messages))
        while self._held_bytes > _MOST_HELD_BYTES:
            self._held_bytes -= len(self._held.popleft())
            self.lost += 1

    def _drop_held(self) -> None:
        self._held.clear()
        self._held_bytes = 0


def _nothing() -> Stamped:
    return np.empty(0, np.int64), np.empty((0, 7))
