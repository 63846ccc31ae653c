# SPDX-License-Identifier: Apache-2.0
"""All messages that this package makes or reads, as `x_to_ros` and `x_from_ros` pairs.

Sensor messages from elsewhere are read from their serialised bytes: `m2r2_ros.messages`.
Every `x_from_ros` raises M2R2Error when the message contradicts itself.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from builtin_interfaces.msg import Duration as RosDuration
from builtin_interfaces.msg import Time as RosTime
from sensor_msgs.msg import Image as RosImage
from std_msgs.msg import Header as RosHeader

from m2r2_msgs.msg import ActionSegment as RosActionSegment
from m2r2_msgs.msg import AudioChunk as RosAudioChunk
from m2r2_msgs.msg import FeatureVector as RosFeatureVector
from m2r2_msgs.msg import FramePrediction as RosFramePrediction
from m2r2_msgs.msg import SensorSignal as RosSensorSignal
from m2r2_msgs.msg import SensorWindow as RosSensorWindow
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.segment_events import (
    ActionOutcome,
    FramePrediction,
    SegmentEvent,
    SegmentStatus,
)
from m2r2_ros.inference.window_feature import WindowFeature
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow

_IMAGE_ENCODING = "rgb8"
# Fields of SegmentEvent that ActionSegment has under the same name and in the same form.
_SAME = tuple(
    entry.name
    for entry in fields(SegmentEvent)
    if entry.name not in ("stamp_ns", "status", "start_ns", "end_ns", "outcome", "progress")
)


def time_to_ros(time_ns: int) -> RosTime:
    """Nanoseconds since the epoch as a message."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return RosTime(sec=seconds, nanosec=nanoseconds)


def time_from_ros(time: RosTime) -> int:
    """The inverse of `time_to_ros`."""
    return time.sec * 1_000_000_000 + time.nanosec


def duration_from_ros(duration: RosDuration) -> int:
    """Nanoseconds, also of a negative one."""
    return duration.sec * 1_000_000_000 + duration.nanosec


def header_to_ros(stamp_ns: int, frame_id: str = "") -> RosHeader:
    """A header stamped `stamp_ns`."""
    return RosHeader(stamp=time_to_ros(stamp_ns), frame_id=frame_id)


def image_to_ros(image: np.ndarray, stamp_ns: int, camera: str) -> RosImage:
    """uint8 (H, W, 3) RGB as rgb8."""
    height, width = image.shape[:2]
    message = RosImage(height=height, width=width, step=3 * width, encoding=_IMAGE_ENCODING)
    message.header = header_to_ros(stamp_ns, camera)
    # An array is taken as it is; bytes or a list would be checked number by number.
    message.data = array("B", image.tobytes())
    return message


def image_from_ros(message: RosImage) -> np.ndarray:
    """uint8 (H, W, 3) RGB of an rgb8 image."""
    shape = (message.height, message.width, 3)
    if message.encoding != _IMAGE_ENCODING or len(message.data) != np.prod(shape):
        raise M2R2Error(
            f"an image in a window is '{message.encoding}' with {len(message.data)} bytes, "
            f"not {_IMAGE_ENCODING} of {message.height} x {message.width}"
        )
    return np.frombuffer(message.data, np.uint8).reshape(shape)


def window_to_ros(window: SensorWindow, layout: SensorLayout) -> RosSensorWindow:
    """A window with its modalities in the layout's token order."""
    return RosSensorWindow(
        header=header_to_ros(window.end_ns),
        start=time_to_ros(window.start_ns),
        index=window.index,
        modalities=list(layout.modalities),
        mask=[window.mask[name] for name in layout.modalities],
        cameras=list(window.images),
        images=[image_to_ros(im, window.end_ns, name) for name, im in window.images.items()],
        audio=_floats_to_ros(window.audio),
        audio_rate=layout.audio_rate_hz,
        signals=[
            RosSensorSignal(name=name, dimension=rows.shape[1], values=_floats_to_ros(rows))
            for name, rows in window.signals.items()
        ],
    )


