# SPDX-License-Identifier: Apache-2.0
"""Which frame is whose parent, and the way from one frame to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from m2r2_ros.errors import M2R2Error, nearest_name

# (parent, child), names as bytes.
Edge = tuple[bytes, bytes]

# More frames are no robot: further ones are not taken.
MAX_FRAMES = 1 << 16
# A longer way is refused, for each step costs time.
MAX_STEPS = 128
# Names among which a similar one is looked for: the search takes a while.
_MOST_COMPARED = 1000


@dataclass(frozen=True)
class PathStep:
    """An edge of a path, walked from child to parent if `inverted`."""

    edge: Edge
    inverted: bool
    is_static: bool


class NoPathError(M2R2Error):
    """There is no way between two frames as yet."""


class TransformTree:
    """Parents of frames. The edges of /tf win over those of /tf_static.

    A frame whose parent changes moves with all below it. The order in which edges come does not
    matter, as long as a frame has one parent on each topic.
    """

    def __init__(self) -> None:
        self._moving: dict[bytes, bytes] = {}
        self._static: dict[bytes, bytes] = {}
        # What is odd of the newest edges, else "".
        self.notice = ""

    def knows(self, edges: Iterable[Edge], is_static: bool) -> bool:
        """Whether taking these edges would change nothing."""
        parents = self._static if is_static else self._moving
        is_full = len(parents) >= MAX_FRAMES
        return all(
            parents.get(child) == parent or (is_full and child not in parents)
            for parent, child in edges
        )

    def add(self, edges: Iterable[Edge], is_static: bool) -> None:
        """Take edges; of one child the last."""
        parents = self._static if is_static else self._moving
        for parent, child in edges:
            if child not in parents and len(parents) >= MAX_FRAMES:
                self.notice = f"more than {MAX_FRAMES} frames: further ones are left out"
                continue
            before = parents.get(child, parent)
            if before != parent:
                self.notice = (
                    f"the parent of {_show(child)} was {_show(before)}, then {_show(parent)}"
                )
            parents[child] = parent

    @property
    def moving(self) -> Mapping[bytes, bytes]:
        """Child -> parent as /tf has said so far."""
        return dict(self._moving)

    def restore(self, moving: Mapping[bytes, bytes]) -> None:
        """Take back what /tf has said since `moving` was asked for."""
        self._moving = dict(moving)

    def path(self, frame: bytes, child: bytes) -> tuple[PathStep, ...]:
        """The edges from `frame` to `child`. Raises NoPathError that says what is missing."""
        down, up = self._ancestors(child), self._ancestors(frame)
        common = next((name for name in down if name in up), None)
        if common is None:
            raise self._explain(frame, child, up, down)
        steps = [self._step(name, inverted=True) for name in _until(up, common)]
        steps += [self._step(name, inverted=False) for name in reversed(_until(down, common))]
        if len(steps) > MAX_STEPS:
            raise NoPathError(
                f"{len(steps)} transforms lie between {_show(frame)} and {_show(child)}; the limit "
                f"is {MAX_STEPS}"
            )
        return tuple(steps)

    def _ancestors(self, frame: bytes) -> dict[bytes, None]:
        """The frame, its parent, and so on up to the root or to where they go round in a circle."""
        found: dict[bytes, None] = {}
        name: bytes | None = frame
        while name is not None and name not in found:
            found[name] = None
            name = self._parent(name)
        return found

    def _parent(self, name: bytes) -> bytes | None:
        return self._moving.get(name, self._static.get(name))

    def _step(self, child: bytes, inverted: bool) -> PathStep:
        is_static = child not in self._moving
        return PathStep((self._parent(child), child), inverted, is_static)

    def _explain(
        self, frame: bytes, child: bytes, up: Iterable[bytes], down: Iterable[bytes]
    ) -> NoPathError:
        names = {*self._moving, *self._moving.values(), *self._static, *self._static.values()}
        for missing in (frame, child):
            if missing not in names:
                some = (
                    [_text(name) for name in sorted(names)] if len(names) <= _MOST_COMPARED else []
                )
                near = nearest_name(_text(missing), some)
                return NoPathError(f"no transform has the frame {_show(missing)}{near}")
        ends = []
        for name, ancestors in ((frame, up), (child, down)):
            root = list(ancestors)[-1]
            if parent := self._parent(root):
                return NoPathError(
                    f"the frames above {_show(name)} go round in a circle: {_show(root)} is below "
                    f"{_show(parent)}"
                )
            ends.append(f"{_show(name)} is below {_show(root)}" if name != root else _show(name))
        return NoPathError(f"no transform connects {' and '.join(ends)}")


def _until(names: Sequence[bytes] | Iterable[bytes], last: bytes) -> list[bytes]:
    """Those before `last`."""
    found = list(names)
    return found[: found.index(last)]


def _text(name: bytes) -> str:
    return name.decode(errors="replace")


def _show(name: bytes) -> str:
    return f"'{_text(name)}'"


def show(edge: Edge) -> str:
    """An edge for a line of text."""
    return " -> ".join(map(_show, edge))
