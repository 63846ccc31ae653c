# SPDX-License-Identifier: Apache-2.0
"""A group is on one side: of training and validation, of training and test, of every fold."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import yaml
from foreign_features import DIMENSION, LABELS, write_kitchen

from m2r2_ros.cli.main import main
from m2r2_ros.datasets.groups import Groups
from m2r2_ros.datasets.mstcn import (
    FeatureFolder,
    Split,
    write_mapping,
    write_prediction,
    write_split,
)
from m2r2_ros.evaluation.predictions import Prediction, score_predictions

pytest.importorskip("torch")
from m2r2_ros.experiments.head_training import spread
from m2r2_ros.training.heads.mstcn import MsTcnSettings
from m2r2_ros.training.validation import with_validation

TINY = {"model": {"stages": 1, "layers": 3, "channels": 8}, "optimiser": {"epochs": 1}}
PEOPLE = {
    "rgb-00": "anna",
    "rgb-01": "bert",
    "rgb-02": "anna",
    "rgb-03": "bert",
    "rgb-04": "carl",
    "rgb-05": "carl",
}


def train(folder, out, *more, settings=TINY, head="mstcn", split=("--split", "1")):
    config = folder.parent / f"{head}.yaml"
    config.write_text(yaml.safe_dump(settings))
    place = ["--data", folder, *split, "--head", head, "--out", out, "--config", config]
    return main(["train", *map(str, [*place, "--rate", "5", *more])])


def parts(run) -> tuple[list[str], list[str]]:
    record = yaml.safe_load((run / "settings.yaml").read_text())
    return record["training"], record["validation"]


def test_validation_draws_whole_groups(tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 5, groups=PEOPLE)
    assert train(folder, tmp_path / "run") == 0
    assert "validation on 1 groups: bert, 2 of 4 recordings" in capsys.readouterr().err
    assert parts(tmp_path / "run") == (["rgb-00", "rgb-02"], ["rgb-01", "rgb-03"])
    assert train(folder, tmp_path / "named", "--validation", "anna") == 0
    assert parts(tmp_path / "named") == (["rgb-01", "rgb-03"], ["rgb-00", "rgb-02"])
    assert train(folder, tmp_path / "none", "--validation", "0") == 0
    assert "no validation: all recordings are trained on" in capsys.readouterr().err
    assert parts(tmp_path / "none") == ([f"rgb-0{i}" for i in range(4)], [])


def test_without_groups_recordings_are_drawn_and_named(tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 5)
    assert train(folder, tmp_path / "run") == 0
    assert "kitchen has no groups.csv: each recording is a group" in capsys.readouterr().err
    assert parts(tmp_path / "run")[1] == ["rgb-02"]
    assert train(folder, tmp_path / "named", "--validation", "rgb-00", "rgb-03") == 0
    assert parts(tmp_path / "named") == (["rgb-01", "rgb-02"], ["rgb-00", "rgb-03"])


BAD = {
    "misspelt": (["--validation", "ana"], "no group 'ana' to train on (did you mean 'anna'?)"),
    "of the test": (["--validation", "carl"], "no group 'carl' to train on"),
    "all": (["--validation", "anna", "bert"], "every group is for validation: none is left"),
    "a recording": (["--validation", "rgb-01"], "no group 'rgb-01' to train on"),
    "none and one": (["--validation", "0", "anna"], "no group '0' to train on"),
}


@pytest.mark.parametrize("words, message", BAD.values(), ids=BAD)
def test_groups_that_cannot_validate_are_one_line(words, message, tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 5, groups=PEOPLE)
    assert train(folder, tmp_path / "run", *words) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_group_on_two_sides_is_an_error_that_names_it(tmp_path, capsys):
    folder = write_kitchen(tmp_path / "kitchen", 5, groups=PEOPLE)
    named = TINY | {"validation_recordings": ["rgb-01"]}
    assert train(folder, tmp_path / "run", settings=named) == 2
    said = capsys.readouterr().err
    assert "group 'bert' is in training ('rgb-03') and in validation ('rgb-01')" in said
    write_split(folder, 1, Split(tuple(list(PEOPLE)[:5]), ("rgb-05",)))
    assert train(folder, tmp_path / "run") == 2
    assert (
        "group 'carl' is in training ('rgb-04') and in test ('rgb-05')" in capsys.readouterr().err
    )
    words = ["--data", str(folder), "--split", "1", "--predictions", str(tmp_path / "found")]
    write_mapping(tmp_path / "found", LABELS)
    write_prediction(tmp_path / "found", "rgb-05", FeatureFolder(folder).ground_truth("rgb-05"))
    assert main(["evaluate", *words, "--json", str(tmp_path / "s.json")]) == 0
    assert (
        "group 'carl' is in training ('rgb-04') and in test ('rgb-05')" in capsys.readouterr().err
    )
    other = TINY | {"validation_recordings": ["x"]}
    write_split(folder, 1, Split(tuple(list(PEOPLE)[:4]), tuple(list(PEOPLE)[4:])))
    assert train(folder, tmp_path / "run", settings=other) == 2
    assert "no recording 'x' to validate on" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(50))
def test_no_group_is_on_both_sides_whatever_is_drawn(seed):
    choose = random.Random(seed)
    names = [f"r{i}" for i in range(choose.randrange(3, 30))]
    of = {name: f"g{choose.randrange(1, 8)}" for name in names}
    groups = Groups(of).among(names, "recordings")
    settings = MsTcnSettings(validation=choose.uniform(0.01, 0.9))
    found, said = with_validation(settings, groups, names)
    held_out = set(found.validation_recordings)
    if len(set(of.values())) == 1:
        assert found == settings and "of its own" in said
        return
    assert held_out and held_out < set(names)
    assert {of[n] for n in held_out}.isdisjoint(of[n] for n in set(names) - held_out)
    assert with_validation(settings, groups, choose.sample(names, len(names)))[0] == found
    # Given by hand, the same groups are the same settings: the run goes on.
    given = sorted({of[n] for n in held_out})
    assert with_validation(settings, groups, names, given)[0] == found


def test_folds_leave_each_group_out_and_score_it(tmp_path, capsys):
    folder, out = write_kitchen(tmp_path / "kitchen", 5, groups=PEOPLE), tmp_path / "folds"
    folds = ("--folds",)
    assert train(folder, out, split=folds) == 0
    said = capsys.readouterr()
    assert "3 folds, all recordings at once" in said.out and "mean of the folds" in said.out
    content = json.loads((out / "scores.json").read_text())
    assert content["left_out"] == {
        "anna": ["rgb-00", "rgb-02"],
        "bert": ["rgb-01", "rgb-03"],
        "carl": ["rgb-04", "rgb-05"],
    }
    for group, tested in content["left_out"].items():
        record = yaml.safe_load((out / group / "settings.yaml").read_text())
        learned, validated = record["training"], record["validation"]
        assert sorted([*learned, *validated]) == sorted(set(PEOPLE) - set(tested))
        assert len({PEOPLE[n] for n in learned}) == len({PEOPLE[n] for n in validated}) == 1
        # The fold's own head, scored as `m2r2 evaluate` does.
        rest = tuple(name for name in PEOPLE if name not in tested)
        write_split(folder, 9, Split(rest, tuple(tested)))
        words = ["--data", folder, "--split", 9, "--model", out / group, "--json", out / "x.json"]
        assert main(["evaluate", *map(str, words)]) == 0
        assert json.loads((out / "x.json").read_text()) == pytest.approx(content["folds"][group])
        assert json.loads((out / group / "scores.json").read_text()) == content["folds"][group]
    frames = {
        group: sum(len(FeatureFolder(folder).ground_truth(n)) for n in tested)
        for group, tested in content["left_out"].items()
    }
    right = sum(content["folds"][group]["acc"] * n for group, n in frames.items())
    assert content["pooled"]["acc"] == pytest.approx(right / sum(frames.values()))
    values = [fold["acc"] for fold in content["folds"].values()]
    over = content["spread"]["acc"]
    assert over["mean"] == pytest.approx(np.mean(values))
    assert over["std"] == pytest.approx(np.std(values, ddof=1))
    assert min(values) - 1e-9 <= over["low"] <= over["mean"] <= over["high"] <= max(values) + 1e-9
    # What is done stays done.
    before = (out / "anna" / "checkpoint.safetensors").stat().st_mtime_ns
    assert train(folder, out, split=folds) == 0
    assert (out / "anna" / "checkpoint.safetensors").stat().st_mtime_ns == before
    assert json.loads((out / "scores.json").read_text()) == content


def test_folds_that_cannot_be_are_one_line(tmp_path, capsys):
    two = {name: "anna" if name < "rgb-03" else "bert" for name in PEOPLE}
    folder = write_kitchen(tmp_path / "kitchen", 5, groups=two)
    assert train(folder, tmp_path / "run", split=("--folds",)) == 2
    assert "2 groups: --folds takes three at least" in capsys.readouterr().err
    assert train(folder, tmp_path / "run", "--validation", "anna", split=("--folds",)) == 2
    assert "--validation may be 0, or not given" in capsys.readouterr().err


def test_folds_without_validation_may_be_of_two_groups(tmp_path, capsys):
    two = {name: "anna" if name < "rgb-03" else "bert" for name in PEOPLE}
    folder = write_kitchen(tmp_path / "kitchen", 5, groups=two)
    np.save(folder / "features" / "rgb-99.npy", np.zeros((DIMENSION, 3), np.float32))
    assert train(folder, tmp_path / "run", "--validation", "0", split=("--folds",)) == 0
    assert "1 recordings have no groundTruth: 'rgb-99'" in capsys.readouterr().err
    assert parts(tmp_path / "run" / "anna") == (["rgb-03", "rgb-04", "rgb-05"], [])


def test_a_score_that_a_fold_lacks_has_no_spread():
    truth = ["a"] * 9
    folds = [score_predictions([Prediction("x", truth, truth)]) for _ in range(2)]
    folds[1]["edit"] = None
    found = spread(folds)
    assert "edit" not in found and found["acc"] == dict(mean=100, std=0, low=100, high=100)


def test_a_kill_says_what_is_kept(tmp_path, monkeypatch, capsys):
    from m2r2_ros.training import loop

    folder, out, descend = write_kitchen(tmp_path / "kitchen", 5), tmp_path / "run", loop._descend
    settings = TINY | {"optimiser": {"epochs": 4}}
    left = []

    def killed(*arguments):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return descend(*arguments)

    monkeypatch.setattr(loop, "_descend", killed)
    assert train(folder, out, settings=settings) == 130
    said = capsys.readouterr().err
    assert "run has no finished epoch yet, the same command begins again" in said
    left += [1, 2]
    assert train(folder, out, settings=settings) == 130
    said = capsys.readouterr().err
    assert (
        "interrupted: " in said and "run has 2 finished epochs, and the same command goes" in said
    )
    left += [1] * 4
    assert train(folder, tmp_path / "folds", settings=settings, split=("--folds",)) == 130
    assert "folds has 1 folds, the last with 4 finished epochs" in capsys.readouterr().err
    monkeypatch.setattr(loop, "_descend", descend)
    assert train(folder, out, settings=settings) == 0