def window_from_ros(message: RosSensorWindow, layout: SensorLayout) -> SensorWindow:
    """The inverse of `window_to_ros`, for the same layout."""
    if tuple(message.modalities) != layout.modalities or message.audio_rate != layout.audio_rate_hz:
        raise M2R2Error(
            f"a window of another sensor layout: {', '.join(message.modalities)} with audio at "
            f"{message.audio_rate} Hz, the encoder takes {', '.join(layout.modalities)} with "
            f"audio at {layout.audio_rate_hz} Hz"
        )
    if len(message.mask) != len(message.modalities) or len(message.images) != len(message.cameras):
        raise M2R2Error(f"window {message.index} has lists that should be parallel but are not")
    return SensorWindow(
        index=message.index,
        start_ns=time_from_ros(message.start),
        end_ns=time_from_ros(message.header.stamp),
        images=dict(zip(message.cameras, map(image_from_ros, message.images), strict=True)),
        audio=_floats_from_ros(message.audio),
        signals={signal.name: _signal_from_ros(signal) for signal in message.signals},
        mask=dict(zip(message.modalities, map(bool, message.mask), strict=True)),
    )


def _signal_from_ros(signal: RosSensorSignal) -> np.ndarray:
    values = _floats_from_ros(signal.values)
    if not signal.dimension or len(values) % signal.dimension:
        raise M2R2Error(
            f"signal '{signal.name}' in a window has {len(values)} values of dimension "
            f"{signal.dimension}"
        )
    return values.reshape(-1, signal.dimension)


def feature_to_ros(feature: WindowFeature) -> RosFeatureVector:
    """The feature of a window."""
    return RosFeatureVector(
        header=header_to_ros(feature.end_ns),
        start=time_to_ros(feature.start_ns),
        index=feature.index,
        values=_floats_to_ros(feature.values),
        encoder=feature.encoder_sha256,
        mask=list(feature.mask),
    )


def feature_from_ros(message: RosFeatureVector) -> WindowFeature:
    """The inverse of `feature_to_ros`."""
    return WindowFeature(
        index=message.index,
        start_ns=time_from_ros(message.start),
        end_ns=time_from_ros(message.header.stamp),
        values=_floats_from_ros(message.values),
        encoder_sha256=message.encoder,
        mask=tuple(map(bool, message.mask)),
    )


def prediction_to_ros(frame: FramePrediction, labels: Sequence[str]) -> RosFramePrediction:
    """The head's answer, with the most probable of `labels` spelled out."""
    best = int(frame.probabilities.argmax())
    return RosFramePrediction(
        header=header_to_ros(frame.stamp_ns),
        index=frame.index,
        probabilities=_floats_to_ros(frame.probabilities),
        boundary_probability=frame.boundary,
        class_id=best,
        label=labels[best],
        confidence=float(frame.probabilities[best]),
    )


def prediction_from_ros(message: RosFramePrediction) -> FramePrediction:
    """The inverse of `prediction_to_ros`."""
    return FramePrediction(
        index=message.index,
        stamp_ns=time_from_ros(message.header.stamp),
        probabilities=_floats_from_ros(message.probabilities),
        boundary=message.boundary_probability,
    )


def event_to_ros(event: SegmentEvent) -> RosActionSegment:
    """One event of one segment."""
    return RosActionSegment(
        header=header_to_ros(event.stamp_ns),
        status=int(event.status),
        start_time=time_to_ros(event.start_ns),
        end_time=time_to_ros(event.end_ns),
        outcome=int(event.outcome),
        progress=math.nan if event.progress is None else event.progress,
        **{name: getattr(event, name) for name in _SAME},
    )


def event_from_ros(message: RosActionSegment) -> SegmentEvent:
    """The inverse of `event_to_ros`, with shares rounded to float32."""
    try:
        status, outcome = SegmentStatus(message.status), ActionOutcome(message.outcome)
    except ValueError as error:
        raise M2R2Error(
            f"segment {message.segment_id} has status {message.status}, outcome {message.outcome}"
        ) from error
    return SegmentEvent(
        stamp_ns=time_from_ros(message.header.stamp),
        status=status,
        start_ns=time_from_ros(message.start_time),
        end_ns=time_from_ros(message.end_time),
        outcome=outcome,
        progress=None if math.isnan(message.progress) else message.progress,
        **{name: getattr(message, name) for name in _SAME},
    )


def audio_to_ros(samples: np.ndarray, rate_hz: int, stamp_ns: int, frame_id: str) -> RosAudioChunk:
    """Samples float32 (N, channels) in [-1, 1], the first one taken at `stamp_ns`."""
    return RosAudioChunk(
        header=header_to_ros(stamp_ns, frame_id),
        sample_rate=rate_hz,
        channels=samples.shape[1],
        samples=_floats_to_ros(samples),
    )


def _floats_to_ros(values: np.ndarray) -> array[float]:
    return array("f", np.ascontiguousarray(values, np.float32).tobytes())


def _floats_from_ros(values: Sequence[float]) -> np.ndarray:
    return np.array(values, np.float32)
