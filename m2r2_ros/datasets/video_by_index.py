# SPDX-License-Identifier: Apache-2.0
"""The frames of an MP4 in memory by their number, decoded from the nearest key frame on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator

import av
import numpy as np

from m2r2_ros.datasets.media import MAX_FRAMES, MediaError, check_video_size, open_media
from m2r2_ros.messages.av_frames import rgb
from m2r2_ros.sensing.picture import Decoded, Picture, reduced


class VideoByIndex:
    """An open MP4. Raises MediaError on a payload that is none, or exceeds the limits."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        packets = []
        with open_media(payload, "video", ("mp4",)) as (container, stream):
            check_video_size(stream.width, stream.height)
            for packet in container.demux(stream):
                if packet.pts is not None:
                    packets.append((packet.pts, packet.is_keyframe))
                if len(packets) > MAX_FRAMES:
                    raise MediaError(f"video has more than {MAX_FRAMES} frames")
        packets.sort()
        self._pts = [pts for pts, _ in packets]
        self._keys = [index for index, (_, is_key) in enumerate(packets) if is_key] or [0]
        self._next = 0
        self._opened: Iterator[av.VideoFrame] | None = None

    def pictures(self, first: int, last: int) -> Iterator[tuple[int, Callable[[], np.ndarray]]]:
        """Yield (number, picture) of the frames in [first, last) that can be decoded.

        What follows the last request goes on decoding from there.
        """
        last = min(last, len(self._pts))
        if first >= last:
            return
        key = self._keys[bisect_right(self._keys, first) - 1]
        if self._opened is None or not max(key, 0) <= self._next <= first:
            self._next, self._opened = key, self._decode(self._pts[key])
        for frame in self._opened:
            number = bisect_right(self._pts, frame.pts or 0) - 1
            self._next = number + 1
            if number >= first:
                yield number, _picture(frame)
            if self._next >= last:
                return
        self._opened = None

    def _decode(self, pts: int) -> Iterator[av.VideoFrame]:
        with open_media(self._payload, "video", ("mp4",)) as (container, stream):
            container.seek(pts, stream=stream)
            for frame in container.decode(stream):
                check_video_size(frame.width, frame.height)
                yield frame


def _picture(frame: av.VideoFrame) -> Picture:
    def decode(max_pixels: int | None) -> Decoded:
        pixels = rgb(frame)
        return reduced(pixels, max_pixels), pixels.shape[:2]

    return Picture(decode, frame.width * frame.height * 3)
