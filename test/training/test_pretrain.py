# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from synthetic import LABELS, make_window, read_synthetic
from tiny_sentences import write_sentence_encoder

from m2r2_ros.errors import M2R2Error
from m2r2_ros.networks.m2r2 import M2R2Config
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training import cache, pretrain
from m2r2_ros.training.run import Run, best_weights
from m2r2_ros.training.sentence_encoder import SentenceEncoder
from m2r2_ros.training.settings import OptimiserSettings, PretrainSettings, WindowSettings

LAYOUT = SensorLayout(cameras=("hama1",), signals=("wrench", "gripper"))
TINY = M2R2Config(
    feature_dimension=8, image_size=32, image_stages=2, image_cells=2, audio_width=8, heads=2
)


@pytest.fixture(scope="module")
def sentence_encoder(tmp_path_factory) -> str:
    return write_sentence_encoder(tmp_path_factory.mktemp("sentences") / "bert")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("recordings")
    paths = [folder / f"{seed}.h5" for seed in range(4)]
    for path in paths:
        path.touch()
    return paths


def settings(sentence_encoder: str, **changes) -> PretrainSettings:
    values = {
        "layout": LAYOUT,
        "model": TINY,
        "window": WindowSettings(samples=20, padding=6),
        "optimiser": OptimiserSettings(epochs=2, batch_size=10, learning_rate=3e-3),
        "fusion_layers": 1,
        "imagenet": False,
        "sentence_encoder": sentence_encoder,
        "validation": 0.25,
    }
    return PretrainSettings(**values | changes)


def metrics(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_killed_run_goes_on_to_the_same_losses(
    sentence_encoder, recordings, tmp_path, monkeypatch
):
    chosen = settings(sentence_encoder)
    start = (recordings, chosen, tmp_path / "cache")

    def run(name):
        pretrain.pretrain(start[0], tmp_path / name, start[1], read_synthetic, start[2])

    run("straight")
    save = Run.save

    def save_and_die(self, epoch, *rest):
        save(self, epoch, *rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Run, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            run("killed")
    assert len(metrics(tmp_path / "killed")) == 1
    run("killed")
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "straight")
    checkpoints = [
        load_file(tmp_path / n / "checkpoint.safetensors") for n in ("killed", "straight")
    ]
    for name, value in checkpoints[0].items():
        assert torch.equal(value, checkpoints[1][name]), name


def test_training_lowers_the_loss(sentence_encoder, recordings, tmp_path):
    optimiser = OptimiserSettings(epochs=8, batch_size=5, learning_rate=3e-3)
    chosen = settings(sentence_encoder, optimiser=optimiser, frame_class_weight=1.0)
    pretrain.pretrain(recordings, tmp_path / "run", chosen, read_synthetic, tmp_path / "cache")
    found = metrics(tmp_path / "run")
    assert found[-1]["train/loss"] < found[0]["train/loss"]
    assert found[-1]["validation/frame_accuracy"] > 2 / len(LABELS)
    parts = ("train/action", "train/boundary", "train/frame_class")
    assert found[0]["train/loss"] == pytest.approx(sum(found[0][p] for p in parts), rel=1e-4)


def test_the_default_loss_is_equation_5(sentence_encoder, recordings, tmp_path):
    chosen = settings(sentence_encoder, optimiser=OptimiserSettings(epochs=1, batch_size=10))
    pretrain.pretrain(recordings, tmp_path / "run", chosen, read_synthetic, tmp_path / "cache")
    (found,) = metrics(tmp_path / "run")
    total = found["validation/action"] + found["validation/boundary"]
    assert found["validation/loss"] == pytest.approx(total, rel=1e-5)
    weights = best_weights(tmp_path / "run", "encoder.")
    encoder = pretrain.build_encoder(chosen)
    encoder.load_state_dict(weights)
    assert not torch.equal(encoder.wrench_mean, torch.zeros(6)), "statistics travel with it"


def test_other_settings_do_not_continue_a_run(sentence_encoder, recordings, tmp_path):
    chosen = settings(sentence_encoder, optimiser=OptimiserSettings(epochs=1, batch_size=20))
    pretrain.pretrain(recordings, tmp_path / "run", chosen, read_synthetic, tmp_path / "cache")
    with pytest.raises(M2R2Error, match="other settings"):
        pretrain.pretrain(
            recordings,
            tmp_path / "run",
            settings(sentence_encoder, seed=1),
            read_synthetic,
            tmp_path / "cache",
        )


def test_the_cache_is_read_the_second_time_and_not_for_another_size(
    sentence_encoder, recordings, tmp_path
):
    encoder = pretrain.build_encoder(settings(sentence_encoder))
    first = cache.prepare_recordings(recordings[:1], encoder, tmp_path, read_synthetic)

    def never(path, layout):
        raise AssertionError("read again")

    second = cache.prepare_recordings(recordings[:1], encoder, tmp_path, never)
    assert (
        second[0].labels
        == first[0].labels
        == [label for _, label in read_synthetic(recordings[0], LAYOUT)]
    )
    np.testing.assert_array_equal(first[0].arrays["wrench"], second[0].arrays["wrench"])
    other = pretrain.build_encoder(settings(sentence_encoder, layout=SensorLayout(cameras=("a",))))
    with pytest.raises(AssertionError, match="read again"):
        cache.prepare_recordings(recordings[:1], other, tmp_path, never)


def test_cached_windows_give_the_features_of_raw_ones(sentence_encoder, recordings, tmp_path):
    encoder = pretrain.build_encoder(settings(sentence_encoder)).eval()
    (prepared,) = cache.prepare_recordings(recordings[:1], encoder, tmp_path, read_synthetic)
    frames = np.array([0, 3, 17])
    found = encoder.encode(cache.collate([prepared.rows(frames)]))
    pack = cache.WindowPacker(LAYOUT, 3)
    windows = [window for window, _ in read_synthetic(recordings[0], LAYOUT)]
    packed = pack([windows[i] for i in frames])
    expected = encoder({name: torch.from_numpy(value) for name, value in packed.items()})
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)


