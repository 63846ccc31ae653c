# SPDX-License-Identifier: Apache-2.0
"""`m2r2 reproduce`: recordings in, the paper's tables out, and only what is missing is done."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from recordings import recording
from tiny_models import write_encoder

from m2r2_ros.cli import main as command
from m2r2_ros.cli.main import main
from m2r2_ros.datasets.mstcn import FeatureFolder
from m2r2_ros.datasets.reassemble_writer import write_recording
from m2r2_ros.datasets.recording import Action
from m2r2_ros.evaluation.metrics import score_many
from m2r2_ros.experiments import reproduction
from m2r2_ros.experiments.baselines.baseline_signals import read_wrench
from m2r2_ros.experiments.paper_figures import METRICS, TABLES
from m2r2_ros.experiments.result_table import summarised, table_json, table_markdown
from m2r2_ros.sensing.layout import SensorLayout
from m2r2_ros.shipped import shipped
from m2r2_ros.training.settings import PretrainSettings, load_settings

SPLITS = {"train": ("a", "b"), "validation": ("c",), "test": ("d",), "shifted": ("e",)}
STAGES = """
encoders: {}
heads:
  mstcn: {optimiser: {epochs: 1}, model: {stages: 2, layers: 2, channels: 8}}
  causal: {optimiser: {epochs: 1}, model: {layers: 2, channels: 8}}
