# SPDX-License-Identifier: Apache-2.0
"""Pictures that no viewer can show are said, once a camera, and the others are shown."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from published_messages import STORE, header, made
from raw_bags import stamp, topic_map, write

from m2r2_ros.datasets.sensor_input import SensorInput
from m2r2_ros.datasets.source import open_source
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.viewing.recorded_show import RecordedShow
from m2r2_ros.viewing.results import Results
from m2r2_ros.viewing.shown_pictures import ShownPictures

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
LAYOUT = SensorLayout(("cam",), audio=False, signals=())


def raw(k: int, height=4, width=4, encoding="rgb8") -> bytes:
    pixels = np.zeros(height * width * 3, np.uint8)
    return made(RAW, header(stamp(k)), height, width, encoding, 0, 3 * width, pixels)


def compressed(k: int, data: bytes) -> bytes:
    return made(COMPRESSED, header(stamp(k)), "jpeg", np.frombuffer(data, np.uint8))


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG")
    return buffer.getvalue()


PLAIN = [raw(k) for k in range(100)]


class Screen:
    """One that shows pictures alone."""

    def __init__(self) -> None:
        self.pictures, self.shown = ShownPictures(), 0

    @property
    def problems(self) -> dict[str, str]:
        return self.pictures.problems

    def wants(self, stream: str) -> bool:
        return True

    def at(self, stamp_ns: int) -> None: ...

    def picture(self, *frame) -> None:
        self.shown += self.pictures.jpeg(*frame) is not None


@pytest.mark.parametrize(
    ("kind", "messages", "shown", "said"),
    [
        (RAW, PLAIN, True, ""),
        (RAW, [raw(k, encoding="foo") for k in range(100)], False, "encoding 'foo'"),
        (RAW, [raw(k, encoding="16UC1") for k in range(100)], False, "16UC1 is no colour"),
        (RAW, [raw(0, 1, 70_000), *PLAIN[1:]], True, "70000 x 1; a JPEG has up to 65500"),
        (RAW, [raw(0, 70_000, 1), *PLAIN[1:]], True, "1 x 70000; a JPEG has up to 65500"),
        (
            RAW,
            [raw(k, 0, 0) for k in range(100)],
            False,
            "/cam: messages cannot be read: image of 0",
        ),
        (RAW, [raw(k)[:-1] for k in range(99)] + PLAIN[:1], True, "/cam: messages cannot be read"),
        (COMPRESSED, [compressed(k, b"junk") for k in range(100)], False, "neither PNG nor JPEG"),
        (COMPRESSED, [compressed(k, jpeg()[:-99]) for k in range(100)], False, "is damaged"),
    ],
)
def test_what_cannot_be_shown_is_said_once(tmp_path, kind, messages, shown, said):
    bag = write(tmp_path / "bag", {"/cam": (kind, messages)}, STORE)
    lines, screen = [], Screen()
    with open_source(bag, topic_map(cam=SensorInput("/cam"))) as source:
        show = RecordedShow(source, LAYOUT, Results(), screen, lines.append)
        show.show(source.start_ns, source.end_ns + 1)
        show.restore(source.end_ns)
    told = [line for line in lines if "cannot be" in line]
    assert len(told) == bool(said) and all(said in line for line in told), lines
    assert bool(screen.shown) == shown
