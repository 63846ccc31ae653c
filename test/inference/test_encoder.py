# SPDX-License-Identifier: Apache-2.0
"""The encoder: what goes into the graph, what comes out, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tiny_models import FEATURE_DIMENSION, write_encoder
from tiny_windows import random_window, without

from m2r2_ros.datasets.reassemble_rig import REASSEMBLE_LAYOUT
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.encoder_inputs import WindowPacker
from m2r2_ros.sensing.layout import SensorLayout

LAYOUTS = {
    "full": REASSEMBLE_LAYOUT,
    "no audio": replace(REASSEMBLE_LAYOUT, audio=False),
    "one signal": SensorLayout(cameras=(), audio=False, signals=("wrench",)),
    "one camera": SensorLayout(cameras=("wrist",), audio=False, signals=()),
    "30 Hz": SensorLayout(cameras=("a",), signals=("gripper", "pose"), window_rate_hz=30),
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(
        write_encoder(tmp_path_factory.mktemp("models") / "encoder.onnx", LAYOUTS["full"])
    )


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_gives_the_features_of_the_bare_graph(layout: SensorLayout, tmp_path: Path) -> None:
    """Against a right-aligned packing written out by hand."""
    path = write_encoder(tmp_path / "encoder.onnx", layout)
    window = random_window(layout, 3)
    inputs: dict[str, np.ndarray] = {"mask": np.ones((1, len(layout.modalities)), bool)}
    for name in layout.cameras:
        inputs[f"image_{name}"] = window.images[name][None]
    arrays = dict(window.signals) | ({"audio": window.audio} if layout.audio else {})
    for name, array in arrays.items():
        capacity = layout.audio_capacity if name == "audio" else layout.signal_capacity(name)
        rows = [np.zeros_like(array[:1])] * (capacity - len(array)) + [array]
        inputs[name] = np.concatenate(rows)[None]
        inputs[f"{name}_length"] = np.array([len(array)])
    (expected,) = onnxruntime.InferenceSession(path).run(None, inputs)

    encoder = Encoder(path)
    feature = encoder(window)
    assert feature.dtype == np.float32
    assert feature.shape == (FEATURE_DIMENSION,)
    np.testing.assert_array_equal(feature, expected[0])
    assert encoder.layout == layout
    assert encoder.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_window_gives_the_same_bits_whatever_came_before(encoder: Encoder) -> None:
    window = random_window(encoder.layout, 1)
    first = encoder(window)
    kept = first.copy()
    for index in range(2, 6):
        encoder(without(random_window(encoder.layout, index), "audio"))
    np.testing.assert_array_equal(encoder(window), kept)
    np.testing.assert_array_equal(first, kept)  # Features are no views of reused buffers.


@pytest.mark.parametrize("name", REASSEMBLE_LAYOUT.modalities)
def test_every_modality_counts_and_can_be_missing(encoder: Encoder, name: str) -> None:
    window = random_window(encoder.layout)
    masked = without(window, name)
    assert not np.array_equal(encoder(window), encoder(masked))
    # What a masked entry holds has no influence, nor has its presence.
    lying = replace(window, mask=window.mask | {name: False})
    np.testing.assert_array_equal(encoder(lying), encoder(masked))


def test_everything_missing_still_gives_a_feature(encoder: Encoder) -> None:
    window = random_window(encoder.layout)
    for name in encoder.layout.modalities:
        window = without(window, name)
    assert np.isfinite(encoder(window)).all()


def test_a_modality_without_samples_is_masked() -> None:
    layout = REASSEMBLE_LAYOUT
    window = replace(random_window(layout), audio=np.empty(0, np.float32))
    packed = WindowPacker(layout)([window])
    assert packed["mask"].tolist() == [[True, True, False, True, True, True, True]]
    assert packed["audio_length"] == [0]


def test_samples_are_right_aligned_and_nothing_is_left_of_the_window_before() -> None:
    layout = SensorLayout(cameras=(), audio=True, signals=("gripper",))
    pack = WindowPacker(layout)
    window = random_window(layout)
    pack([replace(window, audio=np.ones(layout.audio_capacity, np.float32))])
    packed = pack([replace(window, audio=np.array([0.25, 0.5], np.float32))])
    assert packed["audio"][0, -3:].tolist() == [0.0, 0.25, 0.5]
    assert not packed["audio"][0, :-2].any()
    assert packed["gripper_length"] == [30]
    np.testing.assert_array_equal(packed["gripper"][0, -30:], window.signals["gripper"])


def test_a_batch_agrees_with_single_windows(encoder: Encoder) -> None:
    windows = [random_window(encoder.layout, index) for index in range(5)]
    windows[2] = without(windows[2], "hama1")
    windows[3] = without(windows[3], "wrench")
    single = np.stack([encoder(window) for window in windows])
    np.testing.assert_allclose(encoder.encode_batch(windows), single, atol=1e-6)


def test_fits_no_batch_of_frames_of_several_sizes(encoder: Encoder) -> None:
    windows = [random_window(encoder.layout, index) for index in range(2)]
    windows[1].images["hama2"] = windows[1].images["hama2"][:10]
    with pytest.raises(M2R2Error, match="'hama2' has frames of several sizes"):
        encoder.encode_batch(windows)


def bad_windows() -> dict[str, tuple[object, str]]:
    window = random_window(REASSEMBLE_LAYOUT)
    mask, images, signals = window.mask, window.images, window.signals
    other = {name: value for name, value in mask.items() if name != "twist"}
    gray = {**images, "hama1": images["hama1"][..., 0]}
    real = {**images, "hama1": images["hama1"].astype(np.float32)}
    empty = {**images, "hama1": images["hama1"][:0]}
    narrow = {**signals, "wrench": signals["wrench"][:, :3]}
    long = {**signals, "wrench": np.zeros((46, 6), np.float32)}
    return {
        "another layout": (replace(window, mask=other), "has no 'twist'"),
        "gray": (replace(window, images=gray), r"frame of 'hama1' is uint8 \(24, 32\)"),
        "float": (replace(window, images=real), "frame of 'hama1' is float32"),
        "empty": (replace(window, images=empty), "frame of 'hama1'"),
        "no image": (replace(window, images={}), "no data of 'hama1'"),
        "narrow": (replace(window, signals=narrow), r"'wrench' is \(30, 3\)"),
        "too long": (replace(window, signals=long), r"takes up to \(45, 6\)"),
        "NaN": (replace(window, audio=np.full(9, np.nan, np.float32)), "NaN or inf for window 0"),
    }


@pytest.mark.parametrize(("window", "message"), bad_windows().values(), ids=bad_windows())
def test_refuses_a_window_that_does_not_fit(encoder: Encoder, window, message: str) -> None:
    with pytest.raises(M2R2Error, match=message) as refusal:
        encoder(window)
    assert "\n" not in str(refusal.value)
    assert np.isfinite(encoder(random_window(encoder.layout))).all()


def test_reports_the_providers_that_run_it(encoder: Encoder) -> None:
    assert encoder.providers[-1] == "CPUExecutionProvider"


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="a GPU may be there"
)
def test_require_gpu_refuses_the_cpu(encoder: Encoder) -> None:
    with pytest.raises(M2R2Error, match=r"encoder\.onnx: require_gpu is set.*onnxruntime-gpu"):
        Encoder(encoder.path, require_gpu=True)
