# SPDX-License-Identifier: Apache-2.0
"""Make docs/demo.gif: two cameras of the shipped recording, what is done, and what is published.

    .venv/bin/python tools/make_gif.py

The published row shows at every moment what a task planner has been told by then, from the events
that `m2r2 segment` gives and the nodes publish. Under 3 MB, four times as fast as it was recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from m2r2_ros.datasets.recording_source import RecordingSource
from m2r2_ros.datasets.source import open_source
from m2r2_ros.evaluation.colours import Palette, ink
from m2r2_ros.evaluation.segments import Segment, segments_from_actions
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.segment_events import SegmentEvent, SegmentStatus
from m2r2_ros.labels import NO_ACTION
from m2r2_ros.offline.deployment import Deployment
from m2r2_ros.offline.segmentation import segment_source
from m2r2_ros.sensing.layout import SensorLayout

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "recordings" / "taskboard_demo.h5"
MODELS = ROOT / "models" / "taskboard_compact"
OUT = ROOT / "docs" / "demo.gif"

CAMERAS = ("hama1", "hand")
# The part that is shown, a picture every so often, and how long each stays [s].
END_S, STEP_S, SHOWN_S = 44.0, 0.4, 0.1

SIDE, EDGE, ROW = 224, 8, 22
WIDTH = 2 * SIDE + 3 * EDGE
ROWS_TOP = SIDE + 2 * EDGE
HEIGHT = ROWS_TOP + 2 * (2 * ROW + EDGE)
COLOURS = 128
FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


Picture = Callable[[], np.ndarray]


def main() -> int:
    with open_source(RECORDING) as source:
        models = Models.load(MODELS)
        run = segment_source(source, models, Deployment())
        truth = segments_from_actions(source.actions)
        labels = {one.label for one in truth} | {event.label for event in run.events}
        drawing = Drawing(Palette(labels, models.head.vocabulary))
    with open_source(RECORDING) as source:
        times_s = np.arange(STEP_S, END_S, STEP_S)
        frames = []
        for now_s, pictures in zip(times_s, pictures_at(source, times_s), strict=True):
            known = known_by(run.events, source.start_ns, now_s)
            frames.append(drawing.frame(now_s, pictures, until(truth, now_s), known))
    save(frames)
    print(f"{OUT}: {len(frames)} frames, {OUT.stat().st_size / 1e6:.2f} MB")
    return 0


def pictures_at(source: RecordingSource, times_s: Sequence[float]) -> list[list[np.ndarray]]:
    """The newest picture of each camera at each time, uint8 (H, W, 3)."""
    layout = SensorLayout(cameras=CAMERAS, audio=False, signals=())
    newest: dict[str, Picture] = {}
    found: list[list[np.ndarray]] = []
    due_ns = [source.start_ns + round(time_s * 1e9) for time_s in times_s]
    for batch in source.batches(layout):
        for camera, stamp_ns, picture in sorted(batch.images, key=lambda image: image[1]):
            while len(found) < len(due_ns) and stamp_ns > due_ns[len(found)]:
                found.append([newest[name]() for name in CAMERAS])
            newest[camera] = picture
        if len(found) == len(due_ns):
            break
    return found


def until(segments: Sequence[Segment], now_s: float) -> list[Segment]:
    return [one._replace(end_s=min(one.end_s, now_s)) for one in segments if one.start_s < now_s]


def known_by(events: Sequence[SegmentEvent], origin_ns: int, now_s: float) -> list[Segment]:
    """The segments that had been published at a time; the one that is open goes on to then."""
    known: dict[int, Segment] = {}
    for event in events:
        if (event.stamp_ns - origin_ns) / 1e9 <= now_s:
            ended = event.status == SegmentStatus.ENDED
            end_s = (event.end_ns - origin_ns) / 1e9 if ended else now_s
            start_s = (event.start_ns - origin_ns) / 1e9
            known[event.segment_id] = Segment(event.label, start_s, end_s)
    return list(known.values())


class Drawing:
    """Frames of one size: pictures above, two rows of segments below."""

    def __init__(self, palette: Palette) -> None:
        self._palette = palette
        self._font = ImageFont.truetype(str(FONT), 13)

    def frame(
        self,
        now_s: float,
        pictures: Sequence[np.ndarray],
        truth: Sequence[Segment],
        known: Sequence[Segment],
    ) -> Image.Image:
        image = Image.new("RGB", (WIDTH, HEIGHT), "white")
        for index, picture in enumerate(pictures):
            # Sensor noise takes most of a GIF's bytes and shows nothing.
            smooth = Image.fromarray(picture).filter(ImageFilter.MedianFilter(3))
            image.paste(smooth.resize((SIDE, SIDE)), (EDGE + index * (SIDE + EDGE), EDGE))
        draw = ImageDraw.Draw(image)
        for index, (title, segments) in enumerate((("done", truth), ("published", known))):
            top = ROWS_TOP + index * (2 * ROW + EDGE)
            label = segments[-1].label if segments else ""
            self._title(draw, top, title, label)
            self._row(draw, top + ROW, now_s, segments)
        return image

    def _title(self, draw: ImageDraw.ImageDraw, top: int, title: str, label: str) -> None:
        draw.text((EDGE, top + 3), f"{title}:", "black", self._font)
        said = "nothing" if label in ("", NO_ACTION) else label.lower()
        colour = self._rgb(label or NO_ACTION)
        width = draw.textlength(said, self._font)
        draw.rectangle((86, top + 1, 98 + width, top + ROW - 3), colour)
        paper = tuple(value / 255 for value in colour)
        draw.text((92, top + 3), said, ink(paper), self._font)

    def _row(
        self, draw: ImageDraw.ImageDraw, top: int, now_s: float, segments: Sequence[Segment]
    ) -> None:
        scale = (WIDTH - 2 * EDGE) / END_S
        draw.rectangle((EDGE, top, WIDTH - EDGE, top + ROW - 4), outline="#bbbbbb")
        for one in segments:
            left, right = (EDGE + max(0.0, at) * scale for at in (one.start_s, one.end_s))
            if right > left:
                draw.rectangle((left, top, right, top + ROW - 4), self._rgb(one.label))
        now = EDGE + now_s * scale
        draw.line((now, top - 2, now, top + ROW - 2), "black", 2)

    def _rgb(self, label: str) -> tuple[int, ...]:
        return tuple(round(255 * value) for value in self._palette.colour(label))


def save(frames: Sequence[Image.Image]) -> None:
    """With one palette for all, so that what stands still costs nothing."""
    sample = Image.new("RGB", (WIDTH, HEIGHT * 8))
    for index, frame in enumerate(frames[:: -(-len(frames) // 8)]):
        sample.paste(frame, (0, index * HEIGHT))
    palette = sample.quantize(COLOURS, Image.Quantize.MEDIANCUT)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    drawn[0].save(
        OUT,
        save_all=True,
        append_images=drawn[1:],
        duration=round(1000 * SHOWN_S),
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    sys.exit(main())
