# SPDX-License-Identifier: Apache-2.0
"""Progress and success as a head learns them, and what that must not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from m2r2_ros.datasets.frame_outcomes import FAILED, SUCCEEDED, UNJUDGED
from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.inference.head import StreamingHead
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.networks.heads.causal import CausalConfig, CausalHead
from m2r2_ros.networks.heads.outlook import OutlookLogits
from m2r2_ros.training.heads.causal import HEAD, CausalSettings, CausalTraining
from m2r2_ros.training.onnx_export import export_head
from m2r2_ros.training.outlook import (
    calibrate_outcome,
    describe_outcomes,
    outlook_losses,
    platt,
    prepare_outlook,
    with_progress,
)
from m2r2_ros.training.sequences import cropped, delayed, make_batch
from m2r2_ros.training.settings import OptimiserSettings
from m2r2_ros.training.time_warp import warped
from m2r2_ros.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_dict(
    {"format": 1, "labels": ["wait", "pick", "insert"], "idle": ["wait"]}
)
MODEL = CausalConfig(channels=8, layers=4, members=2, outlook_layers=4)
SETTINGS = CausalSettings(
    model=MODEL,
    validation=0.4,
    optimiser=OptimiserSettings(epochs=20, batch_size=4, learning_rate=5e-3),
)


def drawn(seed: int) -> LabelledFeatures:
    """Six rounds of pick and insert; column 4 shows in an action's second half what comes of it,
    column 5 how far it is."""
    random = np.random.default_rng(seed)
    features, classes, outcomes = [], [], []
    for number in [0, 1, 0, 2] * 6:
        frames, outcome = int(random.integers(6, 18)), int(random.integers(2))
        rows = 0.3 * random.normal(size=(frames, 6))
        rows[:, number] += 1
        if number:
            rows[frames // 2 :, 4] += 2 * outcome - 1
            rows[:, 5] += np.linspace(0, 1, frames)
        features.append(rows)
        classes += [number] * frames
        outcomes += [outcome if number else UNJUDGED] * frames
    labels = [VOCABULARY.labels[number] for number in classes]
    told = np.array(classes), None, np.array(outcomes)
    return LabelledFeatures(f"s{seed}", np.concatenate(features).astype(np.float32), labels, *told)


SEQUENCES = [drawn(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> CausalHead:
    out = tmp_path_factory.mktemp("trained")
    return HEAD.fit("causal", SEQUENCES, VOCABULARY, out, SETTINGS)[0]


@pytest.mark.parametrize("seed", range(5))
def test_progress_is_the_share_of_the_action_that_is_done(seed):
    whole = drawn(seed)
    progress = with_progress(whole, VOCABULARY).progress
    for frame, number in enumerate(whole.classes):
        if number == 0:
            assert np.isnan(progress[frame])
            continue
        before = next((k for k in range(frame, -1, -1) if not whole.classes[k]), -1)
        after = next(k for k in range(frame, len(progress) + 1)
                     if k == len(progress) or not whole.classes[k])  # fmt: skip
        assert progress[frame] == pytest.approx((frame - before) / (after - before - 1))


def test_an_action_that_is_tried_again_at_once_is_two():
    outcomes = np.array([FAILED] * 2 + [SUCCEEDED] * 4)
    twice = LabelledFeatures("a", np.zeros((6, 1)), ["pick"] * 6, np.ones(6, int), None, outcomes)
    progress = with_progress(twice, VOCABULARY).progress
    np.testing.assert_allclose(progress, [1 / 2, 1, 1 / 4, 1 / 2, 3 / 4, 1])


def test_targets_stay_with_their_frames():
    """Whatever is done to a sequence: the features of these say class, progress and outcome."""
    whole = with_progress(drawn(0), VOCABULARY)
    said = np.stack([whole.classes, whole.outcomes, np.nan_to_num(whole.progress)], 1)
    whole = replace(whole, features=said.astype(np.float32))
    random = np.random.default_rng(0)
    for changed in (cropped(whole, random), warped(whole, 0.3, random), delayed(whole, 0)):
        told = changed.classes, changed.outcomes, np.nan_to_num(changed.progress)
        known = np.isfinite(changed.progress)
        if len(known) != len(whole.classes):
            # Between two frames that the warp mixes, features are in between.
            known &= np.isclose(changed.features[:, 0], changed.classes)
        for column, values in enumerate(told):
            near = 0.21 if column == 2 else 1e-4
            np.testing.assert_allclose(changed.features[known, column], values[known], atol=near)


def test_it_costs_the_segmentation_nothing(tmp_path):
    """The same seed gives the same segmentation bit for bit, whatever is told of outcomes."""
    settings = replace(SETTINGS, optimiser=replace(SETTINGS.optimiser, epochs=2))
    unjudged = [replace(sequence, outcomes=None) for sequence in SEQUENCES[:3]]
    features, answers = torch.from_numpy(SEQUENCES[5].features)[None], []
    for number, (sequences, layers) in enumerate(
        ((SEQUENCES[:3], 4), (unjudged, 4), (SEQUENCES[:3], 0))
    ):
        chosen = replace(settings, model=replace(MODEL, outlook_layers=layers))
        head, tracker = HEAD.fit("causal", sequences, VOCABULARY, tmp_path / str(number), chosen)
        with torch.no_grad():
            answers.append((*head.predict(features, head.zero_states())[:2], tracker.f1))
    for other in answers[1:]:
        assert torch.equal(other[0], answers[0][0]) and torch.equal(other[1], answers[0][1])
        assert other[2] == answers[0][2]


def test_what_has_no_labels_teaches_nothing():
    head = CausalHead(6, 3, MODEL)
    prepare_outlook(head, SEQUENCES, VOCABULARY)
    assert head.outlook.acts.tolist() == head.outlook.judged.tolist() == [False, True, True]
    unjudged = with_progress(replace(SEQUENCES[0], outcomes=None), VOCABULARY)
    losses = CausalTraining(head, VOCABULARY, SETTINGS).losses(make_batch([unjudged], 2.0))
    assert losses["outcome"] == 0 and losses["progress"] > 0
    idle = replace(SEQUENCES[0], classes=np.zeros_like(SEQUENCES[0].classes), outcomes=None)
    idle = replace(idle, labels=["wait"] * len(idle.labels))
    batch = make_batch([with_progress(idle, VOCABULARY)], 2.0)
    losses = CausalTraining(head, VOCABULARY, SETTINGS).losses(batch)
    assert losses["outcome"] == losses["progress"] == 0
    losses["loss"].backward()
    assert all(p.grad is None or not p.grad.any() for p in head.outlook.parameters())


def test_an_activity_that_never_failed_is_not_judged():
    sequences = [
        replace(s, outcomes=np.where(s.classes == 1, SUCCEEDED, s.outcomes)) for s in SEQUENCES
    ]
    head = CausalHead(6, 3, MODEL)
    prepare_outlook(head, sequences, VOCABULARY)
    assert head.outlook.judged.tolist() == [False, False, True]
    prepare_outlook(head, sequences[:1], VOCABULARY)
    assert not head.outlook.judged.any() and head.told == ("progress",)


def test_training_says_of_which_actions_outcomes_are_told():
    head = CausalHead(6, 3, MODEL)
    for sequences, told in ((SEQUENCES, "insert, pick"), (SEQUENCES[:1], "no action")):
        prepare_outlook(head, sequences, VOCABULARY)
        said = describe_outcomes(head, sequences, VOCABULARY)
        assert said.startswith(f"outcome: told of {told}, which takes 5 that failed")
        assert ("not calibrated" in said) is (told != "no action")
    prepare_outlook(head, SEQUENCES, VOCABULARY)
    calibrate_outcome(head, SEQUENCES, VOCABULARY, 10.0)
    assert "not calibrated" not in describe_outcomes(head, SEQUENCES, VOCABULARY)
    for nobody in (None, np.full(len(SEQUENCES[0].classes), UNJUDGED)):
        unjudged = [replace(SEQUENCES[0], outcomes=nobody)]
        assert describe_outcomes(head, unjudged, VOCABULARY) == ""


@pytest.mark.parametrize(("rate_hz", "after"), [(5.0, 2), (10.0, 5), (30.0, 15)])
def test_losses_are_as_their_definition_says(rate_hz, after):
    random = torch.Generator().manual_seed(0)
    head = CausalHead(6, 3, MODEL)
    prepare_outlook(head, SEQUENCES, VOCABULARY)
    batch = make_batch([with_progress(s, VOCABULARY) for s in SEQUENCES[:2]], 2.0)
    frames = batch.classes.shape[1]
    progress = torch.randn(2, 2, frames, generator=random)
    success = torch.randn(2, 3, frames, generator=random)
    torch.nn.init.constant_(head.outlook.success.weight, 0.1)
    found = outlook_losses(head, OutlookLogits(progress, success), batch, rate_hz)
    errors, wrong, weights = [], [], []
    for b, t in np.ndindex(2, frames):
        done, outcome = float(batch.progress[b, t]), int(batch.outcomes[b, t])
        if np.isnan(done):
            continue
        errors += [abs(1 / (1 + np.exp(-progress[b, m, t].item())) - done) for m in range(2)]
        share = 1 / (1 + np.exp(-success[b, batch.classes[b, t], t].item()))
        wrong.append(-(done**8) * np.log(share if outcome else 1 - share))
        weights.append(done**8)
    # And half a second after an action's end, as far as its sequence goes on.
    for b, name in enumerate(SEQUENCES[:2]):
        length = len(name.classes)
        for end in range(1, length):
            number, outcome = name.classes[end - 1], name.outcomes[end - 1]
            if number and (number, outcome) != (name.classes[end], name.outcomes[end]):
                for t in range(end, min(end + after, length)):
                    share = 1 / (1 + np.exp(-success[b, number, t].item()))
                    wrong.append(-np.log(share if outcome else 1 - share))
                    weights.append(1.0)
    assert float(found["progress"]) == pytest.approx(np.mean(errors), rel=1e-4)
    size = 0.005 * 0.1**2 * head.outlook.success.weight.numel()
    assert found["outcome"].item() == pytest.approx(sum(wrong) / sum(weights) + size, rel=1e-4)


def test_success_is_read_from_means_of_the_last_features():
    """Of the features as the network normalises them; one reading for an activity's labels."""
    torch.manual_seed(0)
    head = CausalHead(6, 3, MODEL).eval()
    prepare_outlook(head, SEQUENCES, VOCABULARY)
    torch.nn.init.normal_(head.outlook.success.weight)
    rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    with torch.no_grad():
        logits = head.answer(torch.from_numpy(rows)[None], head.zero_states()).outlook.success[0]
    weight = head.outlook.success.weight.detach().numpy()[..., 0]
    past = np.concatenate([np.zeros((15, 6)), rows])
    for t in range(40):
        means = [past[t + 16 - span : t + 16].mean(0) for span in (1, 4, 8, 16)]
        np.testing.assert_allclose(logits[:, t], weight @ np.concatenate(means), atol=1e-4)
    words = {"pick cap": {"action": "pick", "object": "cap"}}
    words["pick nut"] = {"action": "pick", "object": "nut"}
    both = Vocabulary.from_dict(
        {"format": 1, "labels": ["wait", *words], "idle": ["wait"], "parts": words}
    )
    prepare_outlook(head, [], both)
    assert head.outlook.activity.tolist() == [0, 1, 1]


