# SPDX-License-Identifier: Apache-2.0
"""The stages behind the paper's tables: each leaves its files and makes only those missing.

encoders/<encoder>/             run folder of `m2r2 pretrain`; cache/ is shared by all;
                                <encoder>-seed<n> where its seed is not the settings'
features/<encoder>/             MS-TCN layout; split 1 tests on test, split 2 on shifted
heads/<row>/<labels>/seed<n>/   run folder of `m2r2 train`
predictions/<row>/...           predictions, as `m2r2 predict` writes them
scores/<row>/...                a JSON file a cell of the table: row, labels, seed, split
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.feature_vocabulary import folder_vocabulary, write_classes
from m2r2_ros.datasets.frame_rate import ASSUMED_HZ, FrameRate
from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    Split,
    read_prediction,
    write_mapping,
    write_prediction,
    write_recording_features,
    write_split,
)
from m2r2_ros.datasets.vocabulary_file import find_vocabulary
from m2r2_ros.errors import M2R2Error, differences, nearest_path
from m2r2_ros.evaluation.predictions import Prediction, score_predictions
from m2r2_ros.experiments.baseline_stage import SIGNALS, BaselineStage
from m2r2_ros.experiments.baselines.methods import BASELINES
from m2r2_ros.experiments.head_predictions import open_head, predict
from m2r2_ros.experiments.paper_figures import Row
from m2r2_ros.experiments.stored_scores import read_stored
from m2r2_ros.inference.models import ENCODER_FILE, HEAD_FILE
from m2r2_ros.offline.extraction import find_recordings, recording_name
from m2r2_ros.offline.extraction_record import stated_rate
from m2r2_ros.parallel.progress import Progress
from m2r2_ros.parallel.spread import Workers
from m2r2_ros.training.head_registry import find_head
from m2r2_ros.training.settings_file import extended, read_values
from m2r2_ros.vocabulary import UNLABELLED, Vocabulary

TRAIN, VALIDATION = "train", "validation"
# Test split -> number of the split in a feature folder.
TEST_SPLITS = {"test": 1, "shifted": 2}
# The encoder with all sensors, which a robot runs.
DEPLOYED = "m2r2"
STAGES_FILE = "stages.json"
# Between the name of an encoder and its seed, where that is not its settings'.
_SEED_MARK = "-seed"
# The entry of settings that is the data set's, whatever the stages say.
_OF_THE_DATA = "validation_recordings"

Scores = dict[str, float | None]

# Runs a verb of the command line on its arguments.
RunVerb = Callable[[str, Sequence[str]], object]


@dataclass(frozen=True)
class Stages:
    """The content of a file config/reproduce/*.yaml.

    encoders  name -> file for `m2r2 pretrain --config`.
    heads     head -> entries of a file for `m2r2 train --config`.
    """

    encoders: Mapping[str, Path] = field(default_factory=dict)
    heads: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Stages:
        """Read a file; its paths become absolute. Raises M2R2Error that names it."""
        content = read_values(path)
        try:
            encoders, heads = content["encoders"], content["heads"]
            files = {name: (path.parent / file).resolve() for name, file in encoders.items()}
            heads = {name: extended(dict(e or {}), path.parent) for name, e in heads.items()}
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise M2R2Error(f"{path}: expected 'encoders' and 'heads' with entries") from error
        for file in files.values():
            if not file.is_file():
                raise M2R2Error(f"{path}: names {file}, which is missing")
        return cls(files, heads)

    def settings(self) -> dict[str, dict[str, Any]]:
        """All that they say, wherever their files are: "encoders" and "heads" by name."""
        encoders = {name: read_values(file) for name, file in self.encoders.items()}
        return {"encoders": encoders, "heads": dict(self.heads)}


class DataSet:
    """Recordings by split: the folders train, validation, test and, if it is there, shifted.

    Raises M2R2Error when one of the first three is missing or empty, or a name is there twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise M2R2Error(f"{path}: no such folder{nearest_path(path)}")
        present = [split for split in TEST_SPLITS if split == "test" or (path / split).is_dir()]
        for split in (TRAIN, VALIDATION, "test"):
            if not (path / split).is_dir():
                raise M2R2Error(f"{path}: has no folder '{split}'")
        self.recordings = {
            split: find_recordings([path / split]) for split in (TRAIN, VALIDATION, *present)
        }
        # Raises when two splits have a recording of the same name.
        find_recordings(list(self.all))
        self.test_splits = present

    @property
    def all(self) -> Iterator[Path]:
        """Every recording."""
        return (recording for found in self.recordings.values() for recording in found)

    def names(self, *splits: str) -> tuple[str, ...]:
        """Names of the recordings of some splits."""
        return tuple(recording_name(r) for split in splits for r in self.recordings[split])


class Reproduction:
    """One folder of results. Raises M2R2Error when it was begun with other recordings or another
    `encoder`, or holds results of a stage whose settings have changed since."""

    def __init__(
        self,
        data: DataSet,
        out: Path,
        stages: Stages,
        encoder: Path | None,
        workers: Workers,
        run_verb: RunVerb,
    ) -> None:
        """`run_verb` runs the stages that are commands of their own."""
        self.data, self.out, self._stages = data, out, stages
        self._run_verb = run_verb
        self._encoder, self._workers = encoder, workers
        self._baselines = BaselineStage(out)
        self._check_begun()

    def of_each_encoder(self, row: Row, seeds: Sequence[int]) -> list[Row]:
        """The row with its encoder trained with each seed; with its settings' where there is none.

        Raises M2R2Error when the stages do not name the encoder.
        """
        if row.encoder == SIGNALS or not seeds:
            return [row]
        own = read_values(self._encoder_settings(row.encoder)).get("seed", 0)
        return [
            row if seed == own else replace(row, encoder=f"{row.encoder}{_SEED_MARK}{seed}")
            for seed in seeds
        ]

    def scores(self, row: Row, level: str, seed: int, split: str) -> Scores:
        """A cell of the table; computed when its file is missing."""
        path = self._place("scores", row, level, seed) / f"{split}.json"
        if read_stored(path) is None:
            predictions = list(self._predict(row, level, seed, split))
            rename = self.vocabulary(row).levels[level]
            scores = score_predictions([p.renamed(rename) for p in predictions])
            folder = self._place("predictions", row, level, seed)
            # A head that streams may say "unknown", which is no class.
            said = {label for prediction in predictions for label in prediction.labels}
            classes = predictions[0].classes
            write_mapping(folder, [*classes, *sorted(said.difference(classes))])
            for prediction in predictions:
                write_prediction(folder, prediction.name, prediction.labels)
            _write_json(path, scores)
        return json.loads(path.read_text("utf-8"))

    def predicted(self, row: Row, seed: int, name: str) -> list[str]:
        """The fine labels that `scores` left for a recording."""
        folder = self._place("predictions", row, "fine", seed)
        return read_prediction(folder, name, FeatureFolder(folder).labels)[0]

    def vocabulary(self, row: Row) -> Vocabulary:
        """What the labels of the data set mean."""
        return folder_vocabulary(self.features(row.encoder)).vocabulary

    def rate(self, row: Row) -> FrameRate:
        """How often the frames of the row's features come."""
        return FrameRate(stated_rate(self.features(row.encoder)) or ASSUMED_HZ)

    def truth(self, row: Row, name: str) -> list[str]:
        """The fine labels of a recording's frames."""
        return self.features(row.encoder).ground_truth(name)

    def features(self, encoder: str) -> FeatureFolder:
        """Features of all recordings; missing ones are computed."""
        folder = self.out / "features" / encoder
        if encoder == SIGNALS:
            self._baselines.read({recording_name(path): path for path in self.data.all})
        elif any(not _is_there(folder, recording_name(r)) for r in self.data.all):
            if encoder.partition(_SEED_MARK)[0] == DEPLOYED:
                self._extract(self._encoder or self._exported(encoder), folder)
            else:
                self._pretrain(encoder)
                self._encode(encoder, folder)
        self._describe(folder)
        return FeatureFolder(folder)

    def _predict(self, row: Row, level: str, seed: int, split: str) -> Iterable[Prediction]:
        folder = self.features(row.encoder)
        names = self.data.names(split)
        if row.head in BASELINES:
            return self._baselines.predict(row.head, names, self.data.names(VALIDATION))
        # The robot runs one head: its coarse labels are those of its fine ones.
        learned = "fine" if find_head(row.head).streams else level
        model = self._place("heads", row, learned, seed)
        # A head that streams writes head.onnx last; the others go on where they were by themselves.
        if not (model / HEAD_FILE).exists():
            self._train(row.head, learned, seed, folder.path, model)
        idle = self.vocabulary(row).idle
        return predict(open_head(model), folder, names, self.rate(row), idle)

    def _train(self, head: str, level: str, seed: int, features: Path, model: Path) -> None:
        settings = self.out / "heads" / f"{head}.yaml"
        validation = list(self.data.names(VALIDATION))
        entries = {**self._head(head), _OF_THE_DATA: validation}
        with partial_file(settings) as temporary:
            temporary.write_text(yaml.safe_dump(entries), "utf-8")
        choice = ["--head", head, "--labels", level, "--seed", str(seed)]
        places = ["--data", str(features), "--split", "1", "--out", str(model)]
        self._run("train", [*choice, *places, "--config", str(settings)])

    def _pretrain(self, encoder: str) -> None:
        config = self._encoder_settings(encoder)
        data = ["--data", str(self.data.path / TRAIN)]
        data += ["--validation", str(self.data.path / VALIDATION)]
        places = [*data, "--out", str(self._run_folder(encoder))]
        shared = ["--cache", str(self._cache), *self._workers.arguments]
        self._run("pretrain", ["--encoder", "m2r2", *places, "--config", str(config), *shared])

    def _encoder_settings(self, encoder: str) -> Path:
        """The stages' file; for another seed one that extends it."""
        name, _, seed = encoder.partition(_SEED_MARK)
        config = self._stages.encoders.get(name)
        if config is None:
            raise M2R2Error(f"the stages name no encoder '{name}'")
        if not seed:
            return config
        settings = self.out / "encoders" / f"{encoder}.yaml"
        with partial_file(settings) as temporary:
            temporary.write_text(yaml.safe_dump({"extends": str(config), "seed": int(seed)}))
        return settings

    def _exported(self, encoder: str) -> Path:
        graph = self._run_folder(encoder) / ENCODER_FILE
        if not graph.exists():
            self._pretrain(encoder)
            self._run("export", [str(self._run_folder(encoder)), "--out", str(graph)])
        return graph

    def _extract(self, graph: Path, folder: Path) -> None:
        """Features of the graph as a robot runs it: a causal head trained on them fits it."""
        places = ["--encoder", str(graph), "--out", str(folder)]
        everything = map(str, self.data.all)
        self._run("extract", [*everything, *places, *self._workers.arguments])

    def _encode(self, encoder: str, folder: Path) -> None:
        """Features of an ablation, from the cache of its training: no picture is decoded again."""
        from m2r2_ros.training.pretraining import cached_features
        from m2r2_ros.training.recordings import labelled_windows

        missing = [r for r in self.data.all if not _is_there(folder, recording_name(r))]
        found = cached_features(
            self._run_folder(encoder), missing, self._cache, labelled_windows, self._workers
        )
        for features in Progress(found, f"features of {encoder}", len(missing)):
            write_recording_features(folder, *features)

    def _describe(self, folder: Path) -> None:
        """The classes and splits of a complete feature folder."""
        truths = [folder / "groundTruth" / f"{recording_name(r)}.txt" for r in self.data.all]
        for path in truths:
            if not path.is_file():
                raise M2R2Error(f"{path}: is missing: the recording has no labels")
        seen = {label for path in truths for label in path.read_text("utf-8").splitlines()}
        write_classes(folder, seen - {UNLABELLED}, (), find_vocabulary(folder))
        training = self.data.names(TRAIN, VALIDATION)
        for split in self.data.test_splits:
            write_split(folder, TEST_SPLITS[split], Split(training, self.data.names(split)))

    def _head(self, name: str) -> dict[str, Any]:
        if name not in self._stages.heads:
            raise M2R2Error(f"the stages name no head '{name}'")
        return dict(self._stages.heads[name])

    def _run(self, verb: str, arguments: Sequence[str]) -> None:
        """A stage that is a command of its own, said so that it can be run by hand."""
        print("m2r2", verb, *arguments)
        self._run_verb(verb, arguments)

    @property
    def _cache(self) -> Path:
        return self.out / "cache"

    def _run_folder(self, encoder: str) -> Path:
        return self.out / "encoders" / encoder

    def _place(self, kind: str, row: Row, level: str, seed: int) -> Path:
        return self.out / kind / row.key / level / f"seed{seed}"

    def _check_begun(self) -> None:
        fixed = {
            "recordings": {split: list(self.data.names(split)) for split in self.data.recordings},
            "encoder": None if self._encoder is None else str(self._encoder.resolve()),
        }
        # As JSON gives them back.
        stages = json.loads(json.dumps(self._stages.settings()))
        path = self.out / STAGES_FILE
        if path.exists():
            try:
                before = json.loads(path.read_text("utf-8"))
                differing = differences({name: before[name] for name in fixed}, fixed)
                changed = _changed(before["stages"], stages)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise M2R2Error(f"{path}: cannot be read: choose another --out") from error
            if differing:
                raise M2R2Error(
                    f"{path}: was begun with other settings ({differing}): choose another --out"
                )
            for result in self._results(*changed):
                raise M2R2Error(
                    f"{result}: was made with other settings: delete it with what came of it, or "
                    "choose another --out"
                )
        _write_json(path, fixed | {"stages": stages})

    def _results(self, encoders: Collection[str], heads: Collection[str]) -> Iterator[Path]:
        """The first thing that is there of each of these stages."""
        # One that was given was trained elsewhere.
        for encoder in set(encoders).difference([DEPLOYED] if self._encoder else []):
            for kind in ("encoders", "features"):
                place = self.out / kind / encoder
                yield from (each for each in (place,) if each.exists())
                yield from place.parent.glob(f"{encoder}{_SEED_MARK}*/")
        for head in heads:
            yield from (self.out / "heads").glob(f"*-{head}")


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[list[str]]:
    """Names of the encoders and of the heads whose settings are no longer the same."""
    return [
        [
            name
            for name, value in before[kind].items()
            if _own_entries(now[kind].get(name, value)) != _own_entries(value)
        ]
        for kind in ("encoders", "heads")
    ]


def _own_entries(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the data set says in their place."""
    return {name: value for name, value in settings.items() if name != _OF_THE_DATA}


def _is_there(folder: Path, name: str) -> bool:
    return all(
        (folder / part).is_file() for part in (f"features/{name}.npy", f"groundTruth/{name}.txt")
    )


def _write_json(path: Path, content: Any) -> None:
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
