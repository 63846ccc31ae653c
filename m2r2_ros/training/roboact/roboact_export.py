# SPDX-License-Identifier: Apache-2.0
"""RoboAct-CLIP as a models folder (docs/architecture.md), its graphs checked against torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.descriptions import clip_sentence
from m2r2_ros.errors import M2R2Error, brief
from m2r2_ros.inference.metadata import RoboActMetadata
from m2r2_ros.inference.models import ENCODER_FILE
from m2r2_ros.inference.roboact_encoder import FRAME_FILE, state_shapes
from m2r2_ros.inference.text_features import SENTENCES_FILE, TEXT_FILE, TOKENIZER_FILE
from m2r2_ros.networks.roboact.streaming_window import StreamingWindow
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.onnx_export import check_difference, open_graph, traced, with_metadata
from m2r2_ros.training.roboact.frame_graph import check_frame, frame_graph
from m2r2_ros.training.roboact.roboact_pretraining import RoboActPretraining
from m2r2_ros.training.roboact.trained import TrainedRoboAct
from m2r2_ros.training.sentence_encoder import SentenceEncoder


class _TextGraph(nn.Module):
    """Token ids to F_text, equations (1) and (2)."""

    def __init__(self, module: RoboActPretraining, texts: SentenceEncoder) -> None:
        super().__init__()
        self.branches, self.model = module.text, texts.model
        self._embed_tokens = texts.embed_tokens

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.branches(self._embed_tokens(input_ids, attention_mask))


def export_roboact(trained: TrainedRoboAct, folder: Path, strides: Sequence[int]) -> float:
    """Write the models folder; returns the largest difference of its graphs from torch.

    `encoder.onnx` is written last: it names the frame.onnx that belongs to it. Raises M2R2Error
    when a difference is more than rounding.
    """
    graphs, difference = video_graphs(trained, strides)
    text = text_graph(trained)
    difference = max(difference, check_text(trained, text))
    _write(folder / TEXT_FILE, text)
    _write(folder / TOKENIZER_FILE, trained.texts.tokenizer.backend_tokenizer.to_str().encode())
    _write_sentences(trained, folder / SENTENCES_FILE)
    for name in (FRAME_FILE, ENCODER_FILE):
        _write(folder / name, graphs[name])
    return difference


def video_graphs(trained: TrainedRoboAct, strides: Sequence[int]) -> tuple[dict[str, bytes], float]:
    """`frame.onnx` and `encoder.onnx`, and their largest difference from torch.

    Raises M2R2Error when a difference is more than rounding.
    """
    if not strides or min(strides) < 1:
        raise M2R2Error(f"strides must be whole numbers of at least 1, got {brief(list(strides))}")
    frame = frame_graph(trained.frames)
    window, metadata = window_graph(trained, strides, hashlib.sha256(frame).hexdigest())
    difference = max(check_frame(trained.frames, frame), check_window(trained, window, metadata))
    return {FRAME_FILE: frame, ENCODER_FILE: window}, difference


def window_graph(
    trained: TrainedRoboAct, strides: Sequence[int], frame_sha256: str
) -> tuple[bytes, RoboActMetadata]:
    """`StreamingWindow` with its metadata."""
    settings = trained.settings
    layout = SensorLayout(
        settings.cameras, audio=False, signals=(), window_rate_hz=settings.frame_rate_hz
    )
    blocks = len(layout.cameras) * len(strides)
    side = trained.frames.image_size
    metadata = RoboActMetadata(
        layout,
        blocks * settings.model.feature_dimension,
        (side, side),
        trained.training_data,
        trained.frames.dimension,
        settings.model.frames,
        tuple(strides),
        settings.temperature,
        frame_sha256,
    )
    states = {name: torch.zeros(shape) for name, shape in state_shapes(metadata).items()}
    embedding = torch.randn(len(layout.cameras), trained.frames.dimension)
    present = torch.ones(len(layout.cameras), dtype=torch.bool)
    data = traced(
        StreamingWindow(trained.module.video, strides),
        (embedding, present, *states.values()),
        {"embedding": {}, "present": {}, "past": {}, "there": {}},
        ["embedding", "present", *states],
        ["feature", *(f"next_{name}" for name in states)],
    )
    return with_metadata(data, metadata.to_json()), metadata


def text_graph(trained: TrainedRoboAct) -> bytes:
    """input_ids, attention_mask int64 (B, L) -> text float32 (B, 3 width), F_text."""
    tokens = trained.texts.tokenizer(
        ["Robot tighten cap.", "Robot wipe the wide table."], padding=True, return_tensors="pt"
    )
    sides = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", min=2, max=77)}
    names = ["input_ids", "attention_mask"]
    example = tuple(tokens[name] for name in names)
    graph = _TextGraph(trained.module, trained.texts)
    return traced(graph, example, dict.fromkeys(names, sides), names, ["text"])


def check_window(trained: TrainedRoboAct, data: bytes, metadata: RoboActMetadata) -> float:
    """Largest difference of the graph's features from torch, over a stream with holes."""
    session, largest = open_graph(data), 0.0
    window = StreamingWindow(trained.module.video, metadata.strides).eval()
    names = list(state_shapes(metadata))
    states = [torch.zeros(shape) for shape in state_shapes(metadata).values()]
    feeds = {name: state.numpy() for name, state in zip(names, states, strict=True)}
    random = torch.Generator().manual_seed(0)
    cameras = len(metadata.layout.cameras)
    for _ in range(metadata.frames + 4):
        noise = torch.randn(cameras, metadata.embedding_dimension, generator=random)
        embedding = trained.module.video.mean + noise * trained.module.video.std
        present = torch.rand(cameras, generator=random) > 0.2
        with torch.no_grad():
            expected, *states = window(embedding, present, *states)
        feeds |= {"embedding": embedding.numpy(), "present": present.numpy()}
        found, *carried = session.run(None, feeds)
        feeds |= dict(zip(names, carried, strict=True))
        largest = max(largest, check_difference(found, expected.numpy(), "window encoder"))
    return largest


def check_text(trained: TrainedRoboAct, data: bytes) -> float:
    """Largest difference over sentences of several lengths."""
    session, largest = open_graph(data), 0.0
    for sentence in ("Wipe.", *_sentences(trained)[:5]):
        with torch.no_grad():
            expected = trained.module.text_features([sentence]).numpy()
        tokens = trained.texts.tokenizer([sentence], return_tensors="np")
        feeds = {name: tokens[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
        found = session.run(None, feeds)[0]
        largest = max(largest, check_difference(found, expected, "text encoder"))
    return largest


@torch.no_grad()
def _write_sentences(trained: TrainedRoboAct, path: Path) -> None:
    """Every action with every object, seen together or not."""
    sentences = _sentences(trained)
    features = trained.module.text_features(sentences).numpy()
    with partial_file(path) as partial, partial.open("wb") as file:
        np.savez(file, sentences=np.array(sentences), features=features)


def _sentences(trained: TrainedRoboAct) -> list[str]:
    classes = trained.module.vocabulary.classes
    return [
        clip_sentence(*row)
        for row in product(classes["subject"], classes["action"], classes["object"])
    ]


def _write(path: Path, data: bytes) -> None:
    with partial_file(path) as partial:
        partial.write_bytes(data)
