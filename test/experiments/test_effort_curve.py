# SPDX-License-Identifier: Apache-2.0
"""tools/effort_curve.py: which recordings each training sees, and what is done again."""

import json
from itertools import pairwise
from pathlib import Path

import effort_curve
import effort_plot
import pytest
import yaml
from source_tree import ROOT

SETTINGS = {
    "sizes": [1, 2, 5, 8],
    "draws": [0, 1],
    "head": {"optimiser": {"epochs": 60}},
    "ways": {
        "scratch": {"windows_per_epoch": 72},
        "frozen": {"encoder": "some/encoder.onnx"},
        "fine-tuned": {"from": "some/encoder.onnx", "windows_per_epoch": 72},
    },
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Files that nobody reads, and verbs that are noted in place of being run."""
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    for folder, count in (("train", 9), ("unseen", 2)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            (tmp_path / folder / f"{folder}_{number}.h5").touch()
    place = Place(tmp_path)
    monkeypatch.setattr(effort_curve, "run_verb", place.run_verb)
    return place


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder, self.verbs, self.fails_at = folder, [], ""

    def run_verb(self, verb: str, words: list[str]) -> int:
        self.verbs.append((verb, words))
        if verb == "evaluate":
            Path(words[words.index("--json") + 1]).write_text('{"f1@50": 50.0, "delay_s": null}')
        return 2 if verb == self.fails_at else 0

    def main(self, *more: str) -> int:
        at = self.folder
        told = [at / "settings.yaml", "--train", at / "train", "--test", at / "unseen"]
        return effort_curve.main([*map(str, told), "--out", str(at / "out"), *more])

    @property
    def points(self) -> dict:
        return json.loads((self.folder / "out" / "points.json").read_text())


def test_the_same_test_recordings_and_nested_training_ones(place):
    assert place.main() == 0
    points = place.points
    assert len(points) == 24
    assert {tuple(point["test"]) for point in points.values()} == {("unseen_0", "unseen_1")}
    for draw in SETTINGS["draws"]:
        for way in SETTINGS["ways"]:
            named = [points[f"{way}-{size:02d}-{draw}"]["recordings"] for size in (1, 2, 5, 8)]
            assert [len(names) for names in named] == [1, 2, 5, 8]
            for fewer, more in pairwise(named):
                assert more[: len(fewer)] == fewer and len(set(more)) == len(more)
    one = points["scratch-08-0"]["recordings"]
    assert (
        one != points["scratch-08-1"]["recordings"] and one == points["frozen-08-0"]["recordings"]
    )


def test_no_test_recording_is_trained_on_and_every_size_has_as_many_steps(place):
    assert place.main() == 0
    for verb, words in place.verbs:
        taught = words[: words.index("--test")] if verb == "extract" else words
        assert not any("unseen" in word for word in taught)
    given = [words for verb, words in place.verbs if verb == "train"]
    for words, point in zip(given, place.points.values(), strict=True):
        epochs = int(words[words.index("--epochs") + 1])
        # Batches of four; an epoch goes through few recordings until it has five.
        assert epochs * {1: 5, 2: 5, 5: 5, 8: 6}[point["size"]] == 360
        assert words[words.index("--seed") + 1] == str(point["draw"])


def test_an_encoder_is_trained_further_from_the_one_that_is_named(place):
    assert place.main() == 0
    given = [words for verb, words in place.verbs if verb == "pretrain"]
    further = [words for words in given if "--from" in words]
    assert len(given) == 16 and len(further) == 8
    for words in further:
        assert words[words.index("--from") + 1] == "some/encoder.onnx"
        settings = yaml.safe_load(Path(words[words.index("--config") + 1]).read_text())
        assert settings.keys() == {"windows_per_epoch", "seed"}


def test_what_is_there_is_not_done_again(place, capsys):
    place.fails_at = "evaluate"
    assert place.main() == 2
    assert "m2r2 evaluate has ended with status 2" in capsys.readouterr().err
    place.fails_at = ""
    assert place.main() == 0
    count = len(place.verbs)
    seconds = [float(file.read_text()) for file in place.folder.glob("out/*/seconds")]
    assert len(seconds) == 24 and all(each >= 0 for each in seconds)
    assert place.main("--plan") == 0 and place.main() == 0
    assert len(place.verbs) == count
    assert "scratch: 8 done, 0 left" in capsys.readouterr().out


def test_a_size_that_the_recordings_do_not_have_is_one_line(place, capsys):
    (place.folder / "settings.yaml").write_text(yaml.safe_dump({**SETTINGS, "sizes": [10]}))
    assert place.main() == 2
    assert "a size of 10, of 9 recordings" in capsys.readouterr().err


def test_the_picture_shows_means_over_draws(place, tmp_path):
    points = [
        {"way": "scratch", "size": s, "draw": d, "f1@50": s + 2 * d} for s in (1, 4) for d in (0, 1)
    ]
    assert effort_plot.means(points, "scratch", "f1@50") == {1: 2.0, 4: 5.0}
    assert effort_plot.means(points, "scratch", "delay_s") == {}
    file = tmp_path / "some_rig.json"
    file.write_text(json.dumps(dict(enumerate(points))))
    effort_plot.draw([file], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000


@pytest.mark.parametrize("file", sorted((ROOT / "config" / "effort").glob("*.yaml")), ids=str)
def test_the_shipped_settings_are_what_pretraining_takes(file):
    from m2r2_ros.training.settings import PretrainSettings, settings_from_dict
    from m2r2_ros.training.settings_file import extended

    told = yaml.safe_load(file.read_text())
    for way in told["ways"].values():
        named = way.get("encoder") or way.pop("from", None)
        assert named is None or (ROOT / named).exists()
        if "encoder" not in way:
            values = extended(way, file.parent)
            assert settings_from_dict(PretrainSettings, values, str(file)).windows_per_epoch
