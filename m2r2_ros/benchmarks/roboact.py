# SPDX-License-Identifier: Apache-2.0
"""What a new camera frame costs RoboAct-CLIP: embeddings kept, or every frame embedded again.

The reference does what the paper's model does on a stream: all sixteen frames of the window go
through the visual encoder for every new one. With a models folder of another kind, the graphs of
an untrained, compact RoboAct are measured: the cost does not depend on what was learned.
`roboact_vit` measures one of the paper's size.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2r2_ros.benchmarks.comparison import compare, cpu_seconds_of
from m2r2_ros.benchmarks.options import Options
from m2r2_ros.inference.metadata import RoboActMetadata
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.inference.roboact_encoder import RoboActEncoder
from m2r2_ros.sensing.window import SensorWindow

if TYPE_CHECKING:
    from m2r2_ros.networks.roboact.config import RoboActConfig
    from m2r2_ros.networks.roboact.frames import FrameEncoder

HEIGHT, WIDTH = 240, 320
# New frames in one measurement.
FRAMES = 10


def run(options: Options) -> dict[str, Any]:
    """CPU seconds for `FRAMES` new frames of every camera, ours and the naive way."""
    folder = options.models
    if not isinstance(read_encoder_metadata(folder / ENCODER_FILE), RoboActMetadata):
        # Late: only this needs torch.
        from m2r2_ros.networks.roboact.config import RoboActConfig
        from m2r2_ros.networks.roboact.frames import COMPACT, frame_encoder

        folder = options.logs / "roboact"
        write_untrained(folder, frame_encoder(COMPACT), RoboActConfig())
    return measure(folder, FRAMES, options.repetitions)


def measure(folder: Path, count: int, repetitions: int) -> dict[str, Any]:
    """CPU seconds for `count` new frames with the RoboAct encoder in `folder`, and the ratio."""
    encoder = RoboActEncoder(folder / ENCODER_FILE)
    frames = encoder.metadata.frames
    windows = [_window(encoder, index) for index in range(count)]

    def cached() -> None:
        encoder.reset()
        for window in windows:
            encoder(window)

    def naive() -> None:
        for window in windows:
            # The other frames of the window once more, then the new one and the transformer.
            for image in window.images.values():
                for _ in range(frames - 1):
                    encoder.embed(image[np.newaxis])
            encoder(window)

    found = compare(cpu_seconds_of(cached), cpu_seconds_of(naive), repetitions)
    return found | {"frames in a window": frames, "new frames": count}


def _window(encoder: RoboActEncoder, index: int) -> SensorWindow:
    random, period_ns = np.random.default_rng(index), encoder.layout.period_ns
    return SensorWindow(
        index=index,
        start_ns=index * period_ns,
        end_ns=(index + 1) * period_ns,
        images={
            name: random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            for name in encoder.layout.cameras
        },
        audio=np.empty(0, np.float32),
        signals={},
        mask=dict.fromkeys(encoder.layout.cameras, True),
    )


def write_untrained(folder: Path, frames: FrameEncoder, model: RoboActConfig) -> None:
    """The graphs of features that nothing was learned for, one camera, a stride of 3."""
    from m2r2_ros.networks.roboact.frames import COMPACT
    from m2r2_ros.training.roboact import roboact_pretraining
    from m2r2_ros.training.roboact.roboact_export import video_graphs
    from m2r2_ros.training.roboact.roboact_settings import RoboActSettings
    from m2r2_ros.training.roboact.sampling import FactorClasses
    from m2r2_ros.training.roboact.text_encoder import text_encoder
    from m2r2_ros.training.roboact.trained import TrainedRoboAct

    settings, texts = RoboActSettings(cameras=("hama1",), model=model), text_encoder(COMPACT)
    vocabulary = FactorClasses({"subject": ("Robot",), "object": ("USB",), "action": ("pick",)})
    module = roboact_pretraining.build(settings, frames.dimension, texts, vocabulary).eval()
    trained = TrainedRoboAct(module, frames, texts, "none: untrained")
    graphs, _ = video_graphs(trained, (3,))
    folder.mkdir(parents=True)
    for name, data in graphs.items():
        (folder / name).write_bytes(data)
