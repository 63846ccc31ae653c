# SPDX-License-Identifier: Apache-2.0
import hashlib

import numpy as np
import onnx
import pytest
import torch
from synthetic import make_window

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder import Encoder
from m2r2_ros.inference.encoder_inputs import WindowPacker
from m2r2_ros.inference.models import Models
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.labels import legacy_vocabulary
from m2r2_ros.networks.heads.causal import CausalConfig, CausalHead
from m2r2_ros.networks.m2r2 import M2R2, M2R2Config
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training import onnx_export

LAYOUT = SensorLayout(cameras=("left", "right"), signals=("wrench", "gripper"))
TINY = M2R2Config(
    feature_dimension=8, image_size=32, image_stages=2, image_cells=2, audio_width=8, heads=2
)
LABELS = ("No action", "Pick USB", "Insert USB")
VOCABULARY = legacy_vocabulary(LABELS)


@pytest.fixture(scope="module")
def networks() -> tuple[M2R2, CausalHead]:
    torch.manual_seed(0)
    head = CausalHead(8, len(LABELS), CausalConfig(channels=6, layers=3))
    return M2R2(LAYOUT, TINY).eval(), head.eval()


@pytest.fixture(scope="module")
def folder(networks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    encoder, head = networks
    onnx_export.export_encoder(encoder, folder / "encoder.onnx", "made up")
    digest = hashlib.sha256((folder / "encoder.onnx").read_bytes()).hexdigest()
    tracker = TrackerConfig(confirm_s=0.7)
    onnx_export.export_head(head, folder / "head.onnx", VOCABULARY, digest, tracker, "made up")
    return folder


def test_the_pair_runs_as_the_nodes_run_it(networks, folder):
    models = Models.load(folder)
    assert models.encoder.layout == LAYOUT
    assert models.head.labels == LABELS
    assert models.head.metadata.tracker.confirm_s == 0.7
    encoder, head = networks
    windows = [make_window(LAYOUT, i, np.random.default_rng(i)) for i in range(4)]
    pack = WindowPacker(LAYOUT)
    states = head.zero_states()
    for window in windows:
        feature = models.encoder(window)
        inputs = {name: torch.from_numpy(value) for name, value in pack([window]).items()}
        with torch.no_grad():
            expected = encoder(inputs)
            probabilities, boundary, states = head.predict(expected[:, None], states)
        np.testing.assert_allclose(feature, expected[0], atol=1e-4)
        found, found_boundary = models.head.step(feature)
        np.testing.assert_allclose(found, probabilities[0, 0], atol=1e-4)
        assert found_boundary == pytest.approx(boundary.item(), abs=1e-4)


def test_the_files_are_self_contained(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["encoder.onnx", "head.onnx"]


def test_a_graph_that_differs_from_torch_is_refused(networks, folder):
    _, head = networks
    torch.manual_seed(1)
    with pytest.raises(M2R2Error, match="exported encoder differs from torch"):
        onnx_export.check_encoder(M2R2(LAYOUT, TINY).eval(), (folder / "encoder.onnx").read_bytes())
    other = CausalHead(8, len(LABELS), head.config).eval()
    with pytest.raises(M2R2Error, match="exported head differs from torch"):
        onnx_export.check_head(other, (folder / "head.onnx").read_bytes())


def test_nan_does_not_pass_for_agreement():
    nothing = np.zeros(3, np.float32)
    with pytest.raises(M2R2Error, match="differs"):
        onnx_export.check_difference(np.full(3, np.nan, np.float32), nothing, "encoder")


def test_half_precision_halves_the_weights_and_agrees_on_a_cpu(networks, folder, tmp_path):
    encoder, _ = networks
    file = tmp_path / "encoder.onnx"
    difference = onnx_export.export_encoder(encoder, file, "made up", "float16")
    assert 0 < difference <= onnx_export.TOLERANCES["float16"]
    assert encoder.missing.dtype == torch.float32, "the encoder itself is left as it is"
    window = make_window(LAYOUT, 0, np.random.default_rng(0))
    found, expected = Encoder(file)(window), Encoder(folder / "encoder.onnx")(window)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=onnx_export.TOLERANCES["float16"])
    stored = onnx.load(file).graph.initializer
    kinds = {t.data_type for t in stored if "modality_transformer" in t.name}
    assert kinds == {onnx.TensorProto.FLOAT16}
