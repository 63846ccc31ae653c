# SPDX-License-Identifier: Apache-2.0
"""How much is trained, and which ways are tried, by the amount of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from m2r2_ros.datasets.groups import Groups
from m2r2_ros.inference.metadata import EncoderMetadata, RoboActMetadata
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.learning.outcome import FINE_TUNED, FROZEN, SCRATCH
from m2r2_ros.networks.m2r2 import M2R2Config
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.training.augmentation import Augmentation
from m2r2_ros.training.heads.causal import CausalSettings
from m2r2_ros.training.loop import spread_evenly
from m2r2_ros.training.settings import OptimiserSettings, PretrainSettings

# Labelled recordings from which on a way is tried where another one is possible.
FINE_TUNED_FROM, SCRATCH_FROM = 4, 8
# Part of the training groups on which epochs, tracker and way are chosen.
VALIDATION = 0.2
# Windows that an encoder sees in training, and between how many epochs they make; a head's epochs.
_WINDOWS = 2400
_FEWEST_EPOCHS, _MOST_EPOCHS = 8, 30
_HEAD_EPOCHS = 60
# What a fine-tuned encoder needs of that.
_FINE_TUNED_PART = 0.5
# The mean delay of the activity that a tracker may have on the recordings that choose it.
_MOST_DELAY_S = 1.0


def tried_ways(
    layout: SensorLayout, recordings: int, started_from: Path | None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The ways to try in this order, and of each why it is tried or not."""
    if started_from is None:
        why_not = "not tried: no --from"
        return (SCRATCH,), {SCRATCH: "tried", FROZEN: why_not, FINE_TUNED: why_not}
    metadata = read_encoder_metadata(started_from)
    said = {FROZEN: _frozen(layout, metadata), FINE_TUNED: _fine_tuned(layout, metadata)}
    if said[FINE_TUNED].startswith("tried") and recordings < FINE_TUNED_FROM:
        said[FINE_TUNED] = f"not tried: {recordings} recordings, {FINE_TUNED_FROM} are needed"
    ways = [way for way, why in said.items() if why.startswith("tried")]
    if ways and recordings < SCRATCH_FROM:
        said[SCRATCH] = f"not tried: {recordings} recordings, {SCRATCH_FROM} are needed"
    else:
        said[SCRATCH] = "tried"
        ways.append(SCRATCH)
    return tuple(ways), said


def shared_sensors(layout: SensorLayout, known: SensorLayout) -> list[str]:
    """Modalities that both have, signals with as many columns."""
    return [
        name
        for name in known.modalities
        if name in layout.modalities
        and (name in layout.signals) == (name in known.signals)
        and (name not in layout.signals or layout.signals[name].width == known.signals[name].width)
    ]


def _frozen(layout: SensorLayout, metadata: EncoderMetadata) -> str:
    """An encoder as it is wants its own sensors; those that are not there are masked."""
    known = metadata.layout
    shared = shared_sensors(layout, known)
    missing = [name for name in known.modalities if name not in shared]
    if 2 * len(shared) < len(known.modalities):
        return (
            f"not tried: {len(shared)} of its {len(known.modalities)} sensors are here, half are "
            f"needed (without {', '.join(missing)})"
        )
    unseen = [name for name in layout.modalities if name not in shared]
    parts = [f"masked: {', '.join(missing)}"] if missing else []
    parts += [f"not seen by it: {', '.join(unseen)}"] if unseen else []
    return "; ".join(["tried", *parts])


def _fine_tuned(layout: SensorLayout, metadata: EncoderMetadata) -> str:
    if isinstance(metadata, RoboActMetadata):
        return "not tried: a RoboAct encoder is used as it is"
    config = M2R2Config()
    sizes = metadata.feature_dimension, metadata.image_size
    if sizes != (config.feature_dimension, (config.image_size, config.image_size)):
        return f"not tried: an encoder of another size ({sizes[0]} numbers a feature)"
    shared = shared_sensors(layout, metadata.layout)
    if not shared:
        return "not tried: it has none of these sensors"
    new = [name for name in layout.modalities if name not in shared]
    return "tried" + (f"; begun anew: {', '.join(new)}" if new else "")


def kept_to_choose(groups: Groups, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the training recordings that epochs, tracker and way are chosen on: whole groups."""
    members = groups.among(names, "training recordings").members(names)
    chosen = spread_evenly(list(members), VALIDATION)
    return tuple(sorted(name for group in chosen for name in members[group]))


def encoder_settings(
    layout: SensorLayout, labels: Mapping[str, tuple[int, float]], way: str
) -> PretrainSettings:
    """For the encoder of a fold or of all; `labels` as in DataFacts."""
    windows = max(1, sum(count for count, _ in labels.values()))
    epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_WINDOWS / windows)))
    if way == FINE_TUNED:
        epochs = max(1, round(epochs * _FINE_TUNED_PART))
    return PretrainSettings(
        layout=layout,
        optimiser=OptimiserSettings(
            epochs=epochs, batch_size=8, learning_rate=1e-3, weight_decay=0.02
        ),
        frame_class_weight=1.0,
        augmentation=Augmentation(force_n=0.3, torque_nm=0.02, position_m=0.01, decibel=3.0),
    )


def head_settings() -> CausalSettings:
    """For the head of a fold or of all."""
    settings = CausalSettings(tracker_delay_s=_MOST_DELAY_S)
    return replace(settings, optimiser=replace(settings.optimiser, epochs=_HEAD_EPOCHS))
