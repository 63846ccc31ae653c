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
        # ... and how far all had when a stream last brought something.
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
        ran = dict(self._ran)
        for name in positions:
            self._heard[name] = ran

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
            heard = self._heard[name]
            # Who has come since then has run from zero.
            self._known[name] = max(ran - heard.get(other, 0) for other, ran in self._ran.items())
        return self._known[name]
