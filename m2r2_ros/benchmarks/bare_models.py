# SPDX-License-Identifier: Apache-2.0
"""The two graphs without anything of ours around them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from m2r2_ros.inference.encoder_inputs import WindowPacker
from m2r2_ros.inference.metadata import METADATA_KEY, EncoderMetadata, HeadMetadata
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import ENCODER_FILE, HEAD_FILE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.inference.session import open_session
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.sensing.window import SensorWindow

# As the cameras of the load.
FRAME_SHAPE = (480, 640, 3)
_ENCODER_THREADS, _HEAD_THREADS = 2, 1


def one_window(models: Path) -> tuple[SensorWindow, SensorLayout]:
    """A full window of noise for the encoder of `models`."""
    layout = read_encoder_metadata(models / ENCODER_FILE).layout
    random = np.random.default_rng(0)
    samples = round(layout.audio_rate_hz * layout.period_ns / 1e9) if layout.audio else 0
    return SensorWindow(
        index=0,
        start_ns=0,
        end_ns=layout.period_ns,
        images={n: random.integers(0, 256, FRAME_SHAPE, np.uint8) for n in layout.cameras},
        audio=random.normal(0, 0.1, samples).astype(np.float32),
        signals={
            name: random.normal(0, 1, layout.nominal_shape(name)).astype(np.float32)
            for name in layout.signals
        },
        mask=dict.fromkeys(layout.modalities, True),
    ), layout


def bare_calls(
    models: Path, window: SensorWindow
) -> tuple[Callable[[], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """One onnxruntime call each: the encoder on `window`, and the head on a feature."""
    encoder = read_model(models / ENCODER_FILE)
    encoding = open_session(encoder, _ENCODER_THREADS)
    text = encoding.get_modelmeta().custom_metadata_map[METADATA_KEY]
    layout = EncoderMetadata.from_json(text, encoder.path).layout
    inputs = WindowPacker(layout)([window])
    head = read_model(models / HEAD_FILE)
    heading = open_session(head, _HEAD_THREADS, allow_gpu=False)
    metadata = HeadMetadata.from_json(
        heading.get_modelmeta().custom_metadata_map[METADATA_KEY], head.path
    )
    states = {name: np.zeros(shape, np.float32) for name, shape in metadata.states.items()}
    return (
        lambda: encoding.run(["feature"], inputs)[0],
        lambda feature: heading.run(None, {"features": feature[np.newaxis], **states})[0],
    )
