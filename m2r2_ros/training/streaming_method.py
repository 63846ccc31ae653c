# SPDX-License-Identifier: Apache-2.0
"""The part that streaming heads share: training on batches, calibration, tracker and export."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from m2r2_ros.datasets.frame_rate import FrameRate
from m2r2_ros.datasets.mstcn import LabelledFeatures
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.evaluation.streamed_predictions import nominal_stamps, short_confirmation, track
from m2r2_ros.inference.models import HEAD_FILE
from m2r2_ros.inference.procedure import Procedure
from m2r2_ros.inference.tracker import SegmentTracker
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.networks.heads.causal import CausalHead
from m2r2_ros.offline.extraction_record import encoder_sha256
from m2r2_ros.training.calibration import best_temperature
from m2r2_ros.training.evidence_tuning import choose_tracker
from m2r2_ros.training.head_registry import NOTHING_RECOGNISED, HeadMethod
from m2r2_ros.training.learned_procedure import learn_procedure
from m2r2_ros.training.loop import train_epochs
from m2r2_ros.training.onnx_export import export_head
from m2r2_ros.training.outlook import (
    calibrate_outcome,
    describe_outcomes,
    prepare_outlook,
    with_progress,
)
from m2r2_ros.training.run import TrainingRun, describe_data
from m2r2_ros.training.sequences import (
    cropped,
    delayed,
    feature_moments,
    held_out,
    make_batch,
)
from m2r2_ros.training.settings import OptimiserSettings, settings_to_dict
from m2r2_ros.training.time_warp import warped
from m2r2_ros.training.tracker_tuning import Answers, TunedTracker
from m2r2_ros.vocabulary import Vocabulary

# Entries that may change after training: the tracker only takes the head's probabilities.
_LATER = ("tracker", "tracker_delay_s")
# What a run was that does not say it.
_BEFORE_OUTLOOK = {"settings": {"model": {"outlook_layers": 0}}}


@dataclass(frozen=True)
class StreamingSettings:
    """The settings of every streaming head; each adds `model`, the sizes of its network."""

    # Of everything that training draws at random.
    seed: int = 0
    # Names the data in the exported model's metadata; empty: the recordings' names.
    training_data: str = ""
    optimiser: OptimiserSettings = field(
        default_factory=lambda: OptimiserSettings(epochs=60, batch_size=4, learning_rate=1e-3)
    )
    # Steps of an epoch, at least: few recordings are gone through several times.
    least_steps: int = 5
    # Standard deviation of the logarithm of the speed at which training plays a recording, as a
    # whole and along the way: other people, days and arms do the same faster or slower.
    time_warp: float = 0.2
    # Standard deviation of the soft boundaries, in frames.
    boundary_sigma: float = 2.0
    # Part of the training recordings, or of their groups, that are kept for validation: temperature
    # and tracker are chosen on them. 0: none, all are trained on.
    validation: float = 0.15
    # Their names, instead of a part: best those that the encoder was not trained on.
    validation_recordings: tuple[str, ...] = ()
    # The segment tracker's defaults, exported with the head.
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    # Unless 0, the tracker's parameters that decide how sure and how late segments are, are tuned
    # on the validation recordings: the highest F1@50 with a mean decision delay of the activity of
    # about this at most: 0.02 s above it cost a point, twice as much four.
    tracker_delay_s: float = 0.0

    def rounds(self, recordings: int) -> int:
        """How many times an epoch goes through so many recordings."""
        return max(1, math.ceil(self.least_steps * self.optimiser.batch_size / recordings))


@dataclass(frozen=True)
class StreamingMethod(HeadMethod):
    """A streaming head, exported to HEAD_FILE.

    network  of (dimension, classes, settings.model): a module with the methods and buffers of
             CausalHead, whose `config.look_ahead` counts the frames that it answers late.
    losses   of (network, vocabulary, settings, frames a second): a module that holds the network,
             whose method `losses` scores a SequenceBatch and whose `parameter_groups` are trained.
    """

    network: Callable[[int, int, Any], CausalHead]
    settings: type[StreamingSettings]
    losses: Callable[[Any, Vocabulary, Any, float], nn.Module]
    streams: ClassVar[bool] = True

    def train(
        self,
        name: str,
        sequences: Sequence[LabelledFeatures],
        vocabulary: Vocabulary,
        out: Path,
        settings: StreamingSettings,
        data: Path,
        rate: FrameRate = FrameRate(),  # noqa: B008 (frozen)
    ) -> str:
        """Train and export; the report has the tracker's scores in validation."""
        encoder = encoder_sha256(data)
        head, tracker = self.fit(name, sequences, vocabulary, out, settings, rate)
        described = settings.training_data or describe_data([s.name for s in sequences])
        graph = out / HEAD_FILE
        about = encoder, tracker.config, described, rate, tracker.procedure
        difference = export_head(head, graph, vocabulary, *about)
        said = [_describe(tracker, vocabulary)]
        if tracker.procedure is None:
            said += filter(None, [short_confirmation(tracker.config, rate.head_hz)])
        said += filter(None, [describe_outcomes(head, sequences, vocabulary)])
        told = "\n".join(said)
        return f"{told}\n{graph}: differs from torch by at most {difference:.1e}"

    def fit(
        self,
        name: str,
        sequences: Sequence[LabelledFeatures],
        vocabulary: Vocabulary,
        out: Path,
        settings: StreamingSettings,
        rate: FrameRate = FrameRate(),  # noqa: B008 (frozen)
    ) -> tuple[CausalHead, TunedTracker]:
        """Train on the sequences, some of which are kept for validation.

        Returns the head of the last epoch, with the temperature calibrated on the validation
        sequences, and the tracker: as the settings have it, or tuned on them if they say so. They
        choose no epoch: of few recordings the luckiest epoch is hardly the best on others.
        """
        names = [sequence.name for sequence in sequences]
        recorded = {"kind": name, "recordings": names, "settings": _recorded(settings)}
        recorded |= asdict(rate)
        run = TrainingRun(out, recorded, vocabulary, _BEFORE_OUTLOOK)
        chosen, validation = held_out(sequences, settings)
        torch.manual_seed(settings.seed)
        head = self.network(sequences[0].features.shape[1], len(vocabulary.labels), settings.model)
        head.mean, head.std = feature_moments(chosen)
        prepare_outlook(head, chosen, vocabulary)
        taught, kept = (
            [with_progress(s, vocabulary) for s in some] for some in (chosen, validation)
        )
        module = self.losses(head, vocabulary, settings, rate.head_hz)
        late, sigma = settings.model.look_ahead, settings.boundary_sigma
        train_epochs(
            run,
            module,
            settings.optimiser,
            settings.seed,
            batches=lambda random: _epoch(taught, random, settings),
            losses=lambda parts: module.losses(
                make_batch([delayed(part(), late) for part in parts], sigma)
            ),
            # What is written after each epoch; the last one is taken, whatever it says.
            validation=[[partial(replace, sequence)] for sequence in kept],
            score=lambda: _score(
                head, validation, SegmentTracker(vocabulary, settings.tracker), rate
            ),
            groups=module.parameter_groups(),
        )
        _calibrate(head, validation)
        calibrate_outcome(head, validation, vocabulary, rate.head_hz)
        procedure = learn_procedure(chosen, vocabulary, rate.head_hz)
        return head.eval(), _tracker(head, validation, vocabulary, settings, rate, procedure)


