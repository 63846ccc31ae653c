# SPDX-License-Identifier: Apache-2.0
"""Sound of other drivers: two packages that are both called audio_common_msgs.

AudioStamped (int or float samples, with their rate), AudioDataStamped and AudioData (bytes, raw or
mp3; an AudioInfo on a topic of its own says what they are). Stamps are those of the first sample;
AudioData has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from m2r2_ros.errors import brief
from m2r2_ros.messages.audio_chunks import AUDIO_CHUNK, checked_audio, decode_audio
from m2r2_ros.messages.cdr import BYTE_ORDERS, NANOSECONDS, CdrReader, MessageError
from m2r2_ros.messages.definition import Definitions, no_definitions
from m2r2_ros.messages.field_path import FieldPath, parse_path
from m2r2_ros.messages.field_walk import Run, find
from m2r2_ros.messages.mp3 import Mp3Stream, Sound
from m2r2_ros.messages.mp3_frames import duration_ns

AUDIO_STAMPED = "audio_common_msgs/msg/AudioStamped"
AUDIO_DATA_STAMPED = "audio_common_msgs/msg/AudioDataStamped"
AUDIO_DATA = "audio_common_msgs/msg/AudioData"
AUDIO_INFO = "audio_common_msgs/msg/AudioInfo"
AUDIO_TYPES = (AUDIO_CHUNK, AUDIO_STAMPED, AUDIO_DATA_STAMPED, AUDIO_DATA)
# Those that say on a topic of its own what they hold, and where they have the bytes.
_BYTES = {AUDIO_DATA_STAMPED: "audio.data", AUDIO_DATA: "data"}

# The list that is filled -> what is silence, and what is full scale.
_SCALES = {
    "float32_data": (0.0, 1.0),
    "int32_data": (0.0, 2.0**31),
    "int24_data": (0.0, 2.0**23),
    "int16_data": (0.0, 2.0**15),
    "int8_data": (0.0, 2.0**7),
    "uint8_data": (2.0**7, 2.0**7),
}
# By how much times of arrival may vary.
_ARRIVAL_SLACK_NS = NANOSECONDS // 4
# GStreamer's names of raw samples -> NumPy's.
_RAW = {"S16LE": "<i2", "S16BE": ">i2", "S32LE": "<i4", "F32LE": "<f4", "U8": "u1", "S8": "i1"}
_FULL_SCALE = {"i1": 2.0**7, "u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "f4": 1.0}


def needs_info(type_name: str) -> bool:
    """Whether an AudioInfo says what the bytes of this type are."""
    return type_name in _BYTES


def is_stamped_sound(type_name: str) -> bool:
    """Whether messages of a type say when they were heard."""
    return type_name != AUDIO_DATA


def info_topic(topic: str) -> str:
    """Where a driver publishes the AudioInfo of its bytes: beside them."""
    return f"{topic.rpartition('/')[0]}/audio_info"


@dataclass(frozen=True)
class AudioInfo:
    """What the bytes of a microphone are."""

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
        self._mp3 = Mp3Stream()

    def forget(self) -> None:
        """What comes next does not continue what came before."""
        self._mp3.forget()

    def note_info(self, message: bytes) -> None:
        """Take an AudioInfo. Raises MessageError."""
        reader = CdrReader(message)
        channels, rate_hz = reader.number("B"), reader.number("I")
        sample_format, _, coding = reader.text(), reader.number("I"), reader.text()
        info = AudioInfo(rate_hz, channels, sample_format, coding)
        if info != self.info:
            self.forget()
        self.info = info

    def decode(self, type_name: str, message: bytes, arrival_ns: int = 0) -> list[Sound]:
        """The sound that a message completes; `arrival_ns` counts where it has no stamp.

        Raises MessageError.
        """
        if type_name == AUDIO_CHUNK:
            return [decode_audio(message)]
        if type_name == AUDIO_STAMPED:
            return [self._stamped(message)]
        if type_name in _BYTES:
            return self._bytes(type_name, message, arrival_ns)
        raise MessageError(f"cannot read sound from {type_name}")

    def _stamped(self, message: bytes) -> Sound:
        lists = [name for name, _ in self._definitions(AUDIO_DATA) if name in _SCALES]
        paths = [parse_path(f"audio.audio_data.{name}") for name in lists]
        paths += [parse_path(f"audio.info.{name}") for name in ("rate", "channels")]
        *filled, rate_hz, channels = self._read(AUDIO_STAMPED, paths, message)
        for name, samples in zip(lists, filled, strict=True):
            if len(samples):
                silence, full = _SCALES[name]
                floats = _floats(samples, silence, full)
                return checked_audio(_stamp(message), floats, int(rate_hz[0]), int(channels[0]))
        raise MessageError("a message of audio without samples")

    def _bytes(self, type_name: str, message: bytes, arrival_ns: int) -> list[Sound]:
        info = self.info
        if info is None:
            raise MessageError(
                f"no {AUDIO_INFO} has come, which says what its bytes are: signals.audio.info "
                "names its topic"
            )
        (data,) = self._read(type_name, [parse_path(_BYTES[type_name])], message)
        stamp_ns = _stamp(message) if is_stamped_sound(type_name) else None
        if info.coding.lower() != "mp3":
            return [_raw_sound(info, data, stamp_ns, arrival_ns)]
        if stamp_ns is not None:
            return self._mp3.decode(stamp_ns, data.tobytes())
        began_ns = arrival_ns - duration_ns(data.tobytes())
        return self._mp3.decode(began_ns, data.tobytes(), _ARRIVAL_SLACK_NS)

    def _read(self, type_name: str, paths: list[FieldPath], message: bytes) -> list[np.ndarray]:
        found = find(type_name, paths, self._definitions, message)
        order = BYTE_ORDERS[bytes(message[:2])]
        return [_numbers(message, runs, order) for runs in found.runs]


def _raw_sound(info: AudioInfo, data: np.ndarray, stamp_ns: int | None, arrival_ns: int) -> Sound:
    """Samples as they are; without a stamp, the last has just arrived."""
    raw = _RAW.get(info.sample_format.upper())
    if info.coding.upper() not in ("", "WAVE", "RAW", "PCM") or raw is None:
        raise MessageError(
            f"sound as {brief(info.coding)} of {brief(info.sample_format)}: start its driver "
            "with format:=wave sample_format:=S16LE, or format:=mp3"
        )
    if len(data) % np.dtype(raw).itemsize:
        raise MessageError(f"{len(data)} bytes of sound are no whole samples")
    silence = 2.0**7 if raw == "u1" else 0.0
    floats = _floats(data.view(raw), silence, _FULL_SCALE[raw[-2:]])
    sound = checked_audio(stamp_ns or 0, floats, info.rate_hz, info.channels)
    if stamp_ns is not None:
        return sound
    return (arrival_ns - len(sound[1]) * NANOSECONDS // info.rate_hz, *sound[1:])


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
