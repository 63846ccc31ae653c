# SPDX-License-Identifier: Apache-2.0
"""Sound of other drivers: two packages that are both called audio_common_msgs.

AudioStamped (int or float samples, with their rate) and AudioDataStamped (bytes; an AudioInfo on a
topic of its own says what they are). Both stamp a message when its first sample is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from m2r2_ros.errors import brief
from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK, checked_audio, decode_audio
from m2r2_ros.messages.cdr import BYTE_ORDERS, CdrReader, MessageError
from m2r2_ros.messages.definition import Definitions, no_definitions
from m2r2_ros.messages.field_path import FieldPath, parse_path
from m2r2_ros.messages.field_walk import Run, find

AUDIO_STAMPED = "audio_common_msgs/msg/AudioStamped"
AUDIO_DATA = "audio_common_msgs/msg/AudioDataStamped"
AUDIO_INFO = "audio_common_msgs/msg/AudioInfo"
AUDIO_TYPES = (AUDIO_CHUNK, AUDIO_STAMPED, AUDIO_DATA)
# Beside the topic of AudioDataStamped.
INFO_TOPIC = "audio_info"

_SAMPLES = "audio_common_msgs/msg/AudioData"
# The list that is filled -> what is silence, and what is full scale.
_SCALES = {
    "float32_data": (0.0, 1.0),
    "int32_data": (0.0, 2.0**31),
    "int24_data": (0.0, 2.0**23),
    "int16_data": (0.0, 2.0**15),
    "int8_data": (0.0, 2.0**7),
    "uint8_data": (2.0**7, 2.0**7),
}
# GStreamer's names of raw samples -> NumPy's.
_RAW = {"S16LE": "<i2", "S16BE": ">i2", "S32LE": "<i4", "F32LE": "<f4", "U8": "u1", "S8": "i1"}
_FULL_SCALE = {"i1": 2.0**7, "u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "f4": 1.0}

# Stamp of the first sample [ns], float32 (n, channels), rate [Hz].
Sound = tuple[int, np.ndarray, int]


@dataclass(frozen=True)
class AudioInfo:
    """What the bytes of an AudioDataStamped are."""

    rate_hz: int
    channels: int
    sample_format: str
    coding: str


class AudioDecoder:
    """Reads the messages of one microphone.

    info   of a microphone that says it on a topic of its own; None until it has come.
    """

    def __init__(self, definitions: Definitions = no_definitions) -> None:
        self.info: AudioInfo | None = None
        self._definitions = definitions

    def note_info(self, message: bytes) -> None:
        """Take an AudioInfo. Raises MessageError."""
        reader = CdrReader(message)
        channels, rate_hz = reader.number("B"), reader.number("I")
        sample_format, _, coding = reader.text(), reader.number("I"), reader.text()
        self.info = AudioInfo(rate_hz, channels, sample_format, coding)

    def decode(self, type_name: str, message: bytes) -> Sound:
        """Raises MessageError."""
        if type_name == AUDIO_CHUNK:
            return decode_audio(message)
        if type_name == AUDIO_STAMPED:
            return self._stamped(message)
        if type_name == AUDIO_DATA:
            return self._bytes(message)
        raise MessageError(f"cannot read sound from {type_name}")

    def _stamped(self, message: bytes) -> Sound:
        lists = [name for name, _ in self._definitions(_SAMPLES) if name in _SCALES]
        paths = [parse_path(f"audio.audio_data.{name}") for name in lists]
        paths += [parse_path(f"audio.info.{name}") for name in ("rate", "channels")]
        *filled, rate_hz, channels = self._read(AUDIO_STAMPED, paths, message)
        for name, samples in zip(lists, filled, strict=True):
            if len(samples):
                silence, full = _SCALES[name]
                floats = _floats(samples, silence, full)
                return checked_audio(_stamp(message), floats, int(rate_hz[0]), int(channels[0]))
        raise MessageError("a message of audio without samples")

    def _bytes(self, message: bytes) -> Sound:
        info = self.info
        if info is None:
            raise MessageError(f"no {AUDIO_INFO} has come, which says what its bytes are")
        raw = _RAW.get(info.sample_format.upper())
        if info.coding.upper() not in ("", "WAVE", "RAW", "PCM") or raw is None:
            raise MessageError(
                f"sound as {brief(info.coding)} of {brief(info.sample_format)}: start its driver "
                "with format:=wave sample_format:=S16LE"
            )
        (data,) = self._read(AUDIO_DATA, [parse_path("audio.data")], message)
        if len(data) % np.dtype(raw).itemsize:
            raise MessageError(f"{len(data)} bytes of sound are no whole samples")
        silence = 2.0**7 if raw == "u1" else 0.0
        floats = _floats(data.view(raw), silence, _FULL_SCALE[raw[-2:]])
        return checked_audio(_stamp(message), floats, info.rate_hz, info.channels)

    def _read(self, type_name: str, paths: list[FieldPath], message: bytes) -> list[np.ndarray]:
        found = find(type_name, paths, self._definitions, message)
        order = BYTE_ORDERS[bytes(message[:2])]
        return [_numbers(message, runs, order) for runs in found.runs]


def _numbers(message: bytes, runs: list[Run], order: str) -> np.ndarray:
    """One list or one number; empty where it is."""
    if not runs:
        return np.zeros(0)
    (run,) = runs
    return np.frombuffer(message, order + run.code, run.count, run.offset)


def _floats(samples: np.ndarray, silence: float, full: float) -> np.ndarray:
    """float32 in [-1, 1]."""
    return ((samples.astype(np.float64) - silence) / full).astype(np.float32)


def _stamp(message: bytes) -> int:
    return CdrReader(message).time()
