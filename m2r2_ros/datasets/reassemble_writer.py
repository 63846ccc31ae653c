# SPDX-License-Identifier: Apache-2.0
"""Write a demonstration as a REASSEMBLE HDF5 file (the grouped form)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.media import encode_audio, encode_video
from m2r2_ros.datasets.reassemble_format import (
    AUDIO_STREAMS,
    CAMERAS,
    QUATERNION_ORDER_ATTRIBUTE,
    SIGNAL_WIDTHS,
)
from m2r2_ros.datasets.recording import Action, RecordingData, SignalTrack, VideoTrack
from m2r2_ros.errors import M2R2Error, nearest_name


def write_recording(path: Path | str, data: RecordingData) -> None:
    """Write `data` to `path`, which appears only when it is complete.

    Video becomes MP4 (H.264, lossy), audio MP3 (lossy), numbers keep their floating type.
    `pose` is x, y, z, qx, qy, qz, qw. Raises M2R2Error when a stream has an unknown name, its
    lengths differ, or its times do not increase.
    """
    with partial_file(Path(path)) as temporary, h5py.File(temporary, "w") as file:
        for name, video in data.videos.items():
            _check_name("camera", name, CAMERAS)
            _write_video(file, name, video)
        for name, audio in data.audio.items():
            _check_name("audio stream", name, AUDIO_STREAMS)
            file[name] = np.void(encode_audio(audio.samples, audio.rate_hz))
        for name, signal in data.signals.items():
            _check_name("signal", name, SIGNAL_WIDTHS)
            _write_signal(file, name, signal)
        write_actions(file, data.actions)


def write_actions(file: h5py.File, actions: Sequence[Action]) -> None:
    """Write the labels, times in seconds from the recording's start."""
    for index, action in enumerate(actions):
        _write_action(file.create_group(f"segments_info/{index}"), index, action)


def _check_name(kind: str, name: str, valid: object) -> None:
    names = tuple(valid)  # type: ignore[arg-type]
    if name not in names:
        raise M2R2Error(f"REASSEMBLE has no {kind} '{name}'{nearest_name(name, names)}")


def _write_video(file: h5py.File, name: str, video: VideoTrack) -> None:
    times = _checked_times(name, video.times_s)
    rate_hz = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 30.0
    payload, count = encode_video(video.frames, rate_hz)
    if count != len(times):
        raise M2R2Error(f"camera '{name}' has {count} frames but {len(times)} timestamps")
    file[name] = np.void(payload)
    _write_numbers(file, f"timestamps/{name}", times)


def _write_signal(file: h5py.File, name: str, signal: SignalTrack) -> None:
    times, width = _checked_times(name, signal.times_s), SIGNAL_WIDTHS[name]
    values = np.asarray(signal.values)
    if values.shape != (len(times), width):
        raise M2R2Error(f"signal '{name}' is {values.shape}, expected ({len(times)}, {width})")
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    dataset = _write_numbers(file, f"robot_state/{name}", values)
    if name == "pose":
        dataset.attrs[QUATERNION_ORDER_ATTRIBUTE] = np.bytes_(b"xyzw")
    _write_numbers(file, f"timestamps/{name}", times)


def _checked_times(name: str, times_s: np.ndarray) -> np.ndarray:
    times = np.asarray(times_s, dtype=np.float64)
    if times.ndim != 1 or times.size == 0:
        raise M2R2Error(f"'{name}' needs one time a sample, got shape {times.shape}")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise M2R2Error(f"the times of '{name}' are not finite and strictly increasing")
    return times


def _write_numbers(file: h5py.File, path: str, values: np.ndarray) -> h5py.Dataset:
    return file.create_dataset(path, data=values, compression="gzip", shuffle=True)


def _write_action(group: h5py.Group, index: int, action: Action) -> None:
    group["index"] = index
    _write_span(group, action)
    for number, skill in enumerate(action.low_level):
        _write_span(group.create_group(f"low_level/{number}"), skill)


def _write_span(group: h5py.Group, span) -> None:
    group["start"] = float(span.start_s)
    group["end"] = float(span.end_s)
    group["success"] = bool(span.success)
    group["text"] = np.bytes_(span.text.encode())
