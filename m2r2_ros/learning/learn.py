# SPDX-License-Identifier: Apache-2.0
"""From labelled recordings to models, scored on what they have not seen.

OUT/work/cache/              prepared recordings
OUT/work/DIGEST/             all that is made on the way, anew where data or labels have changed:
    folds/FOLD/WAY/, final/  a training each (`stages.py`)
    frozen/                  features of an encoder that is not trained
    findings.json            what the checks have found
    seconds                  how long all has taken, over all starts
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from m2r2_ros.errors import M2R2Error
from m2r2_ros.evaluation.predictions import score_predictions
from m2r2_ros.experiments.head_training import spread
from m2r2_ros.inference.models import HEAD_FILE
from m2r2_ros.inference.onnx_metadata import read_encoder_metadata
from m2r2_ros.learning.card import write_card
from m2r2_ros.learning.choice import Choice, choose_way, final_choices, final_epochs
from m2r2_ros.learning.findings import Finding
from m2r2_ros.learning.folds import Dealt, deal_folds
from m2r2_ros.learning.looking import find_problems
from m2r2_ros.learning.one_run import alone_in
from m2r2_ros.learning.outcome import FROZEN, OUTCOME_FILE, WAYS, LearningOutcome, Trial
from m2r2_ros.learning.plan import encoder_settings, head_settings, tried_ways
from m2r2_ros.learning.publication import (
    REPORT_FILE,
    check_place,
    publish_folds,
    publish_models,
)
from m2r2_ros.learning.reckoning import Reckoning
from m2r2_ros.learning.report import write_report
from m2r2_ros.learning.stages import (
    HeadChoices,
    Workshop,
    extract_exactly,
    make_encoder,
    make_features,
    make_head,
    prepare,
)
from m2r2_ros.learning.stopwatch import Stopwatch
from m2r2_ros.learning.study import Study
from m2r2_ros.learning.trial import TrialJob, held_out_predictions, read_trial, run_trial
from m2r2_ros.learning.whole_progress import WholeProgress
from m2r2_ros.parallel.processes import told_in_processes
from m2r2_ros.training.settings import settings_to_dict

WORK_FOLDER, CACHE_FOLDER = "work", "cache"
_FINDINGS, _MARK = "findings.json", ".m2r2_learn"
# A group is called as its user likes: folds have a folder of their own.
_FOLDS, _FINAL, _FROZEN, _SECONDS = "folds", "final", "frozen", "seconds"


@dataclass(frozen=True)
class Learning:
    """One study into one models folder, by `workers` processes.

    say      is told what to know.
    command  the words of the command, for the card.
    """

    study: Study
    data: Path
    out: Path
    workers: int
    say: Callable[[str], None]
    command: tuple[str, ...] = ()

    def run(self) -> LearningOutcome:
        """Do what is left to do. Raises M2R2Error."""
        check_place(self.out)
        with alone_in(self.work.parent):
            return self._run()

    def _run(self) -> LearningOutcome:
        self._begin_anew()
        self.say(self.dealt.rule)
        for way, why in self.ways[1].items():
            self.say(f"{way}: {why}")
        for line in self._notes:
            self.say(line)
        left = [job for job in self.jobs if not job.file.exists()]
        shares = self._reckoning.side_by_side([job.seconds for job in self.jobs])
        pending = [s for s, job in zip(shares, self.jobs, strict=True) if not job.file.exists()]
        whole_s = self._reckoning.reading_s + self._reckoning.final_s + sum(shares)
        progress = WholeProgress(whole_s, sum(shares) - sum(pending))
        clock = Stopwatch(self.work / _SECONDS)
        try:
            findings = self._look(progress)
            with progress.stage("reading", self._reckoning.preparing_s):
                self._read()
            with progress.stages("folds", pending) as listener:
                for _ in told_in_processes(run_trial, left, self.workers, listener):
                    clock.save()
            made = [read_trial(job.file) for job in self.jobs]
            choice = choose_way([trial for trial, _ in made])
            with progress.stage("all recordings", self._reckoning.final_s):
                epochs = self._train_on_all(choice.way, made)
        finally:
            progress.close()
        clock.save()
        outcome = self._outcome(choice, [trial for trial, _ in made], epochs, clock.seconds)
        self._write(outcome, findings)
        return outcome

    def _write(self, outcome: LearningOutcome, findings: Sequence[Finding]) -> None:
        """The models, and what is said of them; first what marks the folder as learned."""
        outcome.write(self.out / OUTCOME_FILE)
        publish_folds(
            [(job.fold, job.shop.models) for job in self._of(outcome.chosen_in)], self.out
        )
        publish_models(self.work / _FINAL / "models", self.out)
        write_card(self.out, outcome, findings, self.command)
        write_report(self.out / REPORT_FILE, outcome, findings, self.study.vocabulary)

    def _look(self, progress: WholeProgress) -> list[Finding]:
        """What is wrong with the recordings. Raises M2R2Error where nothing can be learned."""
        with progress.stages("checking", self._reckoning.checking_s) as listener:
            file = self.work / _FINDINGS
            findings = find_problems(self.study, file, self.workers, listener)
        for finding in findings:
            self.say(str(finding))
        fatal = next((finding for finding in findings if finding.fatal), None)
        if fatal is not None:
            raise M2R2Error(f"{self.data}: nothing can be learned: {fatal}")
        return findings

    @cached_property
    def work(self) -> Path:
        """What is made on the way, of these data with these settings."""
        layout, labels = self.study.layout, self.study.facts.labels
        settings = [encoder_settings(layout, labels, way) for way in WAYS] + [head_settings()]
        text = json.dumps([self.study.digest, *map(settings_to_dict, settings)])
        return self.out / WORK_FOLDER / hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def dealt(self) -> Dealt:
        """The folds."""
        return deal_folds(self.study.groups, self.study.facts.minutes)

    @cached_property
    def ways(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Those that are tried, and of each why."""
        study = self.study
        return tried_ways(study.layout, len(study.recordings), study.started_from)

    @cached_property
    def jobs(self) -> list[TrialJob]:
        """Every way in every fold."""
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        return [
            TrialJob(
                self._shop(way, self.work / _FOLDS / fold.name / way),
                fold,
                self._reckoning.costs,
                threads,
            )
            for fold in self.dealt.folds
            for way in self.ways[0]
        ]

    @cached_property
    def _reckoning(self) -> Reckoning:
        return Reckoning(self.study, self.ways[0], self.workers)

    def _shop(self, way: str, folder: Path) -> Workshop:
        cache = self.out / WORK_FOLDER / CACHE_FOLDER
        return Workshop(self.study, self.dealt.groups, way, folder, cache, self.work / _FROZEN)

    def _of(self, chosen_in: Mapping[str, str]) -> list[TrialJob]:
        """Each fold by the way that was chosen in it."""
        return [job for job in self.jobs if chosen_in[job.fold.name] == job.shop.way]

    def _begin_anew(self) -> None:
        """Remove what was made of other data, so that runs do not pile up."""
        # What lacks the mark is somebody else's.
        marked = [mark.parent for mark in self.work.parent.glob(f"*/{_MARK}")]
        others = [folder for folder in marked if folder != self.work]
        for other in others:
            shutil.rmtree(other)
        if others:
            self.say("data, labels or settings have changed since the last run: it begins anew")
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / _MARK).touch()

    def _read(self) -> None:
        study, shop = self.study, self._shop(FROZEN, self.work)
        if set(self.ways[0]) - {FROZEN}:
            prepare(study, shop.cache, self.workers)
        if FROZEN in self.ways[0]:
            names = list(study.recordings)
            extract_exactly(study, study.started_from, names, shop.frozen, self.workers)

    def _train_on_all(self, way: str, made: Sequence[tuple[Trial, HeadChoices]]) -> tuple[int, int]:
        """As long as the folds say. Returns the epochs of encoder and head."""
        chosen = [(trial, choices) for trial, choices in made if trial.way == way]
        epochs = final_epochs([trial for trial, _ in chosen])
        names, like = list(self.study.recordings), self.jobs[0].shop.features
        shop = replace(self._shop(way, self.work / _FINAL), like=like)
        if (shop.models / HEAD_FILE).exists():
            return epochs
        torch.set_num_threads(self.workers)
        make_encoder(shop, names, (), epochs[0])
        make_features(shop, names, ())
        make_head(shop, names, (), epochs[1], final_choices([each for _, each in chosen]))
        return epochs

    def _outcome(
        self, choice: Choice, trials: Sequence[Trial], epochs: tuple[int, int], seconds: float
    ) -> LearningOutcome:
        predictions = [one for job in self._of(choice.in_fold) for one in held_out_predictions(job)]
        own = [t.scores for t in trials if t.way == choice.in_fold[t.fold]]
        return LearningOutcome(
            data=str(self.data),
            models=str(self.out),
            facts=self.study.facts,
            fold_rule=self.dealt.rule,
            folds=self.dealt.folds,
            ways=self.ways[1],
            trials=tuple(trials),
            chosen=choice.way,
            reason=choice.reason,
            chosen_in=choice.in_fold,
            scores=score_predictions(predictions),
            spread=spread(own),
            final_epochs=epochs,
            seconds=seconds,
            started_from=str(self.study.started_from or ""),
            notes=self._notes,
        )

    @property
    def _notes(self) -> tuple[str, ...]:
        """What makes scores too good."""
        started = self.study.started_from
        if started is None:
            return ()
        described = read_encoder_metadata(started).training_data
        # As `describe_data` writes it.
        named = described.partition(": ")[2].split(", ")
        if self.study.recordings.keys().isdisjoint(named):
            return ()
        return (f"{started}: was trained on {described}: it may have seen what is held out",)
