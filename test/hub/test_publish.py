# SPDX-License-Identifier: Apache-2.0
"""`m2r2 publish`: what is uploaded, and what comes back by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from fake_hub import TOKEN
from tiny_models import write_models

from m2r2_ros.cli.main import main
from m2r2_ros.hub.models_folder import models_folder
from m2r2_ros.hub.repository_card import repository_card
from m2r2_ros.inference.models import Models
from m2r2_ros.sensing.layout import SensorLayout

NAME = "lab/pick"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    layout = SensorLayout(cameras=(), audio=False, signals=("gripper",))
    folder = write_models(tmp_path / "models", layout)
    (folder / "model_card.md").write_text("---\nlicense: mit\n---\n\n# Pick\n\nGood.\n")
    (folder / "report.html").write_text("private")
    return folder


def publish(folder: Path, *options: str) -> int:
    return main(["publish", str(folder), NAME, *options])


def test_what_is_published_comes_back_by_name(hub, folder, capsys):
    assert publish(folder, "--private") == 0
    repository = hub.repositories[NAME]
    assert repository.private
    files = repository.commits[repository.refs["main"]]
    expected = {"encoder.onnx", "head.onnx", "model_card.md", "models.sha256", "README.md"}
    assert files.keys() == expected
    out = capsys.readouterr().out
    assert all(name in out for name in expected) and "left out: report.html" in out
    assert f"models:={NAME}@{repository.refs['main']}" in out and TOKEN not in out
    fetched = models_folder(NAME, print)
    assert Models.load(fetched).encoder.sha256 == Models.load(folder).encoder.sha256


def test_the_page_has_what_the_hub_files_it_under_and_the_card(hub, folder):
    assert publish(folder, "--licence", "apache-2.0") == 0
    repository = hub.repositories[NAME]
    page = repository.commits[repository.refs["main"]]["README.md"].decode()
    _, matter, text = page.split("---\n", 2)
    front = yaml.safe_load(matter)
    assert front["license"] == "apache-2.0" and front["pipeline_tag"] == "robotics"
    assert "temporal-action-segmentation" in front["tags"] and not repository.private
    assert "# Pick\n\nGood.\n" in text and f"--models {NAME}" in text
    assert publish(folder) == 0
    page = repository.commits[repository.refs["main"]]["README.md"].decode()
    assert yaml.safe_load(page.split("---\n")[1])["license"] == "mit"


def test_files_of_earlier_models_go_and_all_others_stay(hub, folder):
    hub.publish(NAME, {"frame.onnx": b"of another encoder", "picture.png": b"x"})
    assert publish(folder) == 0
    repository = hub.repositories[NAME]
    files = repository.commits[repository.refs["main"]]
    assert "frame.onnx" not in files and files["picture.png"] == b"x"


def test_a_dry_run_asks_nobody(hub, folder, capsys):
    assert publish(folder, "--dry-run") == 0
    assert hub.asked == [] and "encoder.onnx" in capsys.readouterr().out


def test_a_public_repository_does_not_get_what_is_private(hub, folder, capsys):
    commit = hub.publish(NAME, {"README.md": b"x"})
    assert publish(folder, "--private") == 2
    assert "is public already" in capsys.readouterr().err
    assert hub.repositories[NAME].refs["main"] == commit


@pytest.mark.parametrize(
    ("token", "said"),
    [("", "needs a token"), ("hf_ wrong", "is no token"), ("hf_ofSomebodyElse", "lab/pick")],
)
def test_without_a_token_that_is_accepted_nothing_is_sent(
    token, said, hub, folder, capsys, monkeypatch, tmp_path
):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("HF_TOKEN", token)
    assert publish(folder) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not (token and token in err)
    assert hub.repositories == {}


def test_models_that_do_not_belong_together_are_not_published(hub, folder, tmp_path, capsys):
    layout = SensorLayout(cameras=(), audio=False, signals=("wrench",))
    other = write_models(tmp_path / "other", layout)
    (folder / "head.onnx").write_bytes((other / "head.onnx").read_bytes())
    assert publish(folder) == 2
    (folder / "head.onnx").unlink()
    assert publish(folder) == 2
    assert "no head.onnx" in capsys.readouterr().err
    assert main(["publish", str(folder), "no-name"]) == 2
    assert main(["publish", str(folder / "none"), NAME]) == 2
    assert hub.asked == []


def test_what_the_hub_has_against_the_card_is_said(hub, folder, capsys):
    hub.card = '"license" must be one of [apache-2.0, mit]'
    assert publish(folder, "--licence", "mine") == 2
    err = capsys.readouterr().err
    assert hub.card in err and err.count("\n") == 1
    assert hub.repositories[NAME].refs["main"] == "0" * 40


@pytest.mark.parametrize("card", ["---\na: [\n---\n", "---\njust this\n---\n", "---\nopen: 1\n"])
def test_a_card_whose_front_matter_is_broken_is_named(card, hub, folder, capsys):
    (folder / "model_card.md").write_text(card)
    assert publish(folder) == 2
    assert "model_card.md" in capsys.readouterr().err and hub.asked == []


@pytest.mark.parametrize("end", ["", "\n", "\n\nGood.", "\n\nGood.\n"])
def test_the_last_line_of_a_card_may_lack_its_end(end, tmp_path):
    (tmp_path / "model_card.md").write_text(f"---\nlicense: mit\n---{end}")
    page = repository_card(tmp_path, "lab/pick", "")
    assert page.startswith("---\nlicense: mit\n") and ("Good." in page) == ("Good." in end)
    assert page.count("---\n") == 2
