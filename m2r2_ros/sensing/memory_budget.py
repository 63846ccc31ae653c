# SPDX-License-Identifier: Apache-2.0
"""The bytes that samples may take in all while they wait for a window."""

from __future__ import annotations

from typing import Protocol

from m2r2_ros.errors import M2R2Error

MEGABYTE = 1_000_000


class Holder(Protocol):
    """A stream whose frames share what the buffers of a fixed size leave."""

    @property
    def held_bytes(self) -> int:
        """What all its frames take."""

    def drop_oldest(self) -> None:
        """Let go of the oldest frame and count it."""


class MemoryBudget:
    """Buffers of a fixed size are reserved at the start; frames share the rest.

    When that is full, the camera that holds the most gives its oldest frame: one with large
    pictures costs itself, not the others.
    """

    def __init__(self, megabytes: float) -> None:
        self._limit_mb = megabytes
        self._free = round(megabytes * MEGABYTE)
        self._holders: list[Holder] = []

    def reserve(self, name: str, nbytes: int) -> None:
        """Set aside what the stream `name` takes at most. Raises M2R2Error when it is too much."""
        self._free -= nbytes
        if self._free <= 0:
            raise M2R2Error(
                f"buffer_s and the highest rates need {nbytes / MEGABYTE:.0f} MB for '{name}', "
                f"more than is left of buffer_mb ({self._limit_mb:g}): lower them or raise it"
            )

    def share(self, holder: Holder) -> None:
        """Let a camera's frames take part."""
        self._holders.append(holder)

    @property
    def held_bytes(self) -> int:
        """What all frames take now."""
        return sum(holder.held_bytes for holder in self._holders)

    def keep(self) -> None:
        """Drop frames until the others fit."""
        while self.held_bytes > self._free:
            max(self._holders, key=lambda holder: holder.held_bytes).drop_oldest()
