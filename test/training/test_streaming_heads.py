# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.tracker import TrackerConfig
from m2r2_ros.labels import legacy_vocabulary
from m2r2_ros.networks.heads.causal import CausalConfig, CausalHead
from m2r2_ros.training.heads.causal import HEAD, CausalSettings, CausalTraining
from m2r2_ros.training.loop import learning_rate, split_validation
from m2r2_ros.training.outlook import with_progress
from m2r2_ros.training.run import last_metrics
from m2r2_ros.training.sequences import (
    PADDING,
    coarse_membership,
    cropped,
    delayed,
    make_batch,
)
from m2r2_ros.training.settings import OptimiserSettings
from m2r2_ros.vocabulary import Vocabulary

LABELS = ("No action", "Pick USB", "Pick BNC", "Insert USB")
VOCABULARY = legacy_vocabulary(LABELS)
SETTINGS = CausalSettings(
    model=CausalConfig(channels=16, layers=3, refinements=1, members=2, dropout=0.1),
    optimiser=OptimiserSettings(epochs=30, batch_size=2, learning_rate=1e-2),
    validation=0.25,
)


def sequence(seed: int, dimension: int = 6) -> LabelledFeatures:
    """Each class has its own mean feature, under noise."""
    random = np.random.default_rng(seed)
    classes = np.repeat(random.permutation(len(LABELS)), random.integers(10, 20, len(LABELS)))
    means = np.random.default_rng(99).normal(size=(len(LABELS), dimension))
    features = means[classes] + random.normal(size=(len(classes), dimension)) * 0.3
    return LabelledFeatures(
        str(seed),
        features.astype(np.float32),
        [LABELS[i] for i in classes],
        classes.astype(np.int64),
    )


def test_it_learns_what_can_be_learned_and_resumes(tmp_path):
    sequences = [sequence(seed) for seed in range(8)]
    head, _ = HEAD.fit("causal", sequences, VOCABULARY, tmp_path / "run", SETTINGS)
    right, at_starts, everywhere = [], [], []
    for unseen in map(sequence, range(100, 110)):
        with torch.no_grad():
            features = torch.from_numpy(unseen.features)[None]
            probabilities, boundary, _ = head.predict(features, head.zero_states())
        right += (probabilities[0].argmax(-1).numpy() == unseen.classes).tolist()
        at_starts += boundary[0, np.flatnonzero(np.diff(unseen.classes)) + 1].tolist()
        everywhere += boundary[0].tolist()
    assert np.mean(right) > 0.8
    assert np.mean(at_starts) > 2 * np.mean(everywhere)
    assert head.temperature != 1
    again, _ = HEAD.fit("causal", sequences, VOCABULARY, tmp_path / "run", SETTINGS)
    for name, value in head.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(30))


@pytest.mark.parametrize("frames", [0, 3])
def test_labels_come_later_for_a_head_with_look_ahead(frames):
    whole = sequence(0)
    late = delayed(whole, frames)
    length = len(whole.classes)
    assert len(late.features) == len(late.classes) == len(late.labels) == length + frames
    np.testing.assert_array_equal(late.features[:length], whole.features)
    assert (late.features[length:] == whole.features[-1]).all()
    np.testing.assert_array_equal(late.classes[frames:], whole.classes)
    assert (late.classes[:frames] == whole.classes[0]).all()
    assert late.labels == [LABELS[i] for i in late.classes]


def test_look_ahead_sees_what_comes(tmp_path):
    """The label is that of the feature two frames later: only look-ahead can know it."""

    def early(seed):
        one = sequence(seed)
        random = np.random.default_rng(seed)
        classes = random.integers(0, len(LABELS), 60)
        features = np.eye(len(LABELS), 6, dtype=np.float32)[np.roll(classes, 2)]
        return replace(one, features=features, labels=[LABELS[i] for i in classes], classes=classes)

    tracker = TrackerConfig(confirm_s=0.0, hysteresis=0.0, min_duration_s=0.0, unknown_below=0.0)
    accuracy = {}
    for frames in (0, 2):
        settings = replace(
            SETTINGS,
            model=replace(SETTINGS.model, look_ahead=frames),
            tracker=tracker,
            smoothing_weight=0.0,
            time_warp=0.0,
        )
        head, _ = HEAD.fit(
            "causal",
            [early(seed) for seed in range(8)],
            VOCABULARY,
            tmp_path / f"{frames}",
            settings,
        )
        one = early(100)
        with torch.no_grad():
            features = torch.from_numpy(delayed(one, frames).features)[None]
            found = head.predict(features, head.zero_states())[0][0, frames:].argmax(-1).numpy()
        accuracy[frames] = (found == one.classes)[:-2].mean()
    assert accuracy[2] > 0.9 > 0.5 > accuracy[0]


def test_look_ahead_has_limits():
    with pytest.raises(M2R2Error, match=r"look_ahead must be in \[0, 600\] frames, got -1"):
        CausalConfig(look_ahead=-1)


