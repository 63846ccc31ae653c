# SPDX-License-Identifier: Apache-2.0
"""The frozen frame encoder as an ONNX graph: the same one embeds videos for training, on a CPU
several times faster than torch, and new frames on the robot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.networks.roboact.frames import FrameEncoder
from m2r2_ros.training.onnx_export import check_difference, open_graph, traced


def frame_graph(encoder: FrameEncoder) -> bytes:
    """image uint8 (B, H, W, 3) of any size -> frame_embedding float32 (B, d), equation (3)."""
    example = torch.randint(0, 256, (2, 48, 64, 3), dtype=torch.uint8)
    sides = {1: torch.export.Dim("height"), 2: torch.export.Dim("width")}
    shapes = {"images": {0: torch.export.Dim("batch"), **sides}}
    return traced(encoder, (example,), shapes, ["image"], ["frame_embedding"])


def check_frame(encoder: FrameEncoder, data: bytes) -> float:
    """Largest difference over picture sizes, relative to the largest number of an embedding.

    Raises M2R2Error when it is more than rounding.
    """
    session, largest = open_graph(data), 0.0
    random = np.random.default_rng(0)
    for shape in ((1, 1, 1, 3), (1, 96, 128, 3), (2, 240, 320, 3)):
        images = random.integers(0, 256, shape, dtype=np.uint8)
        with torch.no_grad():
            expected = encoder(torch.from_numpy(images)).numpy()
        scale = max(1.0, float(np.abs(expected).max()))
        found = session.run(None, {"image": images})[0]
        largest = max(largest, check_difference(found / scale, expected / scale, "frame encoder"))
    return largest


def write_frame_graph(encoder: FrameEncoder, path: Path) -> None:
    """Write the graph where it is not there yet. Raises M2R2Error as `check_frame` does."""
    if not path.is_file():
        data = frame_graph(encoder)
        check_frame(encoder, data)
        with partial_file(path) as partial:
            partial.write_bytes(data)
