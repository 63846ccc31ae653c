# SPDX-License-Identifier: Apache-2.0
"""What is made once of a recording to be played: small pictures, sound and envelopes, on the disk.

A recording is divided into parts of `PART_NS`; each is made apart from the others, in any order.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inspection.small_pictures import PLAYED_HZ, thinned, to_jpeg
from m2r2_ros.labelling.envelopes import coarser
from m2r2_ros.labelling.opened import OpenedRecording
from m2r2_ros.labelling.pictures import SMALL_PIXELS, SMALL_QUALITY, Jpeg, packed
from m2r2_ros.labelling.plots import SOUND_RATE_HZ, plot_envelopes
from m2r2_ros.labelling.sound import WavFile, mono

PART_NS = 5_000_000_000
FINE_NS, COARSE_NS = 5_000_000, 100_000_000
FINE_BINS, COARSE_BINS = PART_NS // FINE_NS, PART_NS // COARSE_NS
# Of all recordings together.
MAX_CACHE_BYTES = 10 * 2**30
# Changes with what is written here.
_FORM = 1


class Proxies:
    """The folder of one recording. Parts of it may be read while others are made."""

    def __init__(self, folder: Path, recording: OpenedRecording) -> None:
        self._folder, self._recording = folder, recording
        length_ns = recording.end_ns - recording.start_ns
        self.parts = int(-(-length_ns // PART_NS))
        columns = sum(len(plot.names) for plot in recording.plots)
        folder.mkdir(parents=True, exist_ok=True)
        # When it was last of use.
        os.utime(folder)
        self.coarse_path = folder / "coarse.f32"
        shape = (columns, self.parts * COARSE_BINS, 2)
        self._coarse = _array(self.coarse_path, shape)
        self.sound = None
        if recording.layout.audio:
            samples = length_ns * SOUND_RATE_HZ // 10**9
            self.sound = WavFile(folder / "sound.wav", samples, SOUND_RATE_HZ)
        self.made = {part for part in range(self.parts) if self.pictures(part).exists()}

    def pictures(self, part: int) -> Path:
        """The file of a part's pictures, written last of all its files."""
        return self._folder / f"{part}.pictures"

    def envelopes(self, part: int) -> Path:
        """The file of a part's envelopes, float32 (columns, FINE_BINS, 2)."""
        return self._folder / f"{part}.f32"

    def make(self, part: int, reader: OpenedRecording) -> None:
        """Read a part of the recording and write its files. Raises M2R2Error."""
        start_ns = self._recording.start_ns + part * PART_NS
        batch = reader.between(start_ns, start_ns + PART_NS)
        fine = plot_envelopes(self._recording.plots, batch, start_ns, FINE_BINS, FINE_NS)
        with partial_file(self.envelopes(part)) as temporary:
            temporary.write_bytes(fine.tobytes())
        columns = slice(part * COARSE_BINS, (part + 1) * COARSE_BINS)
        self._coarse[:, columns] = coarser(fine, COARSE_NS // FINE_NS)
        if self.sound is not None:
            samples = mono(batch.audio, start_ns, start_ns + PART_NS, SOUND_RATE_HZ)
            self.sound.put(part * PART_NS * SOUND_RATE_HZ // 10**9, samples)
        with partial_file(self.pictures(part)) as temporary:
            temporary.write_bytes(packed(list(self._small(batch.images))))
        self.made.add(part)

    def _small(self, frames: Iterable) -> Iterator[Jpeg]:
        names = self._recording.layout.cameras
        for camera, stamp_ns, picture in thinned(frames, PLAYED_HZ):
            data = to_jpeg(picture, SMALL_PIXELS, SMALL_QUALITY)
            if data is not None:
                yield Jpeg(names.index(camera), self._recording.seconds(stamp_ns), data)


def cache_root() -> Path:
    """As the XDG base directories have it."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return home / "m2r2" / "label"


def proxies_of(path: Path, recording: OpenedRecording, root: Path) -> Proxies:
    """The proxies of a recording as it is now, for the sensors that are looked at.

    Raises M2R2Error where they cannot be written.
    """
    layout = recording.layout.to_dict()
    identity = [_FORM, str(path.resolve()), _state(path), layout, recording.epoch_ns]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]
    try:
        folder = root / key
        make_room(root, folder)
        return Proxies(folder, recording)
    except OSError as error:
        raise M2R2Error(
            f"cannot write to the cache {root}: {error.strerror}: XDG_CACHE_HOME names another"
        ) from error


def make_room(root: Path, keep: Path, most_bytes: int = MAX_CACHE_BYTES) -> None:
    """Delete what was of use longest ago, until the rest takes at most `most_bytes`."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    folders = [folder for folder in root.iterdir() if folder.is_dir() and folder != keep]
    folders.sort(key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    total = _taken(keep) if keep.exists() else 0
    for folder in folders:
        total += _taken(folder)
        if total > most_bytes:
            shutil.rmtree(folder, ignore_errors=True)


def _taken(folder: Path) -> int:
    """On the disk: a sound file is mostly a hole until it is filled in."""
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir())


def _state(path: Path) -> list[list[int]]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    states = [file.stat() for file in files if file.is_file()]
    return [[state.st_size, state.st_mtime_ns] for state in states]


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """In the file at `path`, NaN at first."""
    if not path.exists() or path.stat().st_size != 4 * int(np.prod(shape)):
        np.full(shape, np.nan, np.float32).tofile(path)
    if not np.prod(shape):
        return np.zeros(shape, np.float32)
    return np.memmap(path, np.float32, "r+", shape=shape)