"""
ACTIONS = (
    Action(0.0, 1.0, "No action."),
    Action(1.0, 2.0, "Pick USB."),
    Action(2.0, 2.9, "Insert USB."),
)
ROWS = ("signals-bocpd", "signals-awe", "m2r2-mstcn")
CAUSAL = "M2R2 + causal head, as published on the robot"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproduce")
    for split, names in SPLITS.items():
        for name in names:
            data = recording(3.0, name, cameras=("hama1",))
            data.actions[:] = ACTIONS
            if split == "validation":
                data.actions[1:2] = [Action(1.0, 1.5, "Pick USB."), Action(1.5, 2.0, "No action.")]
            write_recording(folder / "data" / split / f"{name}.h5", data)
    write_encoder(folder / "encoder.onnx", SensorLayout(cameras=("hama1",)))
    (folder / "stages.yaml").write_text(STAGES)
    return folder


def reproduce(
    place: Path, out: Path, *more: object, data: Path | None = None, table: str = "table1"
) -> int:
    arguments = [table, "--data", data or place / "data", "--out", out]
    arguments += ["--config", place / "stages.yaml", "--encoder", place / "encoder.onnx", *more]
    return main(["reproduce", *map(str, arguments)])


@pytest.fixture(scope="module")
def out(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    assert reproduce(place, folder, "--rows", "m2r2-causal") == 0
    (folder / "table1.json").rename(folder / "causal.json")
    assert reproduce(place, folder, "--seeds", "0,1", "--rows", *ROWS) == 0
    return folder


def test_the_table_has_every_cell_of_both_test_splits(out):
    content = json.loads((out / "table1.json").read_text())
    assert list(content["splits"]) == ["test", "shifted"]
    for rows in content["splits"].values():
        assert len(rows) == len(ROWS)
        for name, levels in rows.items():
            seeds = 1 if name in ("BOCPD", "AWE") else 2
            assert set(levels) == ({"fine"} if seeds == 1 else {"fine", "coarse"})
            for summary in levels.values():
                assert set(METRICS) <= set(summary)
                for metric in METRICS:
                    entry = summary[metric]
                    assert len(entry["values"]) == seeds
                    assert entry["mean"] == pytest.approx(sum(entry["values"]) / seeds)
                    assert (entry["std"] is None) == (seeds == 1)


def test_the_causal_head_is_trained_once_and_has_a_delay(out):
    rows = json.loads((out / "causal.json").read_text())["splits"]
    assert all({"fine", "coarse"} == set(rows[split][CAUSAL]) for split in ("test", "shifted"))
    assert "delay_s" in rows["test"][CAUSAL]["fine"]
    assert [path.name for path in (out / "heads" / "m2r2-causal").iterdir()] == ["fine"]


def test_cells_are_the_scores_of_the_predictions_beside_them(out):
    folder = FeatureFolder(out / "features" / "m2r2")
    for split, number in (("test", 1), ("shifted", 2)):
        place = out / "predictions" / "m2r2-mstcn" / "fine" / "seed1" / "predictions"
        pairs = [
            ((place / f"{name}.txt").read_text().splitlines(), folder.ground_truth(name))
            for name in folder.split(number).test
        ]
        cell = out / "scores" / "m2r2-mstcn" / "fine" / "seed1" / f"{split}.json"
        scores, expected = json.loads(cell.read_text()), score_many(pairs)
        assert {name: scores[name] for name in expected} == pytest.approx(expected)


def test_frames_of_features_and_signals_are_the_same(out):
    for name in "abcde":
        truths = [
            FeatureFolder(out / "features" / kind).ground_truth(name)
            for kind in ("m2r2", "signals")
        ]
        assert truths[0] == truths[1]


def test_validation_recordings_are_those_of_the_data_set(out):
    settings = (out / "heads" / "m2r2-mstcn" / "fine" / "seed0" / "settings.yaml").read_text()
    assert "validation:\n- c\n" in settings
    assert "training:\n- a\n- b\n" in settings


def test_baselines_are_tuned_on_the_validation_recordings(out):
    """By the mean length of the true segments, which is shorter there than in any other split.

    It counts samples of the wrench, of which a frame of 0.1 s has 30.
    """
    folder = FeatureFolder(out / "features" / "signals")
    lengths = {}
    for split, names in SPLITS.items():
        truths = [folder.ground_truth(name) for name in names]
        segments = sum(len(list(itertools.groupby(truth))) for truth in truths)
        wrench = [read_wrench(folder.path / "wrench" / f"{name}.npz")[0] for name in names]
        assert sum(map(len, wrench)) == pytest.approx(30 * sum(map(len, truths)), rel=0.1)
        lengths[split] = sum(map(len, wrench)) / segments
    tuned = json.loads((out / "heads" / "bocpd.json").read_text())["mean_length"]
    assert [split for split in SPLITS if lengths[split] == tuned] == ["validation"]


def test_the_text_says_that_it_is_another_data_set_and_shows_the_papers_figures(out):
    text = (out / "table1.md").read_text()
    assert "**Not REASSEMBLE.**" in text
    assert text.count("*paper, REASSEMBLE*") == 2 * 3
    assert "*80.8*" in text and "±" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {14}


def test_timelines_of_every_method(out):
    assert {path.name for path in (out / "timelines").iterdir()} == {
        f"{name}{ending}" for name in "de" for ending in (".png", ".svg")
    }


def test_a_second_run_computes_only_what_is_missing(place, out, monkeypatch):
    cell = out / "scores" / "signals-awe" / "fine" / "seed0" / "test.json"
    before, table = cell.read_text(), (out / "table1.json").read_text()
    done = []
    monkeypatch.setattr(command, "call_verb", lambda verb, _: done.append(verb))
    assert reproduce(place, out, "--seeds", "0,1", "--rows", *ROWS) == 0
    assert done == []
    cell.unlink()
    assert reproduce(place, out, "--seeds", "0,1", "--rows", *ROWS) == 0
    assert done == []
    assert cell.read_text() == before
    same = (out / "table1.json").read_text() == table
    assert same


def test_without_an_encoder_the_robots_is_pretrained_and_exported_once(
    place, tmp_path, monkeypatch
):
    real, done = command.call_verb, {}

    def pretend_training(verb, arguments):
        done[verb] = arguments
        if verb == "export":
            run, _, graph = map(Path, arguments)
            assert graph.parent == run and not graph.exists()
            shutil.copy(place / "encoder.onnx", run)
        elif verb == "pretrain":
            Path(arguments[arguments.index("--out") + 1]).mkdir(parents=True)
        else:
            return real(verb, arguments)
        return 0

    (tmp_path / "m2r2.yaml").touch()
    (tmp_path / "stages.yaml").write_text(
        STAGES.replace("encoders: {}", "encoders: {m2r2: m2r2.yaml}")
    )
    monkeypatch.setattr(command, "call_verb", pretend_training)
    arguments = ["table1", "--data", place / "data", "--out", tmp_path / "out"]
    arguments += ["--config", tmp_path / "stages.yaml", "--rows", "m2r2-mstcn"]
    assert main(["reproduce", *map(str, arguments)]) == 0
    assert list(done) == ["pretrain", "export", "extract", "train"]
    given = dict(itertools.pairwise(done["pretrain"]))
    assert given["--data"] == str(place / "data" / "train")
    assert given["--validation"] == str(place / "data" / "validation")
    graph = str(tmp_path / "out" / "encoders" / "m2r2" / "encoder.onnx")
    assert dict(itertools.pairwise(done["extract"]))["--encoder"] == graph
    done.clear()
    assert main(["reproduce", *map(str, arguments)]) == 0
    assert not done


def test_each_seed_of_an_encoder_is_a_run_of_its_own(place, tmp_path, monkeypatch):
    """The settings' own seed is the encoder that the other tables have."""
    trained = []

    def pretend_training(verb, arguments):
        given = dict(itertools.pairwise(arguments))
        trained.append((verb, Path(given["--out"]).name))
        if verb == "pretrain":
            settings = load_settings(PretrainSettings, Path(given["--config"]))
            trained[-1] += (settings.seed, settings.boundary_weight)
        elif verb == "export":
            shutil.copy(place / "encoder.onnx", given["--out"])
            return 0
        else:
            return real(verb, arguments)
        Path(given["--out"]).mkdir(parents=True)
        return 0

    real = command.call_verb
    (tmp_path / "own.yaml").write_text("{seed: 3, boundary_weight: 0.5}")
    stages = STAGES.replace("encoders: {}", "encoders: {m2r2: own.yaml}")
    (tmp_path / "stages.yaml").write_text(stages)
    monkeypatch.setattr(command, "call_verb", pretend_training)
    arguments = ["objective", "--data", place / "data", "--out", tmp_path / "out", "--seeds", "0,1"]
    arguments += ["--config", tmp_path / "stages.yaml", "--encoder-seeds", "4,3"]
    arguments += ["--rows", "m2r2-mstcn"]
    assert main(["reproduce", *map(str, arguments)]) == 0
    assert [each[1:] for each in trained if each[0] == "pretrain"] == [
        ("m2r2-seed4", 4, 0.5),
        ("m2r2", 3, 0.5),
    ]
    table = json.loads((tmp_path / "out" / "objective.json").read_text())
    (row,) = table["splits"]["test"].values()
    assert len(row["fine"]["acc"]["values"]) == 4 and table["data"]["encoder_seeds"] == 2
    assert "the encoder with 2 seeds" in (tmp_path / "out" / "objective.md").read_text()
    trained.clear()
    assert main(["reproduce", *map(str, arguments)]) == 0
    assert trained == []
    (tmp_path / "own.yaml").write_text("{seed: 3, boundary_weight: 0.25}")
    shutil.rmtree(tmp_path / "out" / "encoders" / "m2r2")
    shutil.rmtree(tmp_path / "out" / "features" / "m2r2")
    assert main(["reproduce", *map(str, arguments)]) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--encoder-seeds", "1"), "--encoder-seeds is for encoders that"),
        (("--seeds", "0,zero"), "--seeds must be"),
        (("--seeds", "1,1"), "--seeds must be different"),
        (("--rows", "m2r2-asfr"), "no row 'm2r2-asfr' (did you mean 'm2r2-asrf'?)"),
        (("--rows", "br_prompt-diffact"), "the stages name no encoder 'br_prompt'"),
        (("--rows", "m2r2-asrf"), "the stages name no head 'asrf'"),
        (("--encoder", "/nowhere.onnx"), "/nowhere.onnx: no such file"),
        (("--config", "/nowhere.yaml"), "cannot read /nowhere.yaml"),
        (("--head", "asrf"), "--head is for table2"),
    ],
)
def test_bad_arguments_are_one_clear_line(place, out, capsys, more, message):
    assert reproduce(place, out, *more) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert message in error[-1]


