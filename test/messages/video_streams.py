# SPDX-License-Identifier: Apache-2.0
"""Video as encoders of cameras make it: packets with start codes, parameters at each key frame."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from m2r2_ros.datasets.media import CONVERSION

START_NS, STEP_NS = 1_700_000_000 * 10**9, 40_000_000
# Encoder of a codec, and its options: no picture waits for a later one.
ENCODERS = {"h264": "libx264", "hevc": "libx265"}
X265 = "log-level=none:keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:frame-threads=1"


@dataclass(frozen=True)
class Video:
    """The pictures that were encoded, uint8 (H, W, 3), and a packet for each."""

    codec: str
    pictures: list[np.ndarray]
    packets: list[bytes]
    keys: list[bool]

    @staticmethod
    def stamp(k: int) -> int:
        return START_NS + k * STEP_NS


def pictures(count: int, width: int, height: int) -> list[np.ndarray]:
    """Coloured squares that move to the right, and are never twice where they were."""
    colours = np.random.default_rng(1).integers(0, 255, (height // 8, width // 8, 3))
    board = np.kron(colours, np.ones((8, 8, 1))).astype(np.uint8)
    return [np.roll(board, 4 * k, axis=1) for k in range(count)]


def video(
    codec: str, count: int = 24, gop: int = 8, width: int = 96, height: int = 64, **options: str
) -> Video:
    """`options` go to the encoder, beside those that keep pictures in order."""
    encoder = av.CodecContext.create(ENCODERS[codec], "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.gop_size, encoder.thread_count = Fraction(1, 25), gop, 1
    usual = {"preset": "ultrafast", "tune": "zerolatency"}
    if codec == "hevc":
        usual["x265-params"] = X265.format(gop=gop) + options.pop("x265", ":bframes=0")
    encoder.options = usual | options
    made, packets = pictures(count, width, height), []
    for k, picture in enumerate(made):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(format="yuv420p", **CONVERSION)
        frame.pts = k
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return Video(codec, made, list(map(bytes, packets)), [p.is_keyframe for p in packets])