def test_the_last_epoch_is_taken_and_few_recordings_are_gone_through_several_times(tmp_path):
    settings = replace(SETTINGS, optimiser=replace(SETTINGS.optimiser, epochs=2), least_steps=5)
    sequences = [sequence(seed) for seed in range(4)]
    head, _ = HEAD.fit("causal", sequences, VOCABULARY, tmp_path, settings)
    last = load_file(tmp_path / "checkpoint.safetensors")
    assert all(torch.equal(value, last[f"head.{n}"]) for n, value in head.named_parameters())
    # Three recordings to train on, two in a step: 4 times 3 make 6 steps an epoch.
    assert int(last["optimiser.0.step"]) == 2 * 6
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all(0 <= line["validation/f1@50"] <= 100 for line in lines)
    assert last_metrics(tmp_path) == lines[-1]


def test_a_run_from_before_the_outlook_goes_on_without_it(tmp_path):
    """A folder whose settings do not name it, and whose checkpoint has no weights of it."""
    model = replace(SETTINGS.model, outlook_layers=0)
    plain = replace(SETTINGS, model=model, optimiser=replace(SETTINGS.optimiser, epochs=1))
    sequences = [sequence(seed) for seed in range(3)]
    before = HEAD.fit("causal", sequences, VOCABULARY, tmp_path, plain)[0]
    stored = yaml.safe_load((tmp_path / "settings.yaml").read_text())
    del stored["settings"]["model"]["outlook_layers"]
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(stored))
    after = HEAD.fit("causal", sequences, VOCABULARY, tmp_path, plain)[0]
    for name, value in after.state_dict().items():
        assert torch.equal(value, before.state_dict()[name])
    with pytest.raises(M2R2Error, match="outlook_layers"):
        HEAD.fit("causal", sequences, VOCABULARY, tmp_path, SETTINGS)


def test_padding_has_no_influence_on_the_losses():
    torch.manual_seed(0)
    training = CausalTraining(CausalHead(6, 4, SETTINGS.model), VOCABULARY, SETTINGS).eval()
    short = with_progress(sequence(0), VOCABULARY)
    alone = training.losses(make_batch([short], 2.0))
    padded = make_batch([short], 2.0)
    padded = type(padded)(
        torch.nn.functional.pad(padded.features, (0, 0, 0, 9), value=5.0),
        torch.nn.functional.pad(padded.classes, (0, 9), value=PADDING),
        torch.nn.functional.pad(padded.boundaries, (0, 9), value=1.0),
        torch.nn.functional.pad(padded.progress, (0, 9), value=float("nan")),
        torch.nn.functional.pad(padded.outcomes, (0, 9), value=1),
    )
    for name, value in training.losses(padded).items():
        torch.testing.assert_close(value, alone[name])


def test_coarse_loss_is_the_likelihood_of_summed_probabilities():
    membership = coarse_membership(VOCABULARY)
    assert membership.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0]]
    training = CausalTraining(CausalHead(6, 4, SETTINGS.model), VOCABULARY, SETTINGS)
    logits = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))
    classes = torch.tensor([[1, 2, 0, 3, PADDING]])
    p = logits[0].softmax(-1).numpy()
    right = [p[0, 1] + p[0, 2], p[1, 1] + p[1, 2], p[2, 0], p[3, 3]]
    found = training._coarse_loss(logits, classes)
    assert found.item() == pytest.approx(-np.log(right).mean(), rel=1e-5)


def test_labels_without_objects_have_no_coarse_loss():
    plain = Vocabulary(("rest", "stir", "pour", "wipe"), ("rest",))
    head = CausalHead(6, 4, SETTINGS.model)
    batch = make_batch([sequence(0)], 2.0)
    losses = CausalTraining(head, plain, SETTINGS).eval().losses(batch)
    same = CausalTraining(head, VOCABULARY, SETTINGS).eval().losses(batch)
    assert set(same) - set(losses) == {"coarse"} and losses["fine"] == same["fine"]
    assert losses["loss"].item() == pytest.approx((same["loss"] - same["coarse"]).item())


def test_crops_keep_the_end_and_at_least_half():
    whole = sequence(0)
    starts = set()
    for seed in range(50):
        part = cropped(whole, np.random.default_rng(seed))
        assert len(part.classes) >= len(whole.classes) // 2
        np.testing.assert_array_equal(part.features, whole.features[-len(part.features) :])
        starts.add(len(part.classes))
    assert len(starts) > 10


def test_validation_recordings_are_spread_and_disjoint():
    names = [f"{i:02d}" for i in range(20)]
    training, validation = split_validation(names, 0.2)
    assert sorted(training + validation) == list(range(20))
    assert validation == [2, 7, 12, 17]
    assert split_validation(names, 0.2) == (training, validation)
    assert len(split_validation(names[:2], 0.9)[0]) == 1
    assert split_validation(names, 0.2, ["03", "05"])[1] == [3, 5]
    with pytest.raises(M2R2Error, match="no recording 'x'"):
        split_validation(names, 0.2, ["x"])
    with pytest.raises(M2R2Error, match="none is left"):
        split_validation(names, 0.2, names)
    with pytest.raises(M2R2Error, match="at least two"):
        split_validation(["a"], 0.5)


def test_learning_rate_warms_up_and_ends_at_zero():
    settings = OptimiserSettings(learning_rate=1.0, warm_up=0.1)
    rates = [learning_rate(settings, p) for p in np.linspace(0, 1, 101)]
    assert rates[0] < 0.02 and max(rates) == pytest.approx(1.0) and rates[100] < 1e-9
    assert int(np.argmax(rates)) == 10
    assert all(a >= b for a, b in pairwise(rates[10:]))
