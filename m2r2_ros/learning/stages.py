# SPDX-License-Identifier: Apache-2.0
"""The stages of every training: encoder, features, head. Each goes on where it was killed.

FOLDER/encoder/   run of the pretraining, where there is one
FOLDER/features/  as `m2r2 extract` writes them; `m2r2 evaluate --split 1` scores them again
FOLDER/head/      run of the head
FOLDER/models/    encoder.onnx and head.onnx
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.feature_vocabulary import write_classes
from m2r2_ros.datasets.frame_rate import ASSUMED_HZ, FrameRate
from m2r2_ros.datasets.groups import Groups
from m2r2_ros.datasets.mstcn import FeatureFolder, Split, write_recording_features, write_split
from m2r2_ros.errors import M2R2Error
from m2r2_ros.inference.model_file import read_model
from m2r2_ros.inference.models import ENCODER_FILE, HEAD_FILE, open_encoder
from m2r2_ros.inference.tracker_config import TrackerConfig
from m2r2_ros.learning.outcome import FINE_TUNED, FROZEN, SCRATCH
from m2r2_ros.learning.plan import encoder_settings, head_settings
from m2r2_ros.learning.study import Study
from m2r2_ros.offline.extraction import EncoderChoice, ExtractionJob, run_jobs
from m2r2_ros.offline.extraction_record import ExtractionRecord, stated_rate
from m2r2_ros.parallel.progress import Progress, as_part
from m2r2_ros.parallel.spread import Workers
from m2r2_ros.training.head_registry import find_head
from m2r2_ros.training.onnx_export import export_encoder, export_head
from m2r2_ros.training.preparation import Reader
from m2r2_ros.training.pretraining import (
    cached_features,
    load_encoder,
    pretrain,
    read_prepared,
    stored_sentences,
)
from m2r2_ros.training.recordings import cache_of, labelled_windows
from m2r2_ros.training.run import best_metrics, describe_data
from m2r2_ros.training.sequences import read_sequences

HEAD = "causal"


@dataclass(frozen=True)
class Workshop:
    """Where one training is made, and of which groups.

    cache   prepared recordings, shared by all trainings.
    frozen  features of all recordings by an encoder as it is, shared too.
    like    features that say how often frames come, where those of this training do not.
    """

    study: Study
    groups: Groups
    way: str
    folder: Path
    cache: Path
    frozen: Path
    like: Path | None = None

    @property
    def models(self) -> Path:
        """What the nodes could load."""
        return self.folder / "models"

    @property
    def features(self) -> Path:
        """Those that the head is trained on."""
        return self.frozen if self.way == FROZEN else self.folder / "features"

    @property
    def rate(self) -> FrameRate:
        """Of the features."""
        return FrameRate(stated_rate(FeatureFolder(self.like or self.features)) or ASSUMED_HZ)


@dataclass(frozen=True)
class HeadChoices:
    """What was chosen on the recordings that are kept for it, beside the head's epoch."""

    temperature: float
    tracker: TrackerConfig
    by_evidence: bool


def make_encoder(shop: Workshop, names: Sequence[str], kept: Sequence[str], epochs: int = 0) -> int:
    """Write encoder.onnx, trained on these recordings; some are `kept` to choose the epoch on.

    Without any, it is trained for so many `epochs`. Returns the epoch, 0 where nothing is trained.
    """
    study, graph, run = shop.study, shop.models / ENCODER_FILE, shop.folder / "encoder"
    if shop.way == FROZEN:
        with partial_file(graph) as temporary:
            shutil.copyfile(study.started_from, temporary)
        return 0
    settings = encoder_settings(study.layout, study.facts.labels, shop.way)
    optimiser = replace(settings.optimiser, epochs=epochs or settings.optimiser.epochs)
    validation = {"validation": 0.0, "validation_recordings": tuple(kept)}
    settings = replace(settings, optimiser=optimiser, **validation)
    start = study.started_from if shop.way == FINE_TUNED else None
    read, cache = _prepared(study, shop.cache)
    pretrain(study.paths(names), run, settings, read, cache, start_from=start)
    if not graph.exists():
        export_encoder(*load_encoder(run)[:1], graph, describe_data(list(names)))
    return int(best_metrics(run)["epoch"]) + 1


