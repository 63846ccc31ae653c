# SPDX-License-Identifier: Apache-2.0
"""10,000 damaged inputs for each reader: no crash, no traceback, nothing over 5 s or 1 GiB.

    python -m pytest -m soak test/datasets/test_fuzz_soak.py

Each batch runs in a process of its own with a limit on its memory, so that a crash is seen and
named by its seed. M2R2_FUZZ_INPUTS sets another number of inputs.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

INPUTS = int(os.environ.get("M2R2_FUZZ_INPUTS", "10000"))
BATCH = 500
SECONDS = 5
# Above what the libraries take by themselves.
EXTRA_BYTES = 2**30
READERS = ("h5", "mcap", "db3", "onnx", "yaml")


def write_seed(kind: str, folder: Path) -> Path:
    """A small valid file."""
    if kind == "h5":
        from recordings import recording

        from m2r2_ros.datasets.reassemble_writer import write_recording

        write_recording(folder / "seed.h5", recording(0.2))
        return folder / "seed.h5"
    if kind in ("mcap", "db3"):
        from rosbags.rosbag2 import StoragePlugin, Writer

        from m2r2_ros.messages.definitions import typestore
        from m2r2_ros.messages.encode import encode_vectors
        from m2r2_ros.messages.signals import WRENCH

        storage = StoragePlugin.MCAP if kind == "mcap" else StoragePlugin.SQLITE3
        message = next(encode_vectors(WRENCH, np.array([5]), np.ones((1, 6)), "ft"))
        with Writer(folder / "seed", version=9, storage_plugin=storage) as writer:
            connection = writer.add_connection("/wrist/wrench", WRENCH, typestore=typestore())
            for k in range(20):
                writer.write(connection, k + 1, message)
        return folder / "seed" / f"seed.{kind}"
    if kind == "onnx":
        from tiny_models import write_encoder

        from m2r2_ros.sensing.layout import SensorLayout

        return write_encoder(folder / "seed.onnx", SensorLayout(cameras=("hama1",)))
    path = folder / "seed.yaml"
    source = Path(__file__).parents[2] / "config" / "franka_ros2.yaml"
    path.write_bytes(source.read_bytes())
    return path


def read_it(path: Path) -> None:
    """All that the package does with such a file before it trusts it."""
    from m2r2_ros.sensing.layout import SensorLayout

    if path.suffix == ".onnx":
        from m2r2_ros.inference.onnx_metadata import read_encoder_metadata

        read_encoder_metadata(path)
    elif path.suffix == ".yaml":
        from m2r2_ros.datasets.topics import load_topics

        load_topics(path)
    else:
        from m2r2_ros.datasets.source import open_source, windows

        with open_source(path) as source:
            for _ in windows(source, SensorLayout(cameras=("hama1",))):
                pass


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """Bytes replaced, repeated, cut out, or set to what lengths and offsets hurt with."""
    broken = bytearray(content)
    for _ in range(random.integers(1, 16)):
        place = int(random.integers(0, max(1, len(broken) - 8)))
        size = int(random.integers(1, 9))
        match random.integers(0, 6):
            case 0:
                broken[place : place + size] = random.bytes(size)
            case 1:
                broken[place : place + size] = b"\xff" * size
            case 2:
                broken[place : place + size] = bytes(size)
            case 3:
                broken[place] ^= 1 << int(random.integers(0, 8))
            case 4:
                del broken[place : place + size]
            case 5:
                broken[place:place] = broken[place : place + 8 * size]
    return bytes(broken)


def worker(seed_file: str, first: int) -> None:
    """Read BATCH inputs; prints the number of the one at hand, so that a crash can be named."""
    from m2r2_ros.errors import M2R2Error

    path = Path(seed_file)
    content = path.read_bytes()
    target = path.parent / f"damaged_{first}{path.suffix}"
    read_it(path)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + EXTRA_BYTES,) * 2)
    refused = 0
    for seed in range(first, first + BATCH):
        print(seed, end="\n", flush=True)
        target.write_bytes(mutated(content, np.random.default_rng(seed)))
        signal.alarm(SECONDS)
        try:
            read_it(target)
        except M2R2Error as error:
            refused += 1
            assert "\n" not in str(error), f"seed {seed}: {error}"
        signal.alarm(0)
    print(json.dumps({"refused": refused}))


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", READERS)
def test_damaged_files(kind, tmp_path):
    seed_file = write_seed(kind, tmp_path)
    path = os.pathsep.join([*map(str, filter(None, sys.path))])
    refused = 0
    for first in range(0, INPUTS, BATCH):
        command = [sys.executable, __file__, str(seed_file), str(first)]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
        )
        lines = done.stdout.splitlines()
        last = lines[-1] if lines else "none"
        told = f"{kind}, seed {last}: status {done.returncode}\n{done.stderr[-2000:]}"
        assert done.returncode == 0, told
        refused += json.loads(last)["refused"]
    # The damage is real: a good part of the inputs is refused.
    assert refused > INPUTS / 20


if __name__ == "__main__":
    worker(sys.argv[1], int(sys.argv[2]))