def _recorded(settings: StreamingSettings) -> dict[str, Any]:
    plain = settings_to_dict(settings)
    return {key: value for key, value in plain.items() if key not in _LATER}


@torch.no_grad()
def _calibrate(head: CausalHead, sequences: Sequence[LabelledFeatures]) -> None:
    """Set the head's temperature by these sequences, which it was not trained on, if any."""
    if not sequences:
        return
    head.eval()
    late = head.config.look_ahead
    logits = [
        head(torch.from_numpy(delayed(s, late).features)[None], head.zero_states())[0][-1][0]
        for s in sequences
    ]
    answers = torch.cat([members.transpose(0, 1)[late:] for members in logits])
    classes = torch.from_numpy(np.concatenate([s.classes for s in sequences]))
    head.temperature.fill_(best_temperature(answers, classes))


def _tracker(
    head: CausalHead,
    sequences: Sequence[LabelledFeatures],
    vocabulary: Vocabulary,
    settings: StreamingSettings,
    rate: FrameRate,
    procedure: Procedure,
) -> TunedTracker:
    answers = [_answers(head, sequence, rate) for sequence in sequences]
    if not answers:
        return TunedTracker(settings.tracker, *[math.nan] * 5, procedure)
    start, most_delay_s = settings.tracker, settings.tracker_delay_s
    return choose_tracker(answers, vocabulary, start, procedure, most_delay_s)


def _describe(tracker: TunedTracker, vocabulary: Vocabulary) -> str:
    if math.isnan(tracker.f1):
        return "tracker and temperature: as before training, with no validation to choose them on"
    chosen = asdict(tracker.config).items()
    delays = f"{tracker.label_delay_s:.2f} s"
    if vocabulary.has_objects:
        delays = f"{tracker.delay_s:.2f} s of the activity, {delays} of the label"
    how = "by evidence" if tracker.procedure else "by waiting"
    return (
        f"tracker {how}: {', '.join(f'{name} {value:g}' for name, value in chosen)}; on the "
        f"validation recordings F1@50 {tracker.f1:.1f}, {tracker.held:.0f} % of the frames held, "
        f"{tracker.recognised:.0f} % of the actions "
        f"recognised, mean delay over all actions (unrecognised: to their end) {delays}"
        + ("" if tracker.recognised else f"\n{NOTHING_RECOGNISED}")
    )


def _score(
    head: CausalHead,
    sequences: Sequence[LabelledFeatures],
    tracker: SegmentTracker,
    rate: FrameRate,
) -> dict[str, float]:
    """F1@50 by waiting: evidence hides what tells epochs apart."""
    if not sequences:
        return {}
    pairs = []
    for answers in (_answers(head, sequence, rate) for sequence in sequences):
        stamps_ns = nominal_stamps(len(answers.truth), rate.head_hz)
        found = track(tracker, answers.probabilities, answers.boundary, stamps_ns)
        pairs.append((found.published, answers.truth))
    return score_many(pairs)


@torch.no_grad()
def _answers(head: CausalHead, sequence: LabelledFeatures, rate: FrameRate) -> Answers:
    late = head.config.look_ahead
    features = torch.from_numpy(delayed(sequence, late).features)[None]
    probabilities, boundary, _ = head.predict(features, head.zero_states())
    found = probabilities[0, late:].numpy(), boundary[0, late:].numpy()
    told = sequence.name, *found, list(sequence.labels), late, sequence.stamps_ns
    return Answers(*told, rate.head_hz)


def _epoch(
    sequences: Sequence[LabelledFeatures], random: np.random.Generator, settings: StreamingSettings
) -> list[list[Callable[[], LabelledFeatures]]]:
    """Batches of an epoch; what is in them is read and warped once it is called."""
    size, spread = settings.optimiser.batch_size, settings.time_warp
    count = len(sequences)
    orders = [random.permutation(count) for _ in range(settings.rounds(count))]
    drawn = [
        partial(warped, cropped(sequences[i], random), spread, *random.spawn(1))
        for order in orders
        for i in order
    ]
    return [drawn[start : start + size] for start in range(0, len(drawn), size)]
