# SPDX-License-Identifier: Apache-2.0
"""What a head learns of progress and success: targets, losses and calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from m2r2_ros.datasets.frame_outcomes import FAILED, SUCCEEDED, UNJUDGED
from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.inference.recent_frames import evidence_frames
from m2r2_ros.networks.heads.causal import CausalHead
from m2r2_ros.networks.heads.outlook import OutlookLogits
from m2r2_ros.training.loop import Losses
from m2r2_ros.training.sequences import SequenceBatch, delayed
from m2r2_ros.vocabulary import Vocabulary

# Actions of an activity that have succeeded, and that have failed: of fewer nothing is learned.
LEAST_OF_EACH = 5
_NEWTON_STEPS = 30
# A frame's weight is the share that is done to this power: of 50 frames the last five have half.
_LATE = 8
# Half of the penalty on squared weights, of features with a standard deviation of 1.
_RIDGE = 0.005


def with_progress(sequence: LabelledFeatures, vocabulary: Vocabulary) -> LabelledFeatures:
    """The sequence with the share of its action that is done at the end of each frame."""
    progress = np.full(len(sequence.classes), np.nan, np.float32)
    for start, end in _actions(sequence, vocabulary):
        progress[start:end] = np.arange(1, end - start + 1) / (end - start)
    return replace(sequence, progress=progress)


def prepare_outlook(
    head: CausalHead, sequences: Sequence[LabelledFeatures], vocabulary: Vocabulary
) -> None:
    """Note in the head which classes are actions, and whose outcome these sequences teach."""
    if head.outlook is None:
        return
    seen = Counter(
        (vocabulary.action_of(sequence.labels[start]), int(sequence.outcomes[start]))
        for sequence in sequences
        if sequence.outcomes is not None
        for start, _ in _actions(sequence, vocabulary)
    )
    actions = [vocabulary.action_of(label) for label in vocabulary.labels]
    for index, (label, action) in enumerate(zip(vocabulary.labels, actions, strict=True)):
        head.outlook.activity[index] = actions.index(action)
        head.outlook.acts[index] = not vocabulary.is_idle(label)
        enough = all(seen[action, outcome] >= LEAST_OF_EACH for outcome in (FAILED, SUCCEEDED))
        head.outlook.judged[index] = enough and bool(head.outlook.acts[index])


def describe_outcomes(
    head: CausalHead, sequences: Sequence[LabelledFeatures], vocabulary: Vocabulary
) -> str:
    """Of which actions a head that was trained on these tells outcomes; "" where none are known."""
    known = [s.outcomes for s in sequences if s.outcomes is not None]
    if head.outlook is None or all((outcomes == UNJUDGED).all() for outcomes in known):
        return ""
    labels = zip(vocabulary.labels, head.outlook.judged.tolist(), strict=True)
    told = sorted({vocabulary.action_of(label) for label, is_judged in labels if is_judged})
    least = f"{LEAST_OF_EACH} that failed and {LEAST_OF_EACH} that succeeded"
    said = f"outcome: told of {', '.join(told) or 'no action'}, which takes {least} in training"
    if told and (head.outlook.scale, head.outlook.shift) == (1, 0):
        said += "; its confidence is not calibrated, which takes as many in validation"
    return said


def outlook_losses(
    head: CausalHead, logits: OutlookLogits, batch: SequenceBatch, rate_hz: float
) -> Losses:
    """Absolute error of progress, cross entropy of success and the size of its weights; 0 where
    there are no labels.

    Of success the frames about an action's end count, which is what the tracker reads. Those after
    it count in full: what the action has led to is plain by then.
    """
    each = batch.progress.unsqueeze(1).expand_as(logits.progress)
    known = each.isfinite()
    error = (logits.progress.sigmoid() - each)[known].abs().sum() / known.sum().clamp(min=1)
    classes = batch.classes.clamp(min=0)
    judged = head.outlook.judged[classes] & (batch.outcomes != UNJUDGED) & batch.progress.isfinite()
    odds = head.outlook.success_of(logits, classes)
    terms = [(odds[judged], batch.outcomes[judged], batch.progress[judged] ** _LATE)]
    over = _last_frames(batch) & judged
    for late in range(1, evidence_frames(rate_hz)[1] + 1):
        known = over[:, :-late] & batch.present[:, late:]
        shown = logits._replace(success=logits.success[..., late:])
        odds = head.outlook.success_of(shown, classes[:, :-late])[known]
        terms.append((odds, batch.outcomes[:, :-late][known], torch.ones_like(odds)))
    odds, outcomes, weight = (torch.cat(parts) for parts in zip(*terms, strict=True))
    wrong = functional.binary_cross_entropy_with_logits(
        odds, outcomes.float(), weight, reduction="sum"
    )
    size = _RIDGE * head.outlook.success.weight.square().sum() if judged.any() else 0.0
    return {"progress": error, "outcome": wrong / weight.sum().clamp(min=1.0) + size}


def _last_frames(batch: SequenceBatch) -> Tensor:
    """bool (B, T): where something else follows within the sequence."""
    last = torch.zeros_like(batch.present)
    for targets in (batch.classes, batch.outcomes):
        last[:, :-1] |= targets[:, 1:] != targets[:, :-1]
    return last


@torch.no_grad()
def calibrate_outcome(
    head: CausalHead, sequences: Sequence[LabelledFeatures], vocabulary: Vocabulary, rate_hz: float
) -> None:
    """Fit scale and shift of the log odds of success at the ends of these sequences' actions.

    Platt's logistic regression on what the tracker will read, with his smoothed targets. The head
    was not trained on them. Fewer than LEAST_OF_EACH of an outcome leave it as it is.
    """
    if head.outlook is None:
        return
    head.eval()
    found, outcomes = [], []
    (before, after), late = evidence_frames(rate_hz), head.config.look_ahead
    for sequence in sequences:
        if sequence.outcomes is None:
            continue
        features = torch.from_numpy(delayed(sequence, late).features)[None]
        odds = head.answer(features, head.zero_states()).outlook.success[0, :, late:]
        for start, end in _actions(sequence, vocabulary):
            number = int(sequence.classes[start])
            if head.outlook.judged[number] and sequence.outcomes[start] >= 0:
                reading = odds[head.outlook.activity[number]]
                found.append(float(reading[max(start, end - before) : end + after].mean()))
                outcomes.append(int(sequence.outcomes[start]))
    if min(outcomes.count(FAILED), outcomes.count(SUCCEEDED)) >= LEAST_OF_EACH:
        scale, shift = platt(np.array(found), np.array(outcomes))
        head.outlook.scale.fill_(scale)
        head.outlook.shift.fill_(shift)


def platt(log_odds: np.ndarray, outcomes: np.ndarray) -> tuple[float, float]:
    """Scale and shift of the log odds (N,) that make the outcomes (N,) of 0 and 1 likeliest.

    Platt (1999): targets a little within 0 and 1, so that cases which are told apart without a
    fault leave the scale finite. Newton's method; each step is halved until it leads down.
    """
    right = outcomes.sum()
    targets = np.where(outcomes, (right + 1) / (right + 2), 1 / (len(outcomes) - right + 2))
    rows = np.stack([log_odds, np.ones(len(log_odds))], 1)

    def cost(weights: np.ndarray) -> float:
        odds = rows @ weights
        return float(np.logaddexp(0, odds).sum() - targets @ odds)

    weights = np.array([1.0, 0.0])
    for _ in range(_NEWTON_STEPS):
        share = 1 / (1 + np.exp(-(rows @ weights).clip(-500, 500)))
        curvature = rows.T @ (rows * (share * (1 - share))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, rows.T @ (share - targets))
        while cost(weights - step) > cost(weights) and np.abs(step).max() > 1e-9:
            step = step / 2
        weights = weights - step
    return float(weights[0]), float(weights[1])


def _actions(sequence: LabelledFeatures, vocabulary: Vocabulary) -> Iterator[tuple[int, int]]:
    """Frames [start, end) of each action; one that is tried again at once is two."""
    outcomes = sequence.outcomes
    changes = np.diff(sequence.classes) != 0
    if outcomes is not None:
        changes |= np.diff(outcomes) != 0
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(sequence.classes)]
    for start, end in pairwise(edges):
        if start < end and not vocabulary.is_idle(sequence.labels[start]):
            yield start, end
