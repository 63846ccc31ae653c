# SPDX-License-Identifier: Apache-2.0
"""Stamped transforms along one path of a tree, composed to the pose of its end."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

from m2r2_ros.sensing.limits import SensingLimits, to_ns
from m2r2_ros.sensing.rotation import compose, inverse
from m2r2_ros.sensing.transform_tree import Edge, PathStep, show

# How far back samples are kept, for those that come out of order: so many times `reorder_s`.
_KEPT_TIMES = 5

IDENTITY = np.array([0.0, 0, 0, 0, 0, 0, 1])


class _Track:
    """The newest samples of one moving edge, sorted by stamp; of one stamp the first stays."""

    def __init__(self) -> None:
        self.stamps: list[int] = []
        self.poses: list[np.ndarray] = []

    def add(self, stamp_ns: int, pose: np.ndarray) -> None:
        place = bisect_left(self.stamps, stamp_ns)
        if place == len(self.stamps) or self.stamps[place] != stamp_ns:
            self.stamps.insert(place, stamp_ns)
            self.poses.insert(place, pose)

    def forget_before(self, stamp_ns: int) -> None:
        """All before the last one at or before this stamp."""
        first = bisect_right(self.stamps, stamp_ns) - 1
        if first > 0:
            del self.stamps[:first], self.poses[:first]


class TransformChain:
    """The pose at each stamp of a moving edge on the path.

    It is composed as soon as every moving edge has come up to that stamp, else when the edge that
    brought the stamp is `reorder_s` further, by which messages may overtake each other. A slower
    edge is held then: its newest sample up to the stamp counts. Held for more than
    `max_signal_age_s` it is no measurement, and the pose is NaN. A step back by more than `jump_s`
    is another time. So the pose follows from stamps and from the order within the topic, and no
    sample that is stamped later has a part in it.

    problem  why the newest poses are NaN, else "".
    """

    def __init__(
        self,
        steps: Sequence[PathStep],
        fixed: Mapping[Edge, np.ndarray],
        before: TransformChain | None = None,
        limits: SensingLimits = SensingLimits(),  # noqa: B008 (frozen)
    ) -> None:
        """`fixed`: poses float64 (7,) of the static edges. `before`: the path has been another."""
        self._patience_ns, self._max_hold_ns = (
            to_ns(limits.reorder_s),
            to_ns(limits.max_signal_age_s),
        )
        self._jump_ns, self._kept_ns = to_ns(limits.jump_s), _KEPT_TIMES * self._patience_ns
        self.steps = tuple(steps)
        self._moving = [step for step in self.steps if not step.is_static]
        self.problem = "" if self._moving else "all transforms of the path are static: no motion"
        known = before._tracks if before else {}
        self._tracks = {step.edge: known.get(step.edge, _Track()) for step in self._moving}
        self._pending: dict[int, _Track] = {}
        self.use(fixed)

    def use(self, fixed: Mapping[Edge, np.ndarray]) -> None:
        """Take the poses of the static edges: one before each moving edge, and one at the end."""
        pose, self._between = IDENTITY, []
        for step in self.steps:
            if step.is_static:
                pose = compose(pose, _turned(fixed[step.edge], step))
            else:
                self._between.append(pose)
                pose = IDENTITY
        self._last = pose

    @property
    def wanted(self) -> dict[Edge, int]:
        """The moving edges, numbered along the path."""
        return {step.edge: number for number, step in enumerate(self._moving)}

    def add(
        self, message: np.ndarray, edge: np.ndarray, stamps: np.ndarray, poses: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Samples in the order of the topic: stamps int64 (m,) and poses float64 (m, 7) they give.

        message  int (n,), equal for those that came together; edge: as numbered in `wanted`;
        stamps   int64 (n,); poses: float64 (n, 7), NaN for a fault.
        """
        together = self._together(message, edge, stamps)
        if together is not None:
            return self._add_together(*together, poses)
        ready, tracks = _Ready(len(self._tracks)), list(self._tracks.values())
        last = None
        columns = (message.tolist(), edge.tolist(), stamps.tolist(), poses)
        for one, number, stamp, pose in zip(*columns, strict=True):
            if last is not None and one != last:
                self._release(ready)
            last = one
            track = tracks[number]
            if track.stamps and stamp < track.stamps[-1] - self._jump_ns:
                self._begin_anew(ready)
            track.add(stamp, pose)
            self._pending.setdefault(stamp, track)
        self._release(ready)
        return self._composed(np.array(ready.stamps, np.int64), ready.poses, ready.void)

    def _together(
        self, message: np.ndarray, edge: np.ndarray, stamps: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Stamps (m,) and edges in their order (k,) if each message has all of them at one time.

        One publisher of a whole robot sends such messages: nothing waits, so that they need not be
        looked at one by one. None when they are otherwise.
        """
        edges = len(self._tracks)
        if self._pending or not edges or not len(stamps) or len(stamps) % edges:
            return None
        times, order = stamps.reshape(-1, edges), edge.reshape(-1, edges)
        newest = [track.stamps[-1] for track in self._tracks.values() if track.stamps]
        is_whole = (
            len(set(order[0].tolist())) == edges
            and (order == order[0]).all()
            and (times == times[:, :1]).all()
            and (np.diff(times[:, 0]) > 0).all()
            and times[0, 0] > max(newest, default=times[0, 0] - 1)
            and (message.reshape(-1, edges)[:, :1] == message.reshape(-1, edges)).all()
        )
        return (times[:, 0], order[0]) if is_whole else None

    def _add_together(
        self, stamps: np.ndarray, order: np.ndarray, poses: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = poses.reshape(len(stamps), len(order), 7)[:, np.argsort(order)]
        self.problem = ""
        recent = int(np.searchsorted(stamps, stamps[-1] - self._kept_ns, "right")) - 1
        first = max(0, recent)
        for number, track in enumerate(self._tracks.values()):
            track.stamps += stamps[first:].tolist()
            track.poses += list(rows[first:, number])
            track.forget_before(int(stamps[-1]) - self._kept_ns)
        return self._composed(stamps, rows.swapaxes(0, 1), np.zeros(len(stamps), bool))

    def flush(self) -> tuple[np.ndarray, np.ndarray]:
        """The poses at the stamps that still wait."""
        ready = _Ready(len(self._tracks))
        self._release(ready, at_once=True)
        return self._composed(np.array(ready.stamps, np.int64), ready.poses, ready.void)

    def _begin_anew(self, ready: _Ready) -> None:
        """Time has stepped back: what was before says nothing about what follows."""
        self._release(ready, at_once=True)
        for track in self._tracks.values():
            track.stamps.clear()
            track.poses.clear()

    def _release(self, ready: _Ready, at_once: bool = False) -> None:
        """Choose the samples of each stamp that need not wait any longer."""
        tracks = list(self._tracks.values())
        if not self._pending or not all(track.stamps for track in tracks):
            # At the start, before every edge has come once, there is no pose.
            self._pending.clear()
            return
        known_ns = min(track.stamps[-1] for track in tracks)
        done = [
            stamp
            for stamp, track in self._pending.items()
            if at_once or stamp <= known_ns or stamp <= track.stamps[-1] - self._patience_ns
        ]
        for stamp in sorted(done):
            self._choose(ready, tracks, stamp)
            del self._pending[stamp]
        for track in tracks:
            oldest = min(self._pending, default=track.stamps[-1])
            track.forget_before(min(oldest, track.stamps[-1]) - self._kept_ns)

    def _choose(self, ready: _Ready, tracks: Sequence[_Track], stamp_ns: int) -> None:
        places = [bisect_right(track.stamps, stamp_ns) - 1 for track in tracks]
        if min(places) < 0:
            return
        held = [track.stamps[place] for track, place in zip(tracks, places, strict=True)]
        ready.add(stamp_ns, [t.poses[p] for t, p in zip(tracks, places, strict=True)])
        self.problem = ""
        if stamp_ns - min(held) > self._max_hold_ns:
            ready.void[-1] = True
            step = self._moving[held.index(min(held))]
            self.problem = _held_too_long(step.edge, min(held), stamp_ns)

    def _composed(
        self, stamps: np.ndarray, poses: Sequence[Sequence[np.ndarray]], void: Sequence[bool]
    ) -> tuple[np.ndarray, np.ndarray]:
        """`poses`: for each moving edge those for the stamps (m,); `void`: where there is none."""
        if not len(stamps):
            return stamps, np.empty((0, 7))
        pose = np.broadcast_to(IDENTITY, (len(stamps), 7))
        for step, before, each in zip(self._moving, self._between, poses, strict=True):
            pose = compose(pose, before) if before is not IDENTITY else pose
            pose = compose(pose, _turned(np.asarray(each), step))
        pose = compose(pose, self._last) if self._last is not IDENTITY else pose
        pose[np.asarray(void)] = np.nan
        return stamps, pose


class _Ready:
    """Stamps at which the pose is to be composed, and for each moving edge the samples for it."""

    def __init__(self, edges: int) -> None:
        self.stamps: list[int] = []
        self.void: list[bool] = []
        self.poses: list[list[np.ndarray]] = [[] for _ in range(edges)]

    def add(self, stamp_ns: int, poses: Sequence[np.ndarray]) -> None:
        self.stamps.append(stamp_ns)
        self.void.append(False)
        for column, pose in zip(self.poses, poses, strict=True):
            column.append(pose)


def _turned(pose: np.ndarray, step: PathStep) -> np.ndarray:
    return inverse(pose) if step.inverted else pose


def _held_too_long(edge: Edge, held_ns: int, now_ns: int) -> str:
    if not held_ns:
        return f"the transform {show(edge)} is stamped zero"
    behind_s = (now_ns - held_ns) / 1e9
    return f"the newest transform {show(edge)} is {behind_s:.1f} s older than others of its path"
