# SPDX-License-Identifier: Apache-2.0
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from synthetic import FRAMES_PER_ACTION, LABELS, make_window, read_synthetic
from tiny_sentences import write_sentence_encoder

from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.encoder_inputs import WindowPacker
from m2r2_ros.networks.m2r2 import M2R2Config
from m2r2_ros.networks.statistics import Statistics
from m2r2_ros.parallel.spread import Workers
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training import cache, pretraining
from m2r2_ros.training.normalisation import measure_statistics
from m2r2_ros.training.run import TrainingRun, best_weights
from m2r2_ros.training.sentence_encoder import SentenceEncoder
from m2r2_ros.training.settings import OptimiserSettings, PretrainSettings, WindowSettings
from m2r2_ros.training.stored_sentences import StoredSentences
from m2r2_ros.training.trained_sentences import TrainedSentences

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


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory) -> Path:
    """Shared, as runs share it: the graph of the untrained part takes seconds to make."""
    return tmp_path_factory.mktemp("cache")


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
    sentence_encoder, recordings, cache_folder, tmp_path, monkeypatch
):
    chosen = settings(sentence_encoder)
    start = (recordings, chosen, cache_folder)

    def run(name):
        pretraining.pretrain(start[0], tmp_path / name, start[1], read_synthetic, start[2])

    run("straight")
    save = TrainingRun.save

    def save_and_die(self, epoch, *rest):
        save(self, epoch, *rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TrainingRun, "save", save_and_die)
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


def test_training_lowers_the_loss(sentence_encoder, recordings, cache_folder, tmp_path):
    optimiser = OptimiserSettings(epochs=8, batch_size=5, learning_rate=3e-3)
    chosen = settings(sentence_encoder, optimiser=optimiser, frame_class_weight=1.0)
    pretraining.pretrain(recordings, tmp_path / "run", chosen, read_synthetic, cache_folder)
    found = metrics(tmp_path / "run")
    assert found[-1]["train/loss"] < found[0]["train/loss"]
    assert found[-1]["validation/frame_accuracy"] > 2 / len(LABELS)
    parts = ("train/action", "train/boundary", "train/frame_class")
    assert found[0]["train/loss"] == pytest.approx(sum(found[0][p] for p in parts), rel=1e-4)