def test_results_of_other_settings_are_refused_by_name(place, out, tmp_path, capsys):
    (tmp_path / "stages.yaml").write_text(
        STAGES.replace("channels: 8}}\n  causal", "channels: 9}}\n  causal")
    )
    assert reproduce(place, out, "--config", tmp_path / "stages.yaml") == 2
    error = capsys.readouterr().err
    assert f"{out / 'heads' / 'm2r2-mstcn'}: was made with other settings: delete it" in error


def test_what_stages_once_said_of_the_data_changes_nothing(place, out, tmp_path, monkeypatch):
    """Validation recordings are the data set's; older stages named some, without effect."""
    stages = yaml.safe_load(STAGES)
    for entries in stages["heads"].values():
        entries["validation_recordings"] = ["of another data set"]
    (tmp_path / "stages.yaml").write_text(yaml.safe_dump(stages))
    monkeypatch.setattr(command, "call_verb", lambda verb, _: pytest.fail(verb))
    more = ("--config", tmp_path / "stages.yaml", "--seeds", "0,1", "--rows", *ROWS)
    assert reproduce(place, out, *more) == 0


def test_settings_may_change_until_something_was_made_with_them(place, out, tmp_path, monkeypatch):
    (tmp_path / "more.yaml").write_text("seed: 3")
    (tmp_path / "stages.yaml").write_text(
        STAGES.replace("encoders: {}", "encoders: {only_audio: more.yaml}")
        + "  diffact: {optimiser: {epochs: 9}}"
    )
    monkeypatch.setattr(command, "call_verb", lambda verb, _: pytest.fail(verb))
    more = ("--seeds", "0,1", "--rows", *ROWS)
    assert reproduce(place, out, "--config", tmp_path / "stages.yaml", *more) == 0
    (tmp_path / "more.yaml").write_text("seed: 4")
    assert reproduce(place, out, "--config", tmp_path / "stages.yaml", *more) == 0
    (out / "encoders" / "only_audio").mkdir(parents=True)
    (tmp_path / "more.yaml").write_text("seed: 5")
    assert reproduce(place, out, "--config", tmp_path / "stages.yaml", *more) == 2
    (out / "encoders" / "only_audio").rmdir()


