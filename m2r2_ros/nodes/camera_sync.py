# SPDX-License-Identifier: Apache-2.0
"""Cameras whose frames are paired by `message_filters` (`camera_sync: approximate`).

By default a window shows each camera's newest frame up to the window's end. Here it shows the frame
nearest to the reference frame, before or after it, within the slop. Each camera is paired with the
reference camera on its own, so a camera that stalls does not affect the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from std_msgs.msg import Header

from m2r2_ros.errors import M2R2Error
from m2r2_ros.nodes.conversions import header_to_ros
from m2r2_ros.sensing.camera_stream import Image

# Frames that wait for their partner, of each camera of a pair.
QUEUE_SIZE = 10

# Camera, stamp of the reference frame [ns], the camera's picture.
Paired = tuple[str, int, Image]


class _Frame(NamedTuple):
    """Passes for a message: message_filters reads `header.stamp` only."""

    header: Header
    camera: str
    stamp_ns: int
    picture: Image


class CameraPairs:
    """Frames of all cameras in, frames of the others under the stamps of the reference camera out.

    Raises M2R2Error when message_filters, which comes with a robot's ROS, is not installed.
    """

    def __init__(self, reference: str, others: Sequence[str], slop_s: float, jump_ns: int) -> None:
        """`jump_ns`: a step back by more than this is a new time line, as for `WindowBuilder`."""
        filters = _message_filters()
        self._reference = reference
        self._waiting: list[_Frame] = []
        self._found: list[Paired] = []
        self._pairs = {
            camera: _Pair(filters, slop_s, jump_ns, self._found.append) for camera in others
        }

    def add(self, camera: str, stamp_ns: int, picture: Image) -> None:
        """Add a frame of any camera."""
        self._waiting.append(_Frame(header_to_ros(stamp_ns), camera, stamp_ns, picture))

    def match(self) -> Iterator[Paired]:
        """Yield the frames that were paired since the last call.

        Frames are compared in order of time; the order in which topics were read has no effect.
        """
        for frame in sorted(self._waiting, key=lambda frame: frame.stamp_ns):
            if frame.camera == self._reference:
                for pair in self._pairs.values():
                    pair.add(0, frame)
            else:
                self._pairs[frame.camera].add(1, frame)
        self._waiting.clear()
        yield from self._found
        self._found.clear()

    def unpaired(self) -> dict[str, int]:
        """Frames of each camera without a reference frame nearby."""
        return {camera: pair.unpaired for camera, pair in self._pairs.items()}

    def clear(self) -> None:
        """Forget all frames; the counts stay."""
        self._waiting.clear()
        for pair in self._pairs.values():
            pair.clear()


class _Pair:
    """The reference camera and another one."""

    def __init__(
        self, filters: ModuleType, slop_s: float, jump_ns: int, found: Callable[[Paired], Any]
    ) -> None:
        self._filters = filters
        self._slop_s = slop_s
        self._jump_ns = jump_ns
        self._found = found
        self._given_up = 0
        self._open = 0
        self.clear()

    def clear(self) -> None:
        """Begin anew: message_filters drops the oldest stamps, all new ones after a step back."""
        self._given_up += self._open
        self._open = 0
        self._newest_ns: int | None = None
        self._inputs = [self._filters.SimpleFilter() for _ in range(2)]
        self._synchronizer = self._filters.ApproximateTimeSynchronizer(
            self._inputs, QUEUE_SIZE, self._slop_s
        )
        self._synchronizer.registerCallback(self._match)

    def add(self, side: int, frame: _Frame) -> None:
        if frame.stamp_ns < 0:  # ROS time has none before 1970.
            self._given_up += side
            return
        if self._newest_ns is not None and frame.stamp_ns < self._newest_ns - self._jump_ns:
            self.clear()
        self._newest_ns = max(frame.stamp_ns, self._newest_ns or frame.stamp_ns)
        self._open += side
        self._inputs[side].signalMessage(frame)

    def _match(self, reference: _Frame, other: _Frame) -> None:
        self._open -= 1
        self._found((other.camera, reference.stamp_ns, other.picture))

    @property
    def unpaired(self) -> int:
        # The newest frames may still be paired.
        return self._given_up + max(0, self._open - QUEUE_SIZE)


def _message_filters() -> ModuleType:
    try:
        import message_filters
    except Exception as error:  # a build for another Python raises other errors than ImportError
        raise M2R2Error(
            f"camera_sync 'approximate' needs the ROS package message_filters ({error}): install "
            "ros-$ROS_DISTRO-message-filters, or set camera_sync to 'held'"
        ) from error
    return message_filters