def test_named_recordings_validate_and_teach_nothing(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    chosen = settings(
        sentence_encoder,
        optimiser=OptimiserSettings(epochs=1, batch_size=10),
        validation_recordings=("0", "3"),
    )
    pretraining.pretrain(recordings, tmp_path / "run", chosen, read_synthetic, cache_folder)
    found = json.loads((tmp_path / "run" / pretraining.STATISTICS_FILE).read_text())
    prepared = pretraining.read_prepared(recordings, chosen, cache_folder, never)
    assert found == json.loads(measure_statistics(prepared[1:3], LAYOUT).to_json())
    assert pretraining.load_encoder(tmp_path / "run")[1] == "2 recordings: 1, 2"


def read_damaged(path, layout, max_pixels):
    """NaN in the wrench, every second window without audio, a gripper that stops halfway."""
    for index, (window, label) in enumerate(read_synthetic(path, layout)):
        signals = dict(window.signals)
        if index % 3 == 0:
            signals["wrench"] = signals["wrench"].copy()
            signals["wrench"][::2] = np.nan
        stopped = index > 20
        if stopped:
            signals["gripper"] = signals["gripper"][:0]
        mask = window.mask | {"audio": index % 2 == 0, "gripper": not stopped}
        audio = window.audio if index % 2 == 0 else np.empty(0, np.float32)
        yield replace(window, signals=signals, audio=audio, mask=mask), label


def test_damaged_recordings_never_give_nan(sentence_encoder, recordings, cache_folder, tmp_path):
    chosen = settings(sentence_encoder, optimiser=OptimiserSettings(epochs=1, batch_size=20))
    (graph,) = cache_folder.glob(f"*/{cache.GRAPH_FILE}")
    copied = tmp_path / "cache" / graph.parent.name / graph.name
    copied.parent.mkdir(parents=True)
    copied.write_bytes(graph.read_bytes())
    start = (recordings, tmp_path / "run", chosen, read_damaged, tmp_path / "cache")
    pretraining.pretrain(*start)
    assert np.isfinite(list(metrics(tmp_path / "run")[0].values())).all()
    assert all(w.isfinite().all() for w in best_weights(tmp_path / "run").values())
    found = pretraining.cached_features(tmp_path / "run", recordings[:1], start[4], never)
    for _, features, _ in found:
        assert np.isfinite(features).all()


def test_the_default_loss_is_equation_5(sentence_encoder, recordings, cache_folder, tmp_path):
    chosen = settings(sentence_encoder, optimiser=OptimiserSettings(epochs=1, batch_size=10))
    pretraining.pretrain(recordings, tmp_path / "run", chosen, read_synthetic, cache_folder)
    (found,) = metrics(tmp_path / "run")
    total = found["validation/action"] + found["validation/boundary"]
    assert found["validation/loss"] == pytest.approx(total, rel=1e-5)
    weights = best_weights(tmp_path / "run", "encoder.")
    encoder = pretraining.build_encoder(chosen)
    encoder.load_state_dict(weights)
    assert not torch.equal(encoder.wrench_mean, torch.zeros(6)), "statistics travel with it"


def test_ablations_share_the_cache_and_the_frames(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    optimiser = OptimiserSettings(epochs=1, batch_size=20)
    whole = settings(sentence_encoder, optimiser=optimiser)
    cache.prepare_recordings(
        recordings, pretraining.build_encoder(whole), cache_folder, read_synthetic
    )
    found = {}
    for modalities in ((), ("gripper", "audio"), ("hama1",)):
        chosen, out = replace(whole, modalities=modalities), tmp_path / "-".join(modalities)
        pretraining.pretrain(recordings, out, chosen, never, cache_folder)
        encoder, _ = pretraining.load_encoder(out)
        assert set(encoder.layout.modalities) == set(modalities or LAYOUT.modalities)
        features = pretraining.cached_features(out, recordings[:2], cache_folder, never)
        found[modalities] = {name: (values, labels) for name, values, labels in features}
    for name, (values, labels) in found[()].items():
        assert values.shape == (FRAMES_PER_ACTION * len(LABELS), TINY.feature_dimension)
        for other in found.values():
            assert other[name][0].shape == values.shape and other[name][1] == labels
    assert not np.allclose(found[()]["0"][0], found[("hama1",)]["0"][0])


def test_cached_features_are_those_of_the_encoder(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    chosen = settings(sentence_encoder, optimiser=OptimiserSettings(epochs=1, batch_size=20))
    pretraining.pretrain(recordings, tmp_path, chosen, read_synthetic, cache_folder)
    encoder, _ = pretraining.load_encoder(tmp_path)
    ((_, found, labels),) = pretraining.cached_features(
        tmp_path, recordings[1:2], cache_folder, read_synthetic
    )
    windows, expected_labels = zip(*read_synthetic(recordings[1], LAYOUT), strict=True)
    packed = WindowPacker(LAYOUT, len(windows))(windows)
    with torch.no_grad():
        expected = encoder({name: torch.from_numpy(value) for name, value in packed.items()})
    assert labels == list(expected_labels)
    np.testing.assert_allclose(found, expected, atol=5e-3)


@pytest.mark.parametrize("stride", [0, 3])
def test_end_to_end_training_asks_for_no_sentence(
    sentence_encoder, recordings, cache_folder, tmp_path, monkeypatch, stride
):
    """The comparison of pretraining with training on frame labels alone."""
    monkeypatch.setattr(SentenceEncoder, "_embed", lambda *_: pytest.fail("embedded"))
    chosen = settings(
        sentence_encoder,
        optimiser=OptimiserSettings(epochs=1, batch_size=20),
        window=WindowSettings(samples=12, padding=6, stride=stride),
        action_weight=0.0,
        boundary_weight=0.0,
        frame_class_weight=2.0,
    )
    pretraining.pretrain(recordings, tmp_path, chosen, read_synthetic, cache_folder)
    (found,) = metrics(tmp_path)
    assert found["train/loss"] == pytest.approx(2 * found["train/frame_class"], rel=1e-4)
    assert "train/action" not in found


def test_bridge_prompts_are_a_part_of_the_action_term(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    chosen = settings(
        sentence_encoder,
        bridge_prompts=True,
        action_weight=2.0,
        boundary_weight=0.0,
        optimiser=OptimiserSettings(epochs=1, batch_size=20),
        window=WindowSettings(samples=12, stride=3),
    )
    pretraining.pretrain(recordings, tmp_path, chosen, read_synthetic, cache_folder)
    (found,) = metrics(tmp_path)
    both = found["train/action"] + found["train/prompts"]
    assert found["train/loss"] == pytest.approx(2 * both, rel=1e-4)
    assert best_weights(tmp_path, "prompts.").keys() == {"count"}


def test_half_precision_trains_to_nearly_the_same_losses(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    found = {}
    for precision in ("no", "bf16"):
        optimiser = OptimiserSettings(epochs=1, batch_size=10, mixed_precision=precision)
        chosen = settings(sentence_encoder, optimiser=optimiser, modality_dropout=0.0)
        pretraining.pretrain(recordings, tmp_path / precision, chosen, read_synthetic, cache_folder)
        (found[precision],) = metrics(tmp_path / precision)
    for name in ("train/loss", "validation/loss"):
        assert found["bf16"][name] != found["no"][name], "nothing was computed in bf16"
        assert found["bf16"][name] == pytest.approx(found["no"][name], rel=0.05)


def test_a_run_that_goes_on_keeps_its_statistics_and_refuses_those_of_other_sensors(
    sentence_encoder, recordings, cache_folder, tmp_path, monkeypatch
):
    chosen = settings(sentence_encoder, optimiser=OptimiserSettings(epochs=1, batch_size=20))
    start = (recordings, tmp_path / "run", chosen, read_synthetic, cache_folder)
    pretraining.pretrain(*start)
    monkeypatch.setattr(pretraining, "measure_statistics", never)
    pretraining.pretrain(*start)
    file = tmp_path / "run" / pretraining.STATISTICS_FILE
    file.write_text(Statistics.neutral(replace(LAYOUT, signals=("wrench",))).to_json())
    with pytest.raises(M2R2Error, match=r"statistics.json: .* another sensor set: 'gripper'"):
        pretraining.pretrain(*start)


def test_other_settings_do_not_continue_a_run(sentence_encoder, recordings, cache_folder, tmp_path):
    chosen = settings(sentence_encoder, optimiser=OptimiserSettings(epochs=1, batch_size=20))
    pretraining.pretrain(recordings, tmp_path / "run", chosen, read_synthetic, cache_folder)
    with pytest.raises(M2R2Error, match=r"other settings \(.*settings\.seed: 0 there, now 1"):
        pretraining.pretrain(
            recordings,
            tmp_path / "run",
            settings(sentence_encoder, seed=1),
            read_synthetic,
            cache_folder,
        )


def test_data_that_cannot_be_read_leaves_no_run(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    chosen = settings(sentence_encoder, optimiser=OptimiserSettings(epochs=1, batch_size=20))

    def refuse(path, layout, max_pixels):
        raise M2R2Error(f"{path}: is no recording")

    out, wrong = tmp_path / "run", tmp_path / "wrong.h5"
    wrong.touch()
    with pytest.raises(M2R2Error, match="is no recording"):
        pretraining.pretrain([wrong, *recordings], out, chosen, refuse, cache_folder)
    pretraining.pretrain(recordings, out, chosen, read_synthetic, cache_folder)
    assert (out / "best.safetensors").exists()


def never(path, layout, max_pixels):
    raise AssertionError("read again")


def test_the_cache_is_read_the_second_time(sentence_encoder, recordings, cache_folder):
    encoder = pretraining.build_encoder(settings(sentence_encoder))
    first = cache.prepare_recordings(recordings[:1], encoder, cache_folder, read_synthetic)
    second = cache.prepare_recordings(recordings[:1], encoder, cache_folder, never)
    labels = [label for _, label in read_synthetic(recordings[0], LAYOUT)]
    assert second[0].labels == first[0].labels == labels
    assert len(set(map(id, second[0].labels))) == len(set(labels))
    np.testing.assert_array_equal(first[0].arrays["wrench"], second[0].arrays["wrench"])
    assert second[0].name == recordings[0].stem


@pytest.mark.parametrize(
    "change",
    [
        {"layout": SensorLayout(cameras=("other",), signals=("wrench", "gripper"))},
        {"model": replace(TINY, image_size=64)},
        {"seed": 1},
    ],
)
def test_what_changes_the_prepared_values_has_a_cache_of_its_own(sentence_encoder, change):
    keys = [
        cache._encoder_key(pretraining.build_encoder(settings(sentence_encoder, **changes)), pixels)
        for changes, pixels in (({}, 9), (change, 9), ({"fusion_layers": 2}, 9), ({}, 16))
    ]
    assert keys[0] not in (keys[1], keys[3]) and keys[0] == keys[2]


def test_a_changed_recording_is_prepared_anew(sentence_encoder, cache_folder, tmp_path):
    recording = tmp_path / "7.h5"
    recording.touch()
    encoder = pretraining.build_encoder(settings(sentence_encoder))
    cache.prepare_recordings([recording], encoder, cache_folder, read_synthetic)
    recording.write_text("longer")
    with pytest.raises(AssertionError, match="read again"):
        cache.prepare_recordings([recording], encoder, cache_folder, never)


def test_several_processes_prepare_what_one_does(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    encoder = pretraining.build_encoder(settings(sentence_encoder))
    alone = cache.prepare_recordings(recordings, encoder, cache_folder, read_synthetic)
    key = cache._encoder_key(encoder, cache.most_pixels(TINY.image_size, None))
    graph = cache_folder / key / cache.GRAPH_FILE
    copied = tmp_path / graph.parent.name / graph.name
    copied.parent.mkdir()
    copied.write_bytes(graph.read_bytes())
    together = cache.prepare_recordings(recordings, encoder, tmp_path, read_synthetic, Workers(2))
    for one, other in zip(alone, together, strict=True):
        assert (one.name, one.labels) == (other.name, other.labels)
        assert one.arrays.keys() == other.arrays.keys()
        for name, array in one.arrays.items():
            np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


def test_recordings_finished_before_a_failure_are_kept(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    paths = [tmp_path / name for name in ("11.h5", "12.h5", "damaged.h5")]
    for path in paths:
        path.touch()
    encoder = pretraining.build_encoder(settings(sentence_encoder))
    with pytest.raises(ValueError, match="damaged"):
        cache.prepare_recordings(paths, encoder, cache_folder, read_synthetic)
    assert len(cache.prepare_recordings(paths[:2], encoder, cache_folder, never)) == 2


def test_cached_windows_give_the_features_of_raw_ones(sentence_encoder, recordings, cache_folder):
    encoder = pretraining.build_encoder(settings(sentence_encoder)).eval()
    (prepared,) = cache.prepare_recordings(recordings[:1], encoder, cache_folder, read_synthetic)
    frames = np.array([0, 3, 17])
    found = encoder.encode(cache.collate([prepared.rows(frames)]))
    pack = WindowPacker(LAYOUT, 3)
    windows = [window for window, _ in read_synthetic(recordings[0], LAYOUT)]
    packed = pack([windows[i] for i in frames])
    expected = encoder({name: torch.from_numpy(value) for name, value in packed.items()})
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)


def test_modality_dropout_masks_whole_windows_but_never_everything():
    torch.manual_seed(0)
    mask = torch.ones(200, 5, 3, dtype=torch.bool)
    mask[:, :, 0] = False
    dropped = pretraining.drop_modalities(mask, 0.5)
    assert (dropped == dropped[:, :1]).all()
    assert dropped.any(2).all()
    assert not dropped[..., 0].any(), "what was masked stays masked"
    # 0.5, less the quarter of windows in which both would have gone.
    assert 0.2 < 1 - dropped[:, 0, 1:].float().mean() < 0.3
    assert torch.equal(pretraining.drop_modalities(mask, 0.0), mask)


def test_a_recording_without_windows_is_named(sentence_encoder, cache_folder, tmp_path):
    recording = tmp_path / "empty.h5"
    recording.touch()
    encoder = pretraining.build_encoder(settings(sentence_encoder))
    with pytest.raises(M2R2Error, match="'empty' gives no window"):
        cache.prepare_recordings([recording], encoder, cache_folder, lambda *_: iter(()))
    assert not list(cache_folder.glob("*/*/empty"))


def test_sentences_are_unit_vectors_computed_once(sentence_encoder, monkeypatch):
    embed = SentenceEncoder(sentence_encoder)
    first = embed(["pick usb.", "insert usb, then rest.", "pick usb."])
    torch.testing.assert_close(first.norm(dim=1), torch.ones(3))
    assert torch.equal(first[0], first[2]) and not torch.allclose(first[0], first[1])
    monkeypatch.setattr(embed, "_embed", lambda _: pytest.fail("computed again"))
    assert torch.equal(embed(["insert usb, then rest."])[0], first[1])


def test_stored_sentences_are_not_computed_by_the_next_run(sentence_encoder, tmp_path, monkeypatch):
    first = StoredSentences(sentence_encoder, tmp_path)
    first.store(["pick usb.", "insert usb."])
    expected = first(["insert usb.", "pick usb."])
    torch.testing.assert_close(
        expected, SentenceEncoder(sentence_encoder)(["insert usb.", "pick usb."])
    )
    second = StoredSentences(sentence_encoder, tmp_path)
    monkeypatch.setattr(second._encoder, "_embed", lambda _: pytest.fail("computed again"))
    second.store(["pick usb."])
    assert torch.equal(second(["insert usb.", "pick usb."]), expected)


def test_a_damaged_store_of_sentences_is_named_and_made_anew(sentence_encoder, tmp_path, caplog):
    StoredSentences(sentence_encoder, tmp_path).store(["pick usb."])
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(b"no tensors")
    StoredSentences(sentence_encoder, tmp_path).store(["pick usb."])
    assert f"{file}: damaged" in caplog.text
    assert file.read_bytes() == whole


def test_a_missing_sentence_encoder_is_named(tmp_path):
    with pytest.raises(M2R2Error, match="no sentence encoder in"):
        SentenceEncoder(str(tmp_path))


def test_synthetic_windows_fit_their_layout():
    window = make_window(LAYOUT, 2, np.random.default_rng(0))
    assert (window.start_ns, window.end_ns) == (200_000_000, 300_000_000)


def test_a_trained_sentence_encoder_begins_as_the_frozen_one(sentence_encoder, tmp_path):
    texts = ["The robot does the action pick.", "First, the robot does the action insert."]
    trained = TrainedSentences(sentence_encoder).eval()
    frozen = StoredSentences(sentence_encoder, tmp_path)
    torch.testing.assert_close(trained(texts), frozen(texts), rtol=1e-5, atol=1e-6)
    assert trained(texts).requires_grad


def test_new_modules_descend_faster_than_published_weights(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    rate = 1e-3
    chosen = settings(
        sentence_encoder,
        sentences_trained=True,
        new_modules_rate=10.0,
        # One step, all of it at the highest rate: AdamW's first moves each weight by its rate.
        optimiser=OptimiserSettings(
            epochs=1, batch_size=1000, learning_rate=rate, weight_decay=0.0, warm_up=0.0
        ),
    )
    before = {
        name: value.clone()
        for name, value in SentenceEncoder(sentence_encoder).model.named_parameters()
    }
    pretraining.pretrain(recordings, tmp_path / "run", chosen, read_synthetic, cache_folder)
    after = best_weights(tmp_path / "run", "sentences.model.")
    moved = [(after[name] - value).abs().max().item() for name, value in before.items()]
    assert max(moved) == pytest.approx(rate, rel=0.02)
    (scale,) = best_weights(tmp_path / "run", "heads.log_scale").values()
    assert abs(scale.item() - math.log(1 / 0.07)) == pytest.approx(10 * rate, rel=0.02)


def test_a_run_begun_before_a_setting_was_there_goes_on(
    sentence_encoder, recordings, cache_folder, tmp_path
):
    out = tmp_path / "run"
    chosen = settings(sentence_encoder)
    pretraining.pretrain(recordings, out, chosen, read_synthetic, cache_folder)
    stored = yaml.safe_load((out / "settings.yaml").read_text())
    for name in ("sentences_trained", "new_modules_rate"):
        del stored["settings"][name]
    (out / "settings.yaml").write_text(yaml.safe_dump(stored))
    pretraining.pretrain(recordings, out, chosen, read_synthetic, cache_folder)
    other = settings(sentence_encoder, sentences_trained=True)
    with pytest.raises(M2R2Error, match="sentences_trained: False there, now True"):
        pretraining.pretrain(recordings, out, other, read_synthetic, cache_folder)