@pytest.mark.parametrize("seed", range(10))
def test_calibration_is_the_likeliest(seed):
    """At the minimum the residuals are 0 on average, and uncorrelated with the log odds."""
    random = np.random.default_rng(seed)
    log_odds = random.normal(1, random.uniform(0.2, 30), 60)
    outcomes = (random.random(60) < 1 / (1 + np.exp(-0.4 * log_odds))).astype(int)
    if seed == 0:
        outcomes = (log_odds > 1).astype(int)  # told apart without a fault
    scale, shift = platt(log_odds, outcomes)
    right = outcomes.sum()
    targets = np.where(outcomes == 1, (right + 1) / (right + 2), 1 / (60 - right + 2))
    residuals = 1 / (1 + np.exp(-(scale * log_odds + shift))) - targets
    assert abs(residuals.mean()) < 1e-6 and abs((residuals * log_odds).mean()) < 1e-6


def test_it_learns_both_and_the_graph_tells_them(trained, tmp_path):
    assert trained.told == ("progress", "outcome", "outcomes")
    assert float(trained.outlook.scale) != 1.0
    path = tmp_path / "head.onnx"
    assert export_head(trained, path, VOCABULARY, "", TrackerConfig(), "made up") < 1e-4
    head, whole = StreamingHead(path), with_progress(drawn(99), VOCABULARY)
    right, errors = [], []
    for index, feature in enumerate(whole.features):
        head.step(feature)
        if head.outlook.progress is not None and np.isfinite(whole.progress[index]):
            errors.append(abs(head.outlook.progress - whole.progress[index]))
        if whole.progress[index] == 1 and head.outlook.success is not None:
            right.append((head.outlook.success > 0.5) == whole.outcomes[index])
    assert len(right) >= 10 and np.mean(right) > 0.8
    assert np.mean(errors) < 0.15
