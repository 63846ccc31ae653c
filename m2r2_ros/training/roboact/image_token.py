# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP's feature as M2R2's image token, which neither paper has.

M2R2 sees of each camera the newest picture alone; RoboAct-CLIP what happened in the last seconds.
A trained and exported RoboAct-CLIP stays frozen. Training sees its features in the cache of
prepared recordings; in the exported graph it comes before M2R2, so that a robot runs one encoder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.metadata import RoboActMetadata
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.inference.roboact_encoder import FRAME_FILE, state_shapes
from m2r2_ros.networks.m2r2 import M2R2, ROBOACT
from m2r2_ros.training.onnx_export import (
    check_difference,
    check_encoder,
    encoder_graph,
    open_graph,
    random_inputs,
    with_metadata,
)
from m2r2_ros.training.settings import PretrainSettings

# Keeps the names inside the two graphs apart.
_PREFIX = "roboact_"


def encoder_file(settings: PretrainSettings) -> Path | None:
    """The `encoder.onnx` of the RoboAct-CLIP that the settings name, None where they name none."""
    if settings.model.image_backbone != ROBOACT or not settings.layout.cameras:
        return None
    return Path(settings.image_weights) / ENCODER_FILE


def with_roboact(settings: PretrainSettings) -> PretrainSettings:
    """The settings with length and hash of the RoboAct-CLIP that they name, if they name one.

    Raises M2R2Error when it cannot be read, has other cameras or another rate than the layout, or
    is another one than the settings were completed with before.
    """
    path = encoder_file(settings)
    if path is None:
        return settings
    if not settings.image_weights:
        raise M2R2Error("image_backbone roboact: image_weights must name the folder of its models")
    metadata, sha256 = _read(path)
    theirs, ours = metadata.layout, settings.layout
    if (theirs.cameras, theirs.window_rate_hz) != (ours.cameras, ours.window_rate_hz):
        raise M2R2Error(
            f"{path}: sees {', '.join(theirs.cameras)} at {theirs.window_rate_hz:g} Hz, the "
            f"layout has {', '.join(ours.cameras)} at {ours.window_rate_hz:g} Hz"
        )
    if settings.model.roboact_sha256 not in ("", sha256):
        raise M2R2Error(f"{path}: is not the RoboAct-CLIP that this encoder was trained on")
    length = metadata.feature_dimension // len(theirs.cameras)
    model = replace(settings.model, roboact_length=length, roboact_sha256=sha256)
    return replace(settings, model=model)


def export_with_roboact(
    encoder: M2R2, settings: PretrainSettings, training_data: str, folder: Path
) -> float:
    """Write `encoder.onnx`, RoboAct-CLIP and M2R2 in one graph, and the `frame.onnx` it needs.

    Returns the largest difference from the two run one after the other. Raises M2R2Error when it
    is more than rounding, or the RoboAct-CLIP of the training is no longer there.
    """
    settings = with_roboact(settings)
    path = encoder_file(settings)
    metadata, _ = _read(path)
    if encoder.layout.cameras != metadata.layout.cameras:
        raise M2R2Error(f"{path}: its cameras are not those that this encoder was trained on")
    video, m2r2 = read_model(path).data, encoder_graph(encoder)
    difference = check_encoder(encoder, m2r2)
    joined = replace(
        metadata,
        layout=encoder.layout,
        feature_dimension=encoder.config.feature_dimension,
        training_data=training_data,
        image_token=True,
    )
    data = with_metadata(_merged(video, m2r2, encoder.layout.cameras), joined.to_json())
    difference = max(difference, _check(video, m2r2, data, joined))
    frame = read_model(path.parent / FRAME_FILE)
    if frame.sha256 != metadata.frame_sha256:
        raise M2R2Error(f"{frame.path}: does not belong to {path}")
    for name, content in ((FRAME_FILE, frame.data), (ENCODER_FILE, data)):
        with partial_file(folder / name) as partial:
            partial.write_bytes(content)
    return difference


def _read(path: Path) -> tuple[RoboActMetadata, str]:
    metadata = read_encoder_metadata(path)
    if not isinstance(metadata, RoboActMetadata) or metadata.image_token:
        raise M2R2Error(f"{path}: is no encoder of RoboAct-CLIP (`m2r2 export` writes one)")
    return metadata, read_model(path).sha256


def _merged(video: bytes, m2r2: bytes, cameras: tuple[str, ...]) -> bytes:
    """The video's feature, cut into the cameras' parts, as the `image_<camera>` of M2R2."""
    import onnx
    from onnx import TensorProto, compose, helper

    first, second = onnx.load_from_string(video), onnx.load_from_string(m2r2)
    images = [f"image_{name}" for name in cameras]
    graph = first.graph
    graph.node.append(
        helper.make_node("Split", ["feature"], images, axis=1, num_outputs=len(images))
    )
    (feature,) = (output for output in graph.output if output.name == "feature")
    length = feature.type.tensor_type.shape.dim[1].dim_value // len(images)
    graph.output.remove(feature)
    for name in images:
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, length]))
    first = compose.add_prefix(first, _PREFIX, rename_inputs=False, rename_outputs=False)
    pairs = [(name, name) for name in images]
    kept = [output.name for output in graph.output if output.name not in images]
    outputs = [*(output.name for output in second.graph.output), *kept]
    joined = compose.merge_models(first, second, io_map=pairs, outputs=outputs)
    return joined.SerializeToString(deterministic=True)


def _check(video: bytes, m2r2: bytes, joined: bytes, metadata: RoboActMetadata) -> float:
    """Largest difference of the joined graph's features from one graph after the other."""
    first, second, both = open_graph(video), open_graph(m2r2), open_graph(joined)
    random, cameras = np.random.default_rng(0), metadata.layout.cameras
    shapes = state_shapes(metadata)
    states = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    carried, largest = dict(states), 0.0
    others = [i.name for i in second.get_inputs() if not i.name.startswith("image_")]
    for seed in range(metadata.frames + 4):
        size = (len(cameras), metadata.embedding_dimension)
        camera = {
            "embedding": random.normal(size=size).astype(np.float32),
            "present": random.random(len(cameras)) > 0.2,
        }
        inputs = random_inputs(metadata.layout, 1, (8, 8), seed)
        inputs["mask"][0, : len(cameras)] = torch.from_numpy(camera["present"])
        inputs = {name: inputs[name].numpy() for name in others}
        feature, *after = first.run(None, camera | states)
        states = dict(zip(states, after, strict=True))
        parts = np.split(feature, len(cameras), axis=1)
        images = {f"image_{name}": part for name, part in zip(cameras, parts, strict=True)}
        (expected,) = second.run(None, images | inputs)
        names = ["feature", *(f"next_{name}" for name in carried)]
        found, *after = both.run(names, camera | inputs | carried)
        carried = dict(zip(carried, after, strict=True))
        largest = max(largest, check_difference(found, expected, "joined encoder"))
    return largest
