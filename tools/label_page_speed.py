# SPDX-License-Identifier: Apache-2.0
"""How fast the page of `m2r2 label` shows an hour of three cameras that nothing is prepared of.

    chrt -r 1 .venv/bin/python tools/label_page_speed.py out/hour 5

Makes `out/hour` if it is not there: a bag of 12 GB with three JPEG streams of 640x480 at 30 Hz, the
shipped recording's pictures over and over, sound, a wrench at 300 Hz and a pose at 100 Hz. Then so
many times, each with an empty cache and the bag dropped from the system's: the time from the
command to the address and to the first pictures of all cameras in headless Chromium, from a click
on the overview to the pictures of that moment, and the server's memory after 20 s. Linux only;
needs the packages playwright, starlette and uvicorn, and Chromium.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from labelled_page import CHROMIUM, serving
from PIL import Image

from m2r2_ros.datasets.bag_writer import BagContent, write_bag
from m2r2_ros.datasets.reassemble_rig import DEFAULT_TOPICS
from m2r2_ros.datasets.source import open_source
from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK
from m2r2_ros.messages.encode import encode_audio, encode_compressed_image, encode_vectors
from m2r2_ros.messages.images import COMPRESSED_IMAGE
from m2r2_ros.messages.signals import POSE, WRENCH
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped

CAMERAS = ("hama1", "hama2", "hand")
SECONDS, START_NS = 3600, 1_760_000_000 * 10**9
# Of a message that is repeated: four bytes of encapsulation, then the stamp of its header.
STAMP = slice(4, 12)
MINUTES = (55, 12, 38, 55.5, 3, 54.5, 21)
# From a click on the overview to the pictures of all cameras, in the page itself [s].
CLICKED = """([x, y]) => new Promise((done) => {
  const overview = document.getElementById("overview");
  overview.setPointerCapture = () => {};
  const began = performance.now();
  for (const kind of ["pointerdown", "pointerup"]) {
    overview.dispatchEvent(new PointerEvent(kind, { clientX: x, clientY: y, cancelable: true }));
  }
  const [minutes, seconds] = document.getElementById("time").textContent.split(":");
  const time = 60 * minutes + Number(seconds);
  const look = () => [...document.querySelectorAll("#cameras canvas")]
    .every((canvas) => Math.abs(canvas.dataset.time - time) < 0.06)
    ? done((performance.now() - began) / 1000) : requestAnimationFrame(look);
  look();
})"""

Messages = Iterator[tuple[int, str, bytes]]


def write_hour(folder: Path) -> None:
    types = {DEFAULT_TOPICS[name]: COMPRESSED_IMAGE for name in CAMERAS}
    types |= {DEFAULT_TOPICS["audio"]: AUDIO_CHUNK, DEFAULT_TOPICS["wrench"]: WRENCH}
    types[DEFAULT_TOPICS["pose"]] = POSE
    random = np.random.default_rng(0)
    sound = [random.normal(0, 0.1, (320, 1)).astype(np.float32) for _ in range(40)]
    streams = [
        _repeated(DEFAULT_TOPICS[name], 30, 15_000_000, pictures)
        for name, pictures in _pictures().items()
    ]
    chunks = [encode_audio(0, "microphone", samples, 16_000) for samples in sound]
    streams.append(_repeated(DEFAULT_TOPICS["audio"], 50, 20_000_000, chunks))
    for name, kind, width, rate_hz in (("wrench", WRENCH, 6, 300), ("pose", POSE, 7, 100)):
        values = np.cumsum(random.normal(0, 0.01, (1000, width)), axis=0)
        values[:, 3:] = (0, 0, 0, 1) if kind == POSE else values[:, 3:]
        stamps = START_NS + np.arange(1000)
        messages = list(encode_vectors(kind, stamps, values, "base"))
        streams.append(_repeated(DEFAULT_TOPICS[name], rate_hz, 1_000_000, messages))
    write_bag(BagContent(types, streams, START_NS), folder)


def _pictures() -> dict[str, list[bytes]]:
    """Eight seconds of each camera, as messages."""
    layout = SensorLayout(CAMERAS, audio=False, signals=())
    found: dict[str, list[bytes]] = {name: [] for name in CAMERAS}
    with open_source(shipped("recordings/taskboard_demo.h5")) as source:
        start_ns = source.start_ns + 30 * 10**9
        for name, _, picture in source.between(layout, start_ns, start_ns + 8 * 10**9).images:
            buffer = io.BytesIO()
            large = Image.fromarray(picture()).resize((640, 480))
            large.save(buffer, "JPEG", quality=92)
            found[name].append(encode_compressed_image(0, name, "jpeg", buffer.getvalue()))
    return found


def _repeated(topic: str, rate_hz: int, late_ns: int, messages: list[bytes]) -> Messages:
    for number, message in zip(range(SECONDS * rate_hz), cycle(messages), strict=False):
        stamp_ns = START_NS + number * 10**9 // rate_hz
        stamp = struct.pack("<iI", *divmod(stamp_ns, 10**9))
        yield stamp_ns + late_ns, topic, message[: STAMP.start] + stamp + message[STAMP.stop :]


def drop(bag: Path) -> None:
    """From the system's cache."""
    for path in bag.iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def turn(browser: Any, bag: Path, found: dict[str, list[float]]) -> None:
    drop(bag)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        with serving(bag) as (url, process):
            found["address [s]"].append(time.monotonic() - began)
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(url)
            page.wait_for_function(
                "() => { const all = [...document.querySelectorAll('#cameras canvas')];"
                " return all.length && all.every((canvas) => canvas.dataset.time); }"
            )
            found["first pictures [s]"].append(time.monotonic() - began)
            box = page.locator("#overview").bounding_box()
            for minute in MINUTES:
                drop(bag)
                x = box["x"] + box["width"] * minute * 60 / SECONDS
                seconds = page.evaluate(CLICKED, [x, box["y"] + box["height"] / 2])
                found["seek [s]"].append(seconds)
                page.wait_for_timeout(300)
            page.wait_for_timeout(max(0.0, 20 - (time.monotonic() - began)) * 1000)
            resident = Path(f"/proc/{process}/statm").read_text().split()[1]
            found["memory [MB]"].append(int(resident) * os.sysconf("SC_PAGE_SIZE") / 1e6)
            page.close()


def main() -> int:
    from playwright.sync_api import sync_playwright

    bag, turns = Path(sys.argv[1]), int(sys.argv[2])
    if not bag.exists():
        write_hour(bag)
    found: dict[str, list[float]] = {
        name: [] for name in ("address [s]", "first pictures [s]", "seek [s]", "memory [MB]")
    }
    chromium = next(filter(None, map(shutil.which, CHROMIUM)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(turns):
            turn(browser, bag, found)
        browser.close()
    for name, values in found.items():
        print(f"{name}: median {median(values):.3g}, worst {max(values):.3g} of {len(values)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
