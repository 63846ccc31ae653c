# SPDX-License-Identifier: Apache-2.0
"""10,000 damaged inputs for each reader: no crash, no traceback, nothing over 5 s or 1 GiB.

    python -m pytest -m soak test/datasets/test_fuzz_soak.py

Every test run reads some hundred damaged videos, sounds and label tracks.

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
# Of the processor; a busy machine may keep an input waiting, but a hang is no computation.
SECONDS = 5
HANG_SECONDS = 60
# Above what the libraries take by themselves.
EXTRA_BYTES = 2**30
READERS = ("h5", "media", "mp4", "mp3", "json", "mcap", "db3", "zstd", "onnx", "yaml")
# In every test run: so many of these. The other readers have tests of their own that damage.
FEW = 100
OFTEN = ("media", "mp4", "mp3", "json", "zstd")


def write_seed(kind: str, folder: Path) -> Path:
    """A small valid file. "media" is an HDF5 file of which only the payloads are damaged."""
    if kind in ("h5", "media"):
        from recordings import recording

        from m2r2_ros.datasets.reassemble_writer import write_recording

        write_recording(folder / f"{kind}.h5", recording(0.2))
        return folder / f"{kind}.h5"
    if kind in ("mp4", "mp3", "json"):
        from recordings import audio, recording, video

        from m2r2_ros.datasets.annotations import actions_to_json
        from m2r2_ros.datasets.media import encode_audio, encode_video

        make = {
            "mp4": lambda: encode_video(video(0.3).frames, 30)[0],
            "mp3": lambda: encode_audio(audio(0.3).samples, 48_000),
            "json": lambda: actions_to_json(recording().actions, 5).encode(),
        }
        path = folder / f"seed.{kind}"
        path.write_bytes(make[kind]())
        return path
    if kind == "zstd":
        # A file of a bag that is compressed as a whole.
        (write_bag(folder, "db3", compressed=True)).replace(folder / "seed.zstd")
        return folder / "seed.zstd"
    if kind in ("mcap", "db3"):
        return write_bag(folder, kind)
    if kind == "onnx":
        from tiny_models import write_encoder

        from m2r2_ros.sensing.layout import SensorLayout

        return write_encoder(folder / "seed.onnx", SensorLayout(cameras=("hama1",)))
    path = folder / "seed.yaml"
    source = Path(__file__).parents[2] / "config" / "franka_ros2.yaml"
    path.write_bytes(source.read_bytes())
    return path


def write_bag(folder: Path, kind: str, compressed: bool = False) -> Path:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    from m2r2_ros.messages.definitions import typestore
    from m2r2_ros.messages.encode import encode_vectors
    from m2r2_ros.messages.signals import WRENCH

    storage = StoragePlugin.MCAP if kind == "mcap" else StoragePlugin.SQLITE3
    message = next(encode_vectors(WRENCH, np.array([5]), np.ones((1, 6)), "ft"))
    writer = Writer(folder / "seed", version=9, storage_plugin=storage)
    if compressed:
        writer.set_compression(CompressionMode.FILE, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/wrist/wrench", WRENCH, typestore=typestore())
        for k in range(20):
            writer.write(connection, k + 1, message)
    (file,) = (folder / "seed").glob("seed.*")
    return file


def read_it(path: Path) -> bool:
    """All that the package does with such a file before it trusts it.

    Returns whether a recording went on without something that could not be read.
    """
    from m2r2_ros.sensing.layout import SensorLayout

    if path.suffix == ".onnx":
        from m2r2_ros.inference.onnx_metadata import read_encoder_metadata

        read_encoder_metadata(path)
    elif path.suffix == ".yaml":
        from m2r2_ros.offline.deployment import Deployment

        Deployment.load(path)
    elif path.suffix == ".mp4":
        from m2r2_ros.datasets.media import decode_video
        from m2r2_ros.messages.av_frames import rgb

        for frame in decode_video(path.read_bytes()):
            rgb(frame)
    elif path.suffix == ".mp3":
        from m2r2_ros.datasets.media import decode_audio

        decode_audio(path.read_bytes())
    elif path.suffix == ".json":
        from m2r2_ros.datasets.annotations import actions_from_json

        actions_from_json(path.read_text(errors="replace"))
    else:
        from m2r2_ros.datasets.source import open_source, windows

        if path.suffix == ".zstd":
            bag = path.parent / "seed"
            (bag / "seed.db3.zstd").write_bytes(path.read_bytes())
            path = bag
        with open_source(path) as source:
            for _ in windows(source, SensorLayout(cameras=("hama1",))):
                pass
            return bool(source.problems)
    return False


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


def with_damaged_payloads(path: Path, content: bytes, random: np.random.Generator) -> bytes:
    """An HDF5 file that is whole but for one of the files in it."""
    import h5py

    with h5py.File(path) as file:
        places = [(file[n].id.get_offset(), file[n].nbytes) for n in ("hama1", "hand_audio")]
    place, size = places[random.integers(len(places))]
    payload = mutated(content[place : place + size], random)[:size].ljust(size, b"\0")
    return content[:place] + payload + content[place + size :]


def damaged(path: Path, content: bytes, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    if path.stem == "media":
        return with_damaged_payloads(path, content, random)
    return mutated(content, random)


@pytest.mark.parametrize("kind", OFTEN)
def test_some_damaged_files(kind, tmp_path):
    from m2r2_ros.errors import M2R2Error

    path = write_seed(kind, tmp_path)
    content = path.read_bytes()
    read_it(path)
    target = path.with_stem("damaged")
    refused = 0
    for seed in range(FEW):
        target.write_bytes(damaged(path, content, seed))
        try:
            refused += read_it(target)
        except M2R2Error as error:
            refused += 1
            assert "\n" not in str(error), f"seed {seed}: {error}"
    # The damage is real: it is noticed in a good part of the inputs.
    assert refused > FEW / 20


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
        target.write_bytes(damaged(path, content, seed))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(HANG_SECONDS)
        try:
            refused += read_it(target)
        except M2R2Error as error:
            refused += 1
            assert "\n" not in str(error), f"seed {seed}: {error}"
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
    # The damage is real: it is noticed in a good part of the inputs.
    assert refused > INPUTS / 20


if __name__ == "__main__":
    worker(sys.argv[1], int(sys.argv[2]))
