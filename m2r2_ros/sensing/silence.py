# SPDX-License-Identifier: Apache-2.0
"""How long streams have been silent, told by how far others have run since."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class Silence:
    """Every stream by its own clock, so that it does not matter how far these are apart."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}
        # How far each clock has run while it was going on ...
        self._ran: dict[str, int] = {}
        # ... and how far each had when it first brought something after a stream did: the time
        # since its message before is not all after that stream's.
        self._heard: dict[str, dict[str, int]] = {}
        # Asked for many times between two times that something comes.
        self._known: dict[str, int] = {}

    def clear(self) -> None:
        for state in (self._positions, self._ran, self._heard, self._known):
            state.clear()

    def hear(self, positions: Mapping[str, int], active: Collection[str]) -> None:
        """These streams have come so far. Only of `active` ones it tells how much time passed."""
        self._known.clear()
        for name, position in positions.items():
            passed_ns = position - self._positions[name] if name in active else 0
            self._ran[name] = self._ran.get(name, 0) + max(0, passed_ns)
            self._positions[name] = position
        for heard in self._heard.values():
            for name in positions:
                heard.setdefault(name, self._ran[name])
        for name in positions:
            self._heard[name] = {}

    def forget(self, name: str) -> None:
        self._known.clear()
        for state in (self._positions, self._ran, self._heard):
            state.pop(name, None)

    @property
    def names(self) -> Collection[str]:
        """The streams that have been heard and not forgotten."""
        return self._heard.keys()

    def silent_ns(self, name: str) -> int:
        """How far others have run since the stream brought something, at most."""
        if name not in self._known:
            heard = self._heard[name].items()
            ran = (self._ran[other] - then for other, then in heard if other in self._ran)
            self._known[name] = max(ran, default=0)
        return self._known[name]
