# SPDX-License-Identifier: Apache-2.0
"""The whole of `m2r2 learn` on tiny recordings: killed, gone on with, and scored on unseen data."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import live_folds
import pytest
from lid_recordings import write_lid_bags

torch = pytest.importorskip("torch")

from tiny_models import write_encoder  # noqa: E402

from m2r2_ros.cli._live import LiveRun  # noqa: E402
from m2r2_ros.cli.main import main  # noqa: E402
from m2r2_ros.datasets.frame_rate import FrameRate  # noqa: E402
from m2r2_ros.datasets.groups import Groups  # noqa: E402
from m2r2_ros.datasets.mstcn import FeatureFolder  # noqa: E402
from m2r2_ros.datasets.source import open_source  # noqa: E402
from m2r2_ros.evaluation.predictions import score_predictions  # noqa: E402
from m2r2_ros.evaluation.segments import segments_from_events  # noqa: E402
from m2r2_ros.experiments.head_predictions import open_head, predict  # noqa: E402
from m2r2_ros.inference.models import Models  # noqa: E402
from m2r2_ros.learning import learn, plan, trial  # noqa: E402
from m2r2_ros.learning.study import open_study  # noqa: E402
from m2r2_ros.offline.deployment import Deployment  # noqa: E402
from m2r2_ros.offline.segmentation import segment_source  # noqa: E402
from m2r2_ros.sensing.layout_file import load_layout  # noqa: E402
from m2r2_ros.training import onnx_export, pretraining  # noqa: E402

GROUPS = {"a": "anna", "b": "anna", "c": "bert", "d": "bert"}


class Sentences:
    """Takes the place of a sentence encoder, which takes seconds to load."""

    dimension = 4

    def __init__(self, name, folder):
        pass

    def store(self, sentences):
        pass

    def __call__(self, sentences):
        letters = [[sentence.count(letter) for letter in "aeiu"] for sentence in sentences]
        return torch.tensor(letters, dtype=torch.float32)


@pytest.fixture(scope="module", autouse=True)
def short():
    """One epoch of everything; that exported graphs are compared is tested elsewhere."""
    values = {"_FEWEST_EPOCHS": 1, "_MOST_EPOCHS": 1, "_HEAD_EPOCHS": 2, "SCRATCH_FROM": 4}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (values | {"_MOST_DELAY_S": 0.0}).items():
            patch.setattr(plan, name, value)
        for name in ("check_encoder", "check_head"):
            patch.setattr(onnx_export, name, lambda *_: 0.0)
        patch.setattr(pretraining, "StoredSentences", Sentences)
        threads = torch.get_num_threads()
        yield
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    return write_lid_bags(tmp_path_factory.mktemp("lid"), GROUPS)


@pytest.fixture(scope="module")
def started_from(bags, tmp_path_factory):
    """Models of another encoder of the same sensor."""
    folder = tmp_path_factory.mktemp("from")
    write_encoder(folder / "encoder.onnx", load_layout(bags / "layout.yaml"))
    return folder


def run(bags: Path, models: Path, *more: object) -> int:
    return main(["learn", str(bags), "--out", str(models), "--workers", "1", *map(str, more)])


@pytest.fixture(scope="module")
def models(bags, started_from, tmp_path_factory):
    """Learned in two starts: the first is killed while the head of the second fold is trained."""
    models, make_head = tmp_path_factory.mktemp("learned") / "models", trial.make_head

    def killed_in_the_second_fold(shop, *arguments):
        if shop.folder.parent.name == "bert" and shop.way == "scratch":
            raise KeyboardInterrupt
        return make_head(shop, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "make_head", killed_in_the_second_fold)
        assert run(bags, models, "--from", started_from) == 130
    assert not (models / "encoder.onnx").exists()
    (first,) = models.glob("work/*/folds/anna/scratch/trial.json")
    (encoder,) = models.glob("work/*/folds/bert/scratch/models/encoder.onnx")
    before = first.stat().st_mtime_ns, encoder.read_bytes()
    assert run(bags, models, "--from", started_from) == 0
    assert (first.stat().st_mtime_ns, encoder.read_bytes()) == before
    return models


def outcome_of(models: Path) -> dict:
    return json.loads((models / "outcome.json").read_text())


def test_no_fold_has_seen_what_it_is_scored_on(models):
    outcome = outcome_of(models)
    assert [fold["name"] for fold in outcome["folds"]] == ["anna", "bert"]
    for fold in outcome["folds"]:
        place = models / "folds" / fold["name"]
        assert json.loads((place / "held_out.json").read_text()) == fold
        trained = Models.load(place).head.metadata.training_data
        assert trained == "2 recordings: " + ("c, d" if fold["name"] == "anna" else "a, b")
        (folder,) = models.glob(f"work/*/folds/{fold['name']}/scratch")
        for part in ("encoder", "head"):
            seen = (folder / part / "settings.yaml").read_text()
            assert not any(f"- {name}\n" in seen for name in fold["recordings"])
    for way in ("frozen", "scratch"):
        trials = [each for each in outcome["trials"] if each["way"] == way]
        assert [one["recording"] for each in trials for one in each["recordings"]] == list(GROUPS)
    assert outcome["ways"]["fine-tuned"].startswith("not tried: an encoder of another size")


def test_the_models_of_all_are_loaded_and_vouched_for(models):
    found = Models.load(models)
    assert found.head.metadata.training_data == "4 recordings: a, ..., d"
    assert found.head.metadata.vocabulary.idle == ("wait",)
    for name in ("model_card.md", "report.html", "report.json"):
        assert (models / name).stat().st_size
    listed = (models / "models.sha256").read_text()
    assert f"{found.encoder.sha256}  encoder.onnx\n" in listed and "  head.onnx\n" in listed


def test_the_card_has_the_scores_of_what_was_held_out_and_no_others(models):
    outcome, card = outcome_of(models), (models / "model_card.md").read_text()
    held_out = score_predictions(
        [
            prediction
            for fold in outcome["folds"]
            for prediction in predict(
                open_head(models / "folds" / fold["name"]),
                FeatureFolder(features_of(models, fold["name"])),
                fold["recordings"],
                FrameRate(10.0),
                ["wait"],
            )
        ]
    )
    assert outcome["scores"]["f1@50"] == pytest.approx(held_out["f1@50"])
    assert re.findall(r"^\| F1@50 \| ([\d.]+) \|", card, re.M) == [f"{held_out['f1@50']:.1f}"]
    assert "have no score" in card


def features_of(models: Path, fold: str) -> Path:
    """Of the way that was chosen in a fold."""
    way = outcome_of(models)["chosen_in"][fold]
    pattern = "work/*/frozen" if way == "frozen" else f"work/*/folds/{fold}/{way}/features"
    (folder,) = models.glob(pattern)
    return folder


def test_what_was_scored_is_what_the_folds_models_publish(bags, models):
    deployment = Deployment.load(bags / "robot.yaml")
    outcome = outcome_of(models)
    chosen = outcome["chosen_in"]["anna"]
    (trial,) = (t for t in outcome["trials"] if (t["fold"], t["way"]) == ("anna", chosen))
    held_out = trial["recordings"][0]
    with open_source(bags / held_out["recording"], deployment.topics) as source:
        found = segment_source(source, Models.load(models / "folds" / "anna"), deployment)
        segments = segments_from_events(found.events, source.start_ns)
    published = [(label, start, end) for label, start, end in held_out["published"]]
    assert [one.label for one in segments] == [label for label, _, _ in published]
    for one, (_, start_s, end_s) in zip(segments, published, strict=True):
        # To a frame: an event is stamped at a frame's end, a label is of the whole frame.
        assert one.start_s == pytest.approx(start_s, abs=0.11)
        assert one.end_s == pytest.approx(end_s, abs=0.11)


@pytest.mark.parametrize("lost, status", [(0, 0), (2, 1)])
def test_what_is_played_live_is_compared_with_what_was_scored(
    bags, models, monkeypatch, capsys, lost, status
):
    deployment = Deployment.load(bags / "robot.yaml")

    def play(setup, on_event):
        with open_source(setup.bag, deployment.topics) as source:
            events = segment_source(source, Models.load(setup.models), deployment).events
        return LiveRun(events[lost:], [], 0)

    monkeypatch.setattr(live_folds, "play_live", play)
    words = [models, "--data", bags, "--config", bags / "robot.yaml", "--all"]
    assert live_folds.main(list(map(str, words))) == status
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said] == [f"{GROUPS[n]}, {n}" for n in GROUPS]
    assert all(line.endswith("the segments that were scored") for line in said) == (not lost)


def test_a_third_start_trains_nothing(bags, models, started_from, monkeypatch):
    def refuse(*_):
        raise AssertionError("nothing is left to train")

    monkeypatch.setattr(trial, "make_encoder", refuse)
    monkeypatch.setattr(learn, "make_encoder", refuse)
    before = outcome_of(models)
    assert run(bags, models, "--from", started_from) == 0
    assert outcome_of(models) | {"seconds": 0} == before | {"seconds": 0}


def test_other_data_begin_anew(bags, models, tmp_path, capsys, monkeypatch):
    other = shutil.copytree(models, tmp_path / "models")
    less = shutil.copytree(bags, tmp_path / "bags")
    shutil.rmtree(less / "d")
    (other / "work" / "mine").mkdir()

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "make_encoder", stop)
    assert run(less, other) == 130
    assert "it begins anew" in capsys.readouterr().err
    (work,) = {each.name for each in (other / "work").iterdir()} - {"cache", "mine", "lock"}
    assert work not in {each.name for each in (models / "work").iterdir()}


@pytest.mark.parametrize("name", [learn._FINAL, learn._FROZEN, learn._SECONDS, learn._FINDINGS])
def test_a_group_may_be_called_as_what_lies_beside_the_folds(bags, tmp_path, name):
    study = open_study(bags, None, None, None)
    study = replace(study, groups=Groups(dict.fromkeys("ab", name) | dict.fromkeys("cd", "bert")))
    learning = learn.Learning(study, bags, tmp_path / "models", 1, print)
    folders = {folder for job in learning.jobs for folder in (job.shop.folder, *job.file.parents)}
    assert learning.dealt.folds[1].name == name
    assert learning.work / name not in folders