def test_scores_of_an_earlier_bocpd_are_refused_by_name(place, out, tmp_path, capsys):
    shutil.copytree(out, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "features" / "signals" / "wrench")
    assert reproduce(place, tmp_path / "out", "--rows", *ROWS) == 2
    assert "scores/signals-bocpd: was made of a mean of the wrench" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "out" / "scores" / "signals-bocpd")
    assert reproduce(place, tmp_path / "out", "--rows", "signals-bocpd") == 0


def test_table2_with_another_head_shares_what_table1_has_of_it(place, out, monkeypatch):
    monkeypatch.setattr(command, "call_verb", lambda verb, _: pytest.fail(verb))
    more = ("--seeds", "0,1", "--head", "mstcn", "--rows", "m2r2-mstcn")
    assert reproduce(place, out, *more, table="table2") == 0
    text = (out / "table2_mstcn.md").read_text()
    assert "The head is 'mstcn'; the paper's figures are with DiffAct." in text
    (all_sensors,) = json.loads((out / "table2_mstcn.json").read_text())["splits"]["test"].values()
    first = json.loads((out / "table1.json").read_text())["splits"]["test"]["M2R2 + MS-TCN"]
    assert all_sensors["fine"] == first["fine"]


def test_other_recordings_or_another_encoder_need_another_folder(place, out, tmp_path, capsys):
    shutil.copytree(place / "data", tmp_path / "data")
    (tmp_path / "data" / "shifted" / "e.h5").rename(tmp_path / "data" / "shifted" / "f.h5")
    assert reproduce(place, out, data=tmp_path / "data") == 2
    complaint = capsys.readouterr().err
    assert "was begun with other settings (recordings.shifted: ['e'] there, now ['f'])" in complaint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: (d / "validation").mkdir() or (d / "test").mkdir(), "no folder 'train'"),
        (lambda d: [(d / s).mkdir() for s in SPLITS], "train: holds no recording"),
    ],
)
def test_an_incomplete_data_set_is_one_clear_line(place, tmp_path, capsys, change, message):
    change(tmp_path)
    assert reproduce(place, tmp_path / "out", data=tmp_path) == 2
    assert message in capsys.readouterr().err