def make_features(shop: Workshop, names: Sequence[str], held_out: Sequence[str]) -> None:
    """Write the features of these recordings, and of those that are held out.

    The former come from the prepared recordings, and differ by their half precision; the latter are
    those of the nodes, bit for bit.
    """
    if shop.way == FROZEN:
        return
    study, folder = shop.study, shop.features
    extract_exactly(study, shop.models / ENCODER_FILE, held_out, folder)
    missing = [n for n in names if not (folder / "groundTruth" / f"{n}.txt").exists()]
    paths = study.paths(missing)
    read, cache = _prepared(study, shop.cache)
    made = cached_features(shop.folder / "encoder", paths, cache, read)
    for name, features, labels in Progress(made, "features", len(missing)):
        write_recording_features(folder, name, features, labels)
    write_classes(folder, study.vocabulary.labels, (), study.vocabulary)
    if held_out:
        write_split(folder, 1, Split(tuple(names), tuple(held_out)))


def extract_exactly(
    study: Study, graph: Path, names: Sequence[str], folder: Path, workers: int = 1
) -> None:
    """The features of these recordings, as `m2r2 extract` does. Raises M2R2Error."""
    encoder = open_encoder(graph)
    provider, deployment = encoder.providers[0], study.deployment
    record = ExtractionRecord(folder, encoder, provider, 1, deployment, study.vocabulary)
    choice = EncoderChoice(graph.absolute(), encoder.sha256, provider)
    jobs = [ExtractionJob(path, choice, study.robot) for path in study.paths(names)]
    pending = [job for job in jobs if not record.has(job)]
    with record:
        for done in run_jobs(pending, Workers(workers)):
            if done.error:
                raise M2R2Error(f"{done.piece.name}: {done.error}")
            record.add(done.result)
    write_classes(folder, study.vocabulary.labels, (), study.vocabulary)


def make_head(
    shop: Workshop,
    names: Sequence[str],
    kept: Sequence[str],
    epochs: int = 0,
    chosen: HeadChoices | None = None,
) -> HeadChoices:
    """Write head.onnx, trained on these recordings as `make_encoder` trains.

    Where none are kept, the choices are those that are given as `chosen`.
    """
    settings = replace(head_settings(), validation=0.0, validation_recordings=tuple(kept))
    if epochs:
        settings = replace(settings, optimiser=replace(settings.optimiser, epochs=epochs))
    about = shop.study.vocabulary, "fine", shop.rate
    with as_part(0.0, 0.02):
        sequences, learned = read_sequences(FeatureFolder(shop.features), list(names), *about)
    with as_part(0.02, 0.98):
        run = shop.folder / "head"
        head, tracker = find_head(HEAD).fit(HEAD, sequences, learned, run, settings, shop.rate)
    if chosen is None:
        decided = tracker.procedure is not None
        chosen = HeadChoices(float(head.temperature), tracker.config, decided)
    head.temperature.fill_(chosen.temperature)
    sha256 = read_model(shop.models / ENCODER_FILE).sha256
    procedure = tracker.procedure if chosen.by_evidence else None
    told = sha256, chosen.tracker, describe_data(list(names)), shop.rate, procedure
    export_head(head, shop.models / HEAD_FILE, learned, *told)
    return chosen


def prepare(study: Study, cache: Path, workers: int) -> None:
    """Prepare all recordings, and embed their sentences, for every training that is not frozen."""
    settings = encoder_settings(study.layout, study.facts.labels, SCRATCH)
    read, place = _prepared(study, cache)
    paths = list(study.recordings.values())
    recordings = read_prepared(paths, settings, place, read, Workers(workers))
    stored_sentences(settings, recordings, place)


def _prepared(study: Study, cache: Path) -> tuple[Reader, Path]:
    """How recordings are read for training, and where they are kept when they are prepared."""
    deployment = study.deployment
    return partial(labelled_windows, robot=deployment), cache_of(cache, deployment)