def test_modality_dropout_masks_whole_windows_but_never_everything():
    torch.manual_seed(0)
    mask = torch.ones(200, 5, 3, dtype=torch.bool)
    mask[:, :, 0] = False
    dropped = pretrain.drop_modalities(mask, 0.5)
    assert (dropped == dropped[:, :1]).all()
    assert dropped.any(2).all()
    assert not dropped[..., 0].any(), "what was masked stays masked"
    # 0.5, less the quarter of windows in which both would have gone.
    assert 0.2 < 1 - dropped[:, 0, 1:].float().mean() < 0.3
    assert torch.equal(pretrain.drop_modalities(mask, 0.0), mask)


def test_a_recording_without_windows_is_named(sentence_encoder, recordings, tmp_path):
    encoder = pretrain.build_encoder(settings(sentence_encoder))
    with pytest.raises(M2R2Error, match="'0' gives no window"):
        cache.prepare_recordings(recordings[:1], encoder, tmp_path, lambda *_: iter(()))


def test_sentences_are_unit_vectors_computed_once(sentence_encoder, monkeypatch):
    embed = SentenceEncoder(sentence_encoder)
    first = embed(["pick usb.", "insert usb, then rest.", "pick usb."])
    torch.testing.assert_close(first.norm(dim=1), torch.ones(3))
    assert torch.equal(first[0], first[2]) and not torch.allclose(first[0], first[1])
    monkeypatch.setattr(embed, "_embed", lambda _: pytest.fail("computed again"))
    assert torch.equal(embed(["insert usb, then rest."])[0], first[1])


def test_a_missing_sentence_encoder_is_named(tmp_path):
    with pytest.raises(M2R2Error, match="no sentence encoder in"):
        SentenceEncoder(str(tmp_path))


def test_synthetic_windows_fit_their_layout():
    window = make_window(LAYOUT, 2, np.random.default_rng(0))
    assert (window.start_ns, window.end_ns) == (200_000_000, 300_000_000)
