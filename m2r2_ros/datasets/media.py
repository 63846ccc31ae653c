# SPDX-License-Identifier: Apache-2.0
"""MP4 and MP3 payloads in memory, through PyAV, within stated limits."""

from __future__ import annotations

import io
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import numpy as np

from m2r2_ros.errors import M2R2Error
from m2r2_ros.messages.av_frames import CONVERSION

# What a file may make us allocate: one 4096 x 4096 picture, ten hours of video at 30 Hz, four
# hours of stereo audio at 48 kHz.
MAX_PIXELS = 4096 * 4096
MAX_FRAMES = 10 * 3600 * 30
MAX_AUDIO_VALUES = 4 * 3600 * 48_000 * 2

# With AVX-512, x264 reads memory that it never wrote when it spreads bits over the last blocks of a
# picture: the same frames would give other bytes now and then. Older instructions do not.
_X86 = platform.machine().lower() in ("x86_64", "amd64")
REPEATABLE = {"x264-params": "asm=SSE4.2"} if _X86 else {}

MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
MP3_BITS_PER_CHANNEL = 64_000


class MediaError(M2R2Error):
    """A payload that cannot be decoded, encoded, or is larger than the limits."""


def encode_video(frames: Iterable[np.ndarray], rate_hz: float) -> tuple[bytes, int]:
    """Encode RGB frames uint8 (H, W, 3) as H.264 in MP4; return the bytes and the frame count.

    One thread and no B-frames: the same frames give the same bytes, and decode in order.
    Raises MediaError when there is no frame or the frames differ in shape.
    """
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise MediaError("a video needs at least one frame")
    height, width = first.shape[:2]
    # 4:2:0 chroma needs even sides.
    pixel_format = "yuv420p" if height % 2 == 0 and width % 2 == 0 else "yuv444p"
    rate = Fraction(rate_hz).limit_denominator(1000)
    buffer, count = io.BytesIO(), 0
    with av.open(buffer, "w", format="mp4") as container:
        options = {"preset": "veryfast", "crf": "23", "bf": "0", "threads": "1", **REPEATABLE}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = 1 / rate
        for count, image in enumerate(chain([first], iterator), start=1):
            if image.shape != first.shape or image.dtype != np.uint8 or image.ndim != 3:
                raise MediaError(f"frame {count - 1} is {image.dtype} {image.shape}, not RGB uint8")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            # Converted here by one thread: the encoder would have several do it, slice by slice.
            frame = frame.reformat(format=pixel_format, **CONVERSION)
            frame.pts, frame.time_base = count - 1, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue(), count


def encode_audio(samples: np.ndarray, rate_hz: int) -> bytes:
    """Encode samples float32 (N, 1 or 2) in [-1, 1] as MP3.

    The encoder's delay is written into the file, so that decoded sample 0 is sample 0 again.
    Raises MediaError on a rate or channel count that MP3 does not have.
    """
    if rate_hz not in MP3_RATES_HZ:
        raise MediaError(f"MP3 has no sample rate {rate_hz} Hz; use one of {MP3_RATES_HZ}")
    if samples.ndim != 2 or samples.shape[1] not in (1, 2):
        raise MediaError(f"MP3 takes samples (N, 1) or (N, 2), got {samples.shape}")
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=rate_hz, layout=layout)
        stream.bit_rate = MP3_BITS_PER_CHANNEL * samples.shape[1]
        planes = np.ascontiguousarray(samples.T, dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@contextmanager
def open_media(payload: bytes, kind: str, formats: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """Container and first `kind` stream; every libav problem becomes a MediaError."""
    try:
        with av.open(io.BytesIO(payload)) as container:
            if not set(container.format.name.split(",")) & set(formats):
                raise MediaError(f"{kind} payload is {container.format.name}, not {formats[0]}")
            streams = [stream for stream in container.streams if stream.type == kind]
            if not streams:
                raise MediaError(f"payload has no {kind} stream")
            if streams[0].codec_context is None:
                raise MediaError(f"payload's {kind} has an unknown codec")
            yield container, streams[0]
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"cannot decode {kind}: {error}") from error


def decode_video(payload: bytes) -> Iterator[av.VideoFrame]:
    """Yield the frames of an MP4 in order; `av_frames.rgb` makes an array of one that is wanted.

    Raises MediaError on a payload that is no MP4, is damaged, or exceeds the limits.
    """
    with open_media(payload, "video", ("mp4",)) as (container, stream):
        stream.thread_type = "AUTO"
        check_video_size(stream.width, stream.height)
        for count, frame in enumerate(container.decode(stream)):
            check_video_size(frame.width, frame.height)
            if count == MAX_FRAMES:
                raise MediaError(f"video has more than {MAX_FRAMES} frames")
            yield frame


def encode_png(picture: np.ndarray) -> bytes:
    """Encode uint8 (H, W, 3) RGB as PNG, without loss, for speed rather than size.

    Half the time of Pillow's encoder, and just as small.
    """
    codec = av.CodecContext.create("png", "w")
    codec.height, codec.width = picture.shape[:2]
    codec.pix_fmt, codec.time_base = "rgb24", Fraction(1)
    codec.options = {"compression_level": "1", "pred": "up"}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def decode_audio(payload: bytes) -> tuple[np.ndarray, int]:
    """Decode an MP3 into samples float32 (N, channels) and the sample rate in Hz.

    Encoder and decoder delay are cut off where the file states them (LAME tag): sample 0 is
    time 0. Raises MediaError as `decode_video` does.
    """
    blocks: list[np.ndarray] = []
    values = 0
    with open_media(payload, "audio", ("mp3",)) as (container, stream):
        rate, channels = stream.rate, stream.channels
        resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
        for frame in container.decode(stream):
            if (frame.sample_rate, frame.layout.nb_channels) != (rate, channels):
                raise MediaError("audio changes its rate or channels in the middle")
            blocks += [block.to_ndarray().T for block in resampler.resample(frame)]
            values += frame.samples * channels
            if values > MAX_AUDIO_VALUES:
                raise MediaError(f"audio has more than {MAX_AUDIO_VALUES} values")
    if not blocks:
        raise MediaError("audio payload holds no samples")
    return np.ascontiguousarray(np.concatenate(blocks), dtype=np.float32), rate


def check_video_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise MediaError(f"video is {width} x {height}; the limit is {MAX_PIXELS} pixels")
