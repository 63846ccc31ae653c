# SPDX-License-Identifier: Apache-2.0
"""How many labelled recordings does it take? Scores against their number, on the same test ones.

    .venv/bin/python tools/effort_curve.py config/effort/real_arm.yaml --train bags/a bags/b \
        --test bags/y bags/z --robot bags/robot.yaml --out out/effort

Every size has as many steps of training (the encoder's: `windows_per_epoch` times epochs), and all
of its recordings train: nothing is kept to choose an epoch, the head's temperature or its tracker.
A draw is a shuffled order of the recordings, of which each size takes the first ones. A way with an
`encoder` takes it as it is, frozen, with `topics` for its sensors in place of the robot file's;
others are settings of `m2r2 pretrain`, which begins at random, or with the encoder.onnx `from`. All
train a causal head. A point that is in OUT/points.json is kept, so that the command can be run
again after an interruption or with more sizes. --plan says what is left to do.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from m2r2_ros.cli.main import run_verb
from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.datasets.labels_file import labels_path
from m2r2_ros.datasets.mstcn import Split, write_split
from m2r2_ros.datasets.vocabulary_file import VOCABULARY_FILE
from m2r2_ros.errors import M2R2Error
from m2r2_ros.learning.stopwatch import Stopwatch
from m2r2_ros.offline.extraction import find_recordings, recording_name
from m2r2_ros.small_files import read_small_text
from m2r2_ros.training.heads.causal import CausalSettings
from m2r2_ros.training.settings_file import extended

SCORES = ("f1@50", "delay_s", "recognised", "acc", "edit", "held_f1@50")
HEAD = CausalSettings()


@dataclass(frozen=True)
class Point:
    """One training: of the first `size` recordings of a draw."""

    way: str
    size: int
    draw: int

    @property
    def name(self) -> str:
        return f"{self.way}-{self.size:02d}-{self.draw}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is left to do; 2 with one line where a command has failed."""
    args = _parser().parse_args(arguments)
    try:
        curve = Curve(args)
        print(curve.plan())
        if not args.plan:
            curve.run()
    except M2R2Error as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("settings", type=Path, help="config/effort/*.yaml")
    parser.add_argument("--train", type=Path, nargs="+", required=True, metavar="RECORDING")
    parser.add_argument("--test", type=Path, nargs="+", required=True, metavar="RECORDING")
    parser.add_argument("--robot", type=Path, help="parameter file: the topics of bags")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plan", action="store_true", help="say what is left, train nothing")
    return parser


