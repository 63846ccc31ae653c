# SPDX-License-Identifier: Apache-2.0
"""Sources of a microphone's samples: a sound card, or a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from m2r2_ros.errors import M2R2Error

Now = Callable[[], int]
# Samples float32 (n, channels) and the time of the first one in nanoseconds of the node's clock.
OnChunk = Callable[[np.ndarray, int], None]
# The source has ended or failed.
OnEnd = Callable[[Exception | None], None]


class SoundSource(Protocol):
    """Delivers chunks from a thread of its own. overflows: how often samples were lost."""

    name: str
    rate_hz: int
    overflows: int

    def start(self, now_ns: Now, on_chunk: OnChunk, on_end: OnEnd) -> None:
        """Begin to deliver. Raises M2R2Error when the device cannot be opened."""

    def stop(self) -> None:
        """Return when nothing more will be delivered."""


class SoundCard:
    """PortAudio through sounddevice; chunks are timed by the card's converter, not by arrival."""

    def __init__(self, device: str, rate_hz: int, channels: int, chunk_s: float) -> None:
        """`device`: a name, a number, or "" for the default. Raises M2R2Error without PortAudio."""
        self._portaudio = _import_sounddevice()
        self.name = device or "default sound card"
        self.rate_hz = rate_hz
        self.overflows = 0
        self._device = int(device) if device.isdigit() else device or None
        self._channels = channels
        self._chunk = max(1, round(chunk_s * rate_hz))
        self._stream: Any = None
        self._deliver: tuple[Now, OnChunk]

    def start(self, now_ns: Now, on_chunk: OnChunk, on_end: OnEnd) -> None:
        self._deliver = (now_ns, on_chunk)
        self._open()

    def reopen(self) -> None:
        """Look for the device again. Raises M2R2Error while it is unplugged."""
        self.stop()
        try:
            # PortAudio knows the devices that were there when it was initialised, and no others;
            # sounddevice has no public way to tell it to look again.
            self._portaudio._terminate()
            self._portaudio._initialize()
        except Exception as error:  # PortAudioError, or another error of its bindings.
            raise M2R2Error(f"{self.name}: PortAudio does not start again: {error}") from error
        self._open()

    def _open(self) -> None:
        now_ns, on_chunk = self._deliver

        def deliver(data: np.ndarray, frames: int, times: Any, status: Any) -> None:
            self.overflows += bool(status.input_overflow)
            # The two readings of `now` are of one moment; the converter's was a little earlier.
            age_s = times.currentTime - times.inputBufferAdcTime
            on_chunk(data.copy(), now_ns() - round(age_s * 1e9))

        try:
            self._stream = self._portaudio.InputStream(
                samplerate=self.rate_hz,
                blocksize=self._chunk,
                device=self._device,
                channels=self._channels,
                dtype="float32",
                callback=deliver,
            )
            self._stream.start()
        except Exception as error:  # PortAudioError for the card, ValueError for its name.
            raise M2R2Error(f"{self.name}: cannot record: {error}") from error

    def stop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            # A device that was unplugged cannot be closed in order either.
            with suppress(Exception):
                stream.close()


class SoundFile:
    """Any file that FFmpeg reads, played once, against absolute deadlines."""

    overflows = 0

    def __init__(self, path: str, chunk_s: float) -> None:
        """Raises M2R2Error when the file is missing or holds no sound."""
        self.name = path
        self._path = Path(path).expanduser()
        self._chunk_s = chunk_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        _, self.rate_hz = next(_decode(self._path), (None, 0))
        if not self.rate_hz:
            raise M2R2Error(f"{self._path}: holds no sound")

    def start(self, now_ns: Now, on_chunk: OnChunk, on_end: OnEnd) -> None:
        self._stop.clear()
        arguments = (now_ns, on_chunk, on_end)
        self._thread = threading.Thread(target=self._run, args=arguments, name="sound file")
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, now_ns: Now, on_chunk: OnChunk, on_end: OnEnd) -> None:
        try:
            self._play(now_ns(), on_chunk)
        except Exception as error:
            on_end(error)
        else:
            on_end(None)

    def _play(self, start_ns: int, on_chunk: OnChunk) -> None:
        began, count = time.monotonic(), 0
        for samples in self._chunks():
            # A chunk is there when its last sample has been taken.
            deadline = began + (count + len(samples)) / self.rate_hz
            if self._stop.wait(max(0.0, deadline - time.monotonic())):
                return
            on_chunk(samples, start_ns + count * 1_000_000_000 // self.rate_hz)
            count += len(samples)

    def _chunks(self) -> Iterator[np.ndarray]:
        size = max(1, round(self._chunk_s * self.rate_hz))
        waiting: np.ndarray | None = None
        for samples, _ in _decode(self._path):
            waiting = samples if waiting is None else np.concatenate((waiting, samples))
            while len(waiting) >= size:
                yield waiting[:size]
                waiting = waiting[size:]
        if waiting is not None and len(waiting):
            yield waiting


def _decode(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Yield float32 (n, channels) and the rate, piece by piece."""
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                return
            to_float = av.AudioResampler(format="flt")
            for frame in container.decode(audio=0):
                for piece in to_float.resample(frame):
                    channels = piece.layout.nb_channels
                    yield piece.to_ndarray().reshape(-1, channels), piece.sample_rate
    except (av.FFmpegError, OSError) as error:
        raise M2R2Error(f"{path}: cannot be read: {error.strerror or error}") from error


def _import_sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise M2R2Error(
            f"sounddevice is not installed ({error}): pip install sounddevice, or play a `file`"
        ) from error
    except OSError as error:  # It is installed, and finds no PortAudio library.
        raise M2R2Error(
            f"the sound card needs PortAudio ({error}): apt install libportaudio2, or play a `file`"
        ) from error
    return sounddevice