def test_stages_that_are_no_stages_are_one_clear_line(place, tmp_path, capsys):
    path = tmp_path / "stages.yaml"
    for text in (
        "[]",
        "encoders: 3\nheads: 4",
        "encoders: {}",
        "a: [",
        "heads: {}\nencoders: {x: y}",
    ):
        path.write_text(text)
        assert reproduce(place, tmp_path / "out", "--config", path) == 2
        error = capsys.readouterr().err.strip().splitlines()
        assert len(error) == 1 and "stages.yaml" in error[0]


# ---------------------------------------------------------------- the tables themselves


def test_shipped_stages_name_what_the_tables_need():
    stages = reproduction.Stages.load(shipped("config/reproduce/taskboard_sim.yaml"))
    rows = [row for table in TABLES.values() for row in table if row.encoder != "signals"]
    assert {row.encoder for row in rows} == set(stages.encoders)
    assert {row.head for row in rows} == set(stages.heads)


def test_the_objectives_differ_in_the_weights_of_their_terms_alone():
    stages = reproduction.Stages.load(shipped("config/reproduce/taskboard_sim.yaml"))
    terms = ("action_weight", "boundary_weight", "frame_class_weight")
    found = {
        row.encoder: load_settings(PretrainSettings, stages.encoders[row.encoder])
        for row in TABLES["objective"]
    }
    assert {name: [getattr(s, t) for t in terms] for name, s in found.items()} == {
        "equation5": [1, 1, 0],
        "action_term": [1, 0, 0],
        "boundary_term": [0, 1, 0],
        "end_to_end": [0, 0, 1],
        "m2r2": [1, 1, 1],
    }
    same = {replace(settings, **dict.fromkeys(terms, 1.0)) for settings in found.values()}
    assert len(same) == 1


def test_spread_over_seeds_by_hand():
    scores = [{"acc": 80.0, "delay_s": 0.5}, {"acc": 84.0, "delay_s": None}]
    assert summarised(scores) == {
        "acc": {"mean": 82.0, "std": pytest.approx(8**0.5), "values": [80.0, 84.0]},
        "delay_s": {"mean": 0.5, "std": None, "values": [0.5, None]},
    }


def test_best_figures_of_the_paper():
    """As in its text: ASRF has an F1@50 of 82.4, 46.6 points above the unsupervised ones."""
    fine = {row.name: row.published["fine"] for row in TABLES["table1"] if row.published}
    best = max(fine, key=lambda name: fine[name]["f1@50"])
    assert best == "M2R2 + ASRF"
    assert fine[best]["f1@50"] - fine["AWE"]["f1@50"] == pytest.approx(46.6)
    assert min(fine, key=lambda name: fine[name]["f1@50"]) == "BR-Prompt + DiffAct"


def test_names_from_outside_cannot_break_the_table():
    row = TABLES["table2"][0]
    data = {"name": "a|b\nc", "seeds": [0], "encoder_seeds": 1, "recordings": {"te|st": 1}}
    scores = {"te|st": {row.key: {"fine": [dict.fromkeys(METRICS, 1.0)]}}}
    text = table_markdown(table_json("table2", data, [row], scores), ["fine"])
    assert "# Table II of M2R2 on a\\|b c\n" in text
    assert {line.count("|") for line in text.splitlines() if line.startswith("| ")} == {8}