class Curve:
    """The points of one data set."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._settings = yaml.safe_load(read_small_text(args.settings))
        self._near = args.settings.parent
        self._train = sorted(find_recordings(args.train), key=recording_name)
        self._test = sorted(find_recordings(args.test), key=recording_name)
        self._out, self._robot = args.out, args.robot
        self._file = args.out / "points.json"
        self._done = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}
        most = max(self._settings["sizes"])
        if most > len(self._train):
            raise M2R2Error(f"{args.settings}: a size of {most}, of {len(self._train)} recordings")

    def plan(self) -> str:
        """Trainings and hours that are left, by what those that are done have taken."""
        rows = []
        for way in self._settings["ways"]:
            done = [p for p in self._done.values() if p["way"] == way]
            # Points of before minutes were counted have none.
            took = [p["minutes"] for p in done if "minutes" in p]
            left = [p for p in self._points() if p.way == way and p.name not in self._done]
            each = f"{np.mean(took):.1f} min each" if took else "not measured yet"
            hours = f", {len(left) * np.mean(took) / 60:.1f} h left" if took else ""
            rows.append(f"{way}: {len(done)} done, {len(left)} left, {each}{hours}")
        return "\n".join(rows)

    def run(self) -> None:
        """Train and score what is left."""
        for point in self._points():
            if point.name in self._done:
                continue
            clock = Stopwatch(self._out / point.name / "seconds")
            try:
                names, scores = self._score(point)
            finally:
                clock.save()
            self._done[point.name] = {
                **vars(point),
                "recordings": names,
                "test": [recording_name(path) for path in self._test],
                "minutes": round(clock.seconds / 60, 2),
                **{name: scores[name] for name in SCORES if name in scores},
            }
            with partial_file(self._file) as file:
                file.write_text(json.dumps(self._done, indent=1) + "\n")
            print(f"{point.name}: F1@50 {scores['f1@50']:.1f}, delay {scores['delay_s']} s")

    def _points(self) -> Iterator[Point]:
        """Whole curves first, so that one is there early."""
        for draw in self._settings["draws"]:
            for way in self._settings["ways"]:
                for size in self._settings["sizes"]:
                    yield Point(way, size, draw)

    def _chosen(self, point: Point) -> list[Path]:
        order = np.random.default_rng(point.draw).permutation(len(self._train))
        return [self._train[index] for index in order[: point.size]]

    def _score(self, point: Point) -> tuple[list[str], dict[str, float]]:
        chosen, folder = self._chosen(point), self._out / point.name
        names = [recording_name(path) for path in chosen]
        told = self._settings["ways"][point.way]
        if "encoder" in told:
            features, split = self._features(told), self._split(point, names)
        else:
            features, split = self._trained(point, told, chosen), 1
        head, epochs = _write(folder / "head.yaml", self._settings["head"]), self._epochs(point)
        data = ("--data", features, "--split", split)
        _run("train", *data, "--head", "causal", "--out", folder / "head", "--config", head,
             "--validation", 0, "--epochs", epochs, "--seed", point.draw)  # fmt: skip
        scores = folder / "scores.json"
        _run("evaluate", *data, "--model", folder / "head", "--json", scores)
        return names, json.loads(scores.read_text("utf-8"))

    def _epochs(self, point: Point) -> int:
        """As many steps as the largest size has."""
        most = _steps(max(self._settings["sizes"]))
        return round(self._settings["head"]["optimiser"]["epochs"] * most / _steps(point.size))

    def _features(self, told: dict[str, Any]) -> Path:
        """Those of an encoder that stays as it is, of all recordings."""
        features, robot = self._out / "frozen" / "features", self._robot
        if "topics" in told:
            values = {"/**": {"ros__parameters": {"topics": told["topics"]}}}
            robot = _write(self._out / "frozen" / "robot.yaml", values)
        self._extract(self._train, Path(told["encoder"]), features, robot)
        return features

    def _split(self, point: Point, names: Sequence[str]) -> int:
        """The number of a split of these recordings in the folder of all features."""
        number = 1000 * point.size + point.draw + 2
        test = tuple(recording_name(path) for path in self._test)
        write_split(self._out / "frozen" / "features", number, Split(tuple(names), test))
        return number

    def _trained(self, point: Point, settings: dict[str, Any], chosen: Sequence[Path]) -> Path:
        folder = self._out / point.name
        encoder = folder / "encoder.onnx"
        if not encoder.exists():
            told = dict(extended(settings, self._near))
            start = ("--from", told.pop("from")) if "from" in told else ()
            config = _write(folder / "encoder.yaml", {**told, "seed": point.draw})
            robot = ("--robot", self._robot) if self._robot else ()
            _run("pretrain", "--encoder", "m2r2", "--data", *chosen, "--validation",
                 self._again(chosen[0]), "--out", folder / "encoder", "--config", config,
                 "--cache", self._out / "cache", *robot, *start)  # fmt: skip
            _run("export", folder / "encoder", "--out", encoder)
        self._extract(chosen, encoder, folder / "features", self._robot)
        return folder / "features"

    def _again(self, recording: Path) -> Path:
        """A training recording under another name: pretraining takes one for validation."""
        folder = self._out / "again"
        folder.mkdir(parents=True, exist_ok=True)
        twin = folder / f"{recording_name(recording)}-again{recording.suffix}"
        links = {twin: recording, labels_path(twin): labels_path(recording)}
        links[folder / VOCABULARY_FILE] = recording.parent / VOCABULARY_FILE
        for link, path in links.items():
            if path.exists() and not link.exists():
                link.symlink_to(path.absolute())
        return twin

    def _extract(
        self, recordings: Sequence[Path], encoder: Path, features: Path, robot: Path | None
    ) -> None:
        given = ("--config", robot) if robot else ()
        _run("extract", *recordings, "--test", *self._test, "--encoder", encoder, "--out", features,
             *given)  # fmt: skip


def _steps(recordings: int) -> int:
    """In an epoch of the head."""
    return math.ceil(HEAD.rounds(recordings) * recordings / HEAD.optimiser.batch_size)


def _write(path: Path, values: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values))
    return path


def _run(verb: str, *words: object) -> None:
    if status := run_verb(verb, list(map(str, words))):
        raise M2R2Error(f"m2r2 {verb} has ended with status {status}: see above")


if __name__ == "__main__":
    sys.exit(main())
